"""Image files: turned, with several frames, too deep, or not images at all."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from edge_runtime import InputError, UsageError, read_image
from edge_runtime.frame.file_kinds import name_kind

GREY = np.repeat(np.repeat(np.array([[60, 120], [180, 240]], np.uint8), 24, axis=0), 32, axis=1)
"""(48, 64); four quarters, so that each of the eight orientations looks different."""

SHOWN: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a),
}
"""What a viewer makes of stored pixels, by EXIF orientation (CIPA DC-008, tag 274)."""


def png(bits: int, color: int, rows: list[bytes], width: int) -> bytes:
    """A PNG of any depth, which Pillow cannot write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, color, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(bits: int, channels: int = 1, photometric: int = 1, sample_format: int = 1) -> bytes:
    """An uncompressed TIFF of 64 x 48 pixels, all zero, of any depth."""
    size = 64 * 48 * channels * bits // 8
    long, short = 4, 3
    tags = [(256, short, [64]), (257, short, [48]), (258, short, [bits] * channels), (259, short, [1]),
            (262, short, [photometric]), (273, long, [0]), (277, short, [channels]), (278, short, [48]),
            (279, long, [size]), (339, short, [sample_format] * channels)]  # fmt: skip
    entries, values, start = b"", b"", 8 + 2 + 12 * len(tags) + 4
    for tag, kind, numbers in tags:
        if tag == 273:
            numbers = [start + 64]
        packed = b"".join(struct.pack("<H" if kind == short else "<I", number) for number in numbers)
        entries += struct.pack("<HHI", tag, kind, len(numbers))
        if len(packed) > 4:
            entries += struct.pack("<I", start + len(values))
            values += packed
        else:
            entries += packed.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    return head + values.ljust(64, b"\0") + bytes(size)


def packed(values: np.ndarray, bits: int) -> list[bytes]:
    """Rows of values of 1, 2, 4 or 8 bits."""
    shifts = np.arange(bits - 1, -1, -1)
    return [np.packbits(((row[:, None] >> shifts) & 1).astype(np.uint8)).tobytes() for row in values]


@pytest.mark.parametrize("orientation", SHOWN)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_an_image_is_turned_as_viewers_turn_it(
    tmp_path: Path, kind: str, options: dict[str, object], orientation: int
) -> None:
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    if kind == "TIFF":
        options = {**options, "tiffinfo": {274: orientation}}
    else:
        exif = Image.Exif()
        exif[274] = orientation
        options = {**options, "exif": exif.tobytes()}
    path = tmp_path / "image"
    Image.fromarray(GREY).save(path, format=kind, **options)
    pixels = read_image(path)
    assert pixels.flags.c_contiguous
    pixels = pixels if pixels.ndim == 2 else pixels[..., 0]
    shown = SHOWN[orientation](GREY)
    assert pixels.shape == shown.shape
    assert np.abs(pixels.astype(int) - shown).max() <= 8  # of JPEG's own loss


def test_an_orientation_that_exif_does_not_define_is_passed_over(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 9
    Image.fromarray(GREY).save(tmp_path / "image.png", exif=exif.tobytes())
    assert (read_image(tmp_path / "image.png") == GREY).all()


def test_a_phones_photo_is_upright(tmp_path: Path, run: Callable, model: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.full((540, 800), 90, np.uint8)).save(tmp_path / "phone.jpg", exif=exif.tobytes())
    call = ("measure", tmp_path / "phone.jpg", "--model", model, "--mask-dir", tmp_path / "m")
    done = run("edge_runtime", *call, "--overlay-dir", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    for folder in ("m", "o"):
        assert Image.open(tmp_path / folder / "phone.png").size == (540, 800)


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP", "MPO"])
def test_several_frames_are_refused_with_their_number_unless_one_is_chosen(tmp_path: Path, kind: str) -> None:
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    frames = [np.full((48, 64), level, np.uint8) for level in (40, 120, 200)]
    images = [Image.fromarray(f).convert("RGB") for f in frames]
    path = tmp_path / "cine"
    if kind == "MPO" and Image.__version__.startswith(("9.", "10.")):
        pytest.skip("this Pillow writes broken MPO files")
    images[0].save(path, format=kind, save_all=True, append_images=images[1:])
    with pytest.raises(InputError, match=r"holds 3 frames.*--frame N, from 1 to 3"):
        read_image(path)
    for number, frame in enumerate(frames, 1):
        assert abs(int(read_image(path, frame=number)[20, 20, 0]) - int(frame[0, 0])) <= 4
    with pytest.raises(UsageError, match=r"holds 3 frames; there is no frame 4"):
        read_image(path, frame=4)


def test_frames_are_counted_from_one(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "one.png")
    assert (read_image(tmp_path / "one.png", frame=1) == GREY).all()
    with pytest.raises(UsageError, match="holds 1 frame; there is no frame 2"):
        read_image(tmp_path / "one.png", frame=2)
    for wrong in (0, -1, 1.0, True, "1"):
        with pytest.raises(UsageError, match="counted from 1"):
            read_image(tmp_path / "one.png", frame=wrong)  # type: ignore[arg-type]


def test_each_frame_of_a_tiff_has_its_own_orientation_and_depth(tmp_path: Path) -> None:
    deep = Image.fromarray(GREY.astype(np.uint16) * 100)
    path = tmp_path / "mixed.tiff"
    first = Image.fromarray(GREY)
    first.encoderinfo = {"tiffinfo": {274: 6}}
    first.save(path, save_all=True, append_images=[deep], tiffinfo={274: 6})
    assert (read_image(path, frame=1) == SHOWN[6](GREY)).all()
    with pytest.raises(InputError, match="16 bits"):
        read_image(path, frame=2)


def test_images_one_behind_the_other_are_refused(tmp_path: Path) -> None:
    one = b"P5\n64 48\n255\n" + GREY.tobytes()
    (tmp_path / "a.pgm").write_bytes(one)
    assert (read_image(tmp_path / "a.pgm") == GREY).all()
    (tmp_path / "b.pgm").write_bytes(one + one)
    with pytest.raises(InputError, match="more than one image"):
        read_image(tmp_path / "b.pgm")


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        *((png(16, color, [bytes(64 * 2 * n)] * 48, 64), "16 bits") for color, n in ((0, 1), (2, 3), (4, 2), (6, 4))),
        *((tiff(bits, channels, 1 if channels == 1 else 2), f"{bits} bits") for bits in (10, 12, 14, 16, 32, 64)
          for channels in (1, 3)),
        (tiff(16, sample_format=3), "16 bits"),
        (tiff(32, sample_format=3), "32 bits"),
        (tiff(8, sample_format=2), "signed"),
        (tiff(16, 4, 5), "16 bits"),
        *((b"%s\n64 48\n%d\n" % (kind, most) + bytes(64 * 48 * 6), f"values up to {most}")
          for most in (256, 1023, 65535) for kind in (b"P5", b"P6")),
        (b"P3 # comment\n64 48\n# 255\n4095\n" + b"0 " * 64 * 48 * 3, "values up to 4095"),
        (b"\xff\xd8\xff\xc1\0\x0b\x0c\0\x30\0\x40\x01\x01\x11\0" + bytes(50) + b"\xff\xd9", "12 bits"),
    ],
)  # fmt: skip
def test_more_than_8_bits_are_refused_whatever_pillow_makes_of_them(tmp_path: Path, data: bytes, seen: str) -> None:
    (tmp_path / "deep").write_bytes(data)
    with pytest.raises(InputError, match=seen) as caught:
        read_image(tmp_path / "deep")
    assert "8 bits" in str(caught.value)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_fewer_than_8_bits_are_scaled_to_all_grey_levels(tmp_path: Path, bits: int) -> None:
    values = np.arange(48 * 64).reshape(48, 64) % 2**bits
    wanted = values * 255 // (2**bits - 1)
    rows, path = packed(values, bits), tmp_path / "image"
    path.write_bytes(png(bits, 0, rows, 64))
    assert (read_image(path) == wanted).all()
    for photometric, shown in ((1, wanted), (0, 255 - wanted)):
        data = tiff(bits, photometric=photometric)
        path.write_bytes(data[: -len(b"".join(rows))] + b"".join(rows))
        assert (read_image(path) == shown).all()


@pytest.mark.parametrize("most", [1, 3, 15, 100, 200, 254, 255])
def test_a_pgm_of_fewer_levels_is_scaled_to_all(tmp_path: Path, most: int) -> None:
    values = (np.arange(48 * 64).reshape(48, 64) % (most + 1)).astype(np.uint8)
    text = b" ".join(b"%d" % v for v in values.ravel())
    for data in (b"P5 64 48\n%d\n" % most + values.tobytes(), b"P2\n# by hand\n64 48\n%d\n" % most + text):
        (tmp_path / "image.pgm").write_bytes(data)
        assert (read_image(tmp_path / "image.pgm") == np.rint(values / most * 255)).all()


def test_a_palette_is_read_as_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray((GREY // 60 - 1).astype(np.uint8)).convert("P")
    image.putpalette([60] * 3 + [120] * 3 + [180] * 3 + [240] * 3)
    image.save(tmp_path / "p.png")
    assert (read_image(tmp_path / "p.png")[..., 0] == GREY).all()


@pytest.mark.parametrize(("photometric", "channels", "colors"), [(5, 4, "CMYK"), (8, 3, "LAB"), (6, 3, "YCbCr")])
def test_colours_other_than_grey_and_rgb_are_refused_by_name(
    tmp_path: Path, photometric: int, channels: int, colors: str
) -> None:
    (tmp_path / "colour").write_bytes(tiff(8, channels, photometric))
    with pytest.raises(InputError, match=f"has {colors} colours.*Save it as 8-bit grey or RGB"):
        read_image(tmp_path / "colour")


def test_a_jpeg_in_cmyk_is_refused_and_one_within_a_tiff_is_read(tmp_path: Path) -> None:
    Image.new("CMYK", (64, 48)).save(tmp_path / "print.jpg")
    with pytest.raises(InputError, match="CMYK"):
        read_image(tmp_path / "print.jpg")
    Image.fromarray(GREY).convert("RGB").save(tmp_path / "scan.tiff", compression="jpeg", quality=95)
    assert np.abs(read_image(tmp_path / "scan.tiff")[..., 0].astype(int) - GREY).max() <= 8


FTYP = b"\0\0\0\x18ftyp%s\0\0\0\0%sisom"
OTHERS = {
    "IM0001.dcm": (bytes(128) + b"DICM\x02\0\0\0UL\x04\0", "DICOM", "edge_runtime.read_picture"),
    "IM0001": (bytes(128) + b"DICM\x02\0\0\0UL\x04\0", "DICOM", "gives its pixel size"),
    "bare": (b"\x08\0\x05\0CS\x0a\0ISO_IR 100" + bytes(200), "DICOM", "8-bit PNG"),
    "named.dcm": (b"\x99\x12" * 300, "named as DICOM", "8-bit PNG"),
    "a.heic": (FTYP % (b"heic", b"mif1"), "HEIC", "PNG or JPEG"),
    "b.heic": (FTYP % (b"mif1", b"heic"), "HEIC", "PNG or JPEG"),
    "a.avif": (FTYP % (b"mif1", b"avif"), "AVIF", "PNG or JPEG"),
    "a.mp4": (FTYP % (b"isom", b"mp41"), "video (MP4)", "ffmpeg"),
    "a.mov": (FTYP % (b"qt  ", b"qt  "), "video (QuickTime)", "ffmpeg"),
    "a.avi": (b"RIFF\x10\0\0\0AVI LIST", "video (AVI)", "ffmpeg"),
    "a.nii": (bytes(344) + b"n+1\0", "NIfTI", "slice"),
    "a.nii.gz": (zlib.compress(bytes(344) + b"n+1\0", wbits=31), "NIfTI, compressed", "slice"),
    "a.mha": (b"ObjectType = Image\nNDims = 2\n", "MetaImage", "slice"),
    "a.mhd": (b"NDims = 3\nElementDataFile = a.raw\n", "MetaImage", "slice"),
    "a.nrrd": (b"NRRD0004\ntype: uchar\n", "NRRD", "slice"),
    "a.pdf": (b"%PDF-1.7\n", "PDF", "PNG"),
    "a.cr2": (b"II*\0\x10\0\0\0CR\x02\0", "RAW", "Develop"),
    "a.nef": (tiff(8), "RAW file (NEF)", "Develop"),
    "a.raw": (b"\x99\x12" * 300, "raw bytes", "8-bit PNG"),
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "PNG or JPEG"),
    "a.npy": (b"\x93NUMPY\x01\0", "NumPy", "Segmenter.measure"),
    "a.txt": (b"hello\n", "a text file", "path"),
    "long.txt": ("ü".encode() * 5000, "a text file", "path"),
    "lfs.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS", "git lfs pull"),
    "page.png": (b"<!DOCTYPE html><html></html>", "a web page", "download"),
    "a.svg": (b"<?xml version='1.0'?><svg></svg>", "SVG", "PNG"),
    "zeros.png": (bytes(5000), "zeros", "Copy it again"),
    "empty.png": (b"", "empty", "again"),
    "noise.png": (b"\x99\x12" * 300, "damaged, or of an unknown kind", "save it as PNG"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_an_image_is_named_with_the_next_step(tmp_path: Path, name: str) -> None:
    data, kind, advice = OTHERS[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / name)
    message = str(caught.value)
    assert kind in message and advice in message and "PNG, JPEG, BMP" in message and "BytesIO" not in message


def test_no_image_is_taken_for_something_else(tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "GIF", "PPM", "WEBP"):
        file = io.BytesIO()
        Image.fromarray(GREY).save(file, format=kind)
        assert name_kind(file.getvalue(), f"image.{kind.lower()}") is None


def test_a_video_that_is_too_large_to_be_an_image_is_still_named(tmp_path: Path) -> None:
    with (tmp_path / "long.mp4").open("wb") as file:
        file.write(FTYP % (b"isom", b"mp41"))
        file.truncate(1 << 29)  # sparse: takes no room
    with pytest.raises(InputError, match=r"video \(MP4\)"):
        read_image(tmp_path / "long.mp4")


def test_folders_missing_files_and_forbidden_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"is a folder. Name the image files in it"):
        read_image(tmp_path)
    for missing in (tmp_path / "no.png", tmp_path / "no" / "no.png"):
        with pytest.raises(UsageError, match="There is no file"):
            read_image(missing)
    Image.fromarray(GREY).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="There is no file"):
        read_image(tmp_path / "a.png" / "b.png")

    def forbidden(*_: object) -> int:  # tests may run as root, who may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(InputError, match="permission denied"):
        read_image(tmp_path / "a.png")
