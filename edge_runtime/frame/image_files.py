"""Image files in and out, through Pillow (the extra ``images``)."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.files import read_bounded, write_bytes
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, InputError, UsageError, shown
from edge_runtime.frame.file_kinds import HEAD_BYTES, name_by_suffix, name_kind

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "PPM", "WEBP")
"""What is decoded. Pillow knows dozens more, rarely used and less tested; for one of them it starts Ghostscript."""

FORMATS_TEXT = "PNG, JPEG, BMP, TIFF, GIF, PBM, PGM, PPM and WebP, 8 bits a channel or fewer, grey or RGB"

MAX_IMAGE_BYTES = 1 << 28
"""Largest file that is read: an uncompressed colour image of MAX_IMAGE_PIXELS, with room."""

MAX_IMAGE_PIXELS = 1 << 26
"""8192 x 8192. Some kilobytes of a file can claim billions, which would fill the memory of a small computer."""

_MODES = {"L": "L", "RGB": "RGB", "RGBX": "RGB", "RGBA": "RGBA", "LA": "RGBA", "P": "RGBA", "PA": "RGBA", "1": "L"}

_PPM_HEADER = re.compile(rb"P[2356](?:\s+(\d+)){3}\s")
_PPM_COMMENT = re.compile(rb"#[^\r\n]*[\r\n]")

_ORIENTATION = 274  # of EXIF
_BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT, _DNG_VERSION = 258, 259, 262, 339, 50706  # of TIFF
_TIFF_COLORS = {5: "CMYK", 6: "YCbCr", 8: "LAB", 9: "LAB", 10: "LAB", 32803: "a camera's raw", 34892: "a camera's raw"}
"""By photometric interpretation; of them only YCbCr within JPEG is read, as RGB."""

_PLAIN_SAMPLES = {1, 4}  # unsigned, or not said; the others are signed, float and complex
_SCALE = "Save it with 8 bits, scaled as it is displayed; how to scale it is not guessed here."


def read_image(path: str | Path, frame: int | None = None) -> NDArray[np.uint8]:
    """Read an 8-bit image file as viewers show it: turned as its EXIF orientation says.

    Args:
        path: PNG, JPEG, BMP, TIFF, GIF, PBM, PGM, PPM or WebP; grey, colour or palette, with or without alpha. Fewer
            than 8 bits are scaled to 0 to 255.
        frame: Which frame of a file that holds several, from 1. None for a file that holds one.

    Returns:
        uint8 (H, W), (H, W, 3) or (H, W, 4).

    Raises:
        UsageError: There is no such file, it is a folder, or it has no such frame.
        InputError: Not an image, a damaged or a huge one, several frames and none chosen, more than 8 bits a channel,
            or colours other than grey and RGB.
    """
    path = Path(path)
    if frame is not None and (not isinstance(frame, int) or isinstance(frame, bool) or frame < 1):
        raise UsageError(f"The frame is {shown(frame)}; frames are counted from 1.")
    require("PIL.Image")
    return decode_image(read_file(path, MAX_IMAGE_BYTES), path, frame)


def decode_image(data: bytes, path: Path, frame: int | None = None) -> NDArray[np.uint8]:
    """Decode an image file that is in memory; arguments, result and errors are those of :func:`read_image`.

    Args:
        data: The file.
        path: Its name, for messages and for what its suffix says. Nothing is read there.
        frame: Which frame of several, from 1.
    """
    pil = require("PIL.Image")
    kind = name_kind(data, path.name)
    if kind is not None:
        raise _not_read(path, *kind)
    try:
        with pil.open(io.BytesIO(data), formats=FORMATS) as image:
            _choose_frame(path, image, frame)
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise _too_large(path, f"{image.width} x {image.height}")
            _check_header(path, image, data)
            if image.mode not in _MODES:
                raise _wrong_colors(path, image.mode)
            image.load()
            return _turned(np.asarray(image.convert(_MODES[image.mode])), _orientation(image))
    except FetalHeadError:
        raise
    except pil.UnidentifiedImageError:
        raise _unidentified(path, data) from None
    except pil.DecompressionBombError:  # beyond twice Pillow's own limit, which is above ours
        raise _too_large(path, f"more than {2 * pil.MAX_IMAGE_PIXELS}") from None
    except Exception as error:  # on damaged files Pillow raises nearly anything: struct.error, IndexError, ...
        raise InputError(
            f"{path} cannot be read as an image: {type(error).__name__}: {error!s:.300}. "
            "It is probably damaged or cut short: copy or export it again."
        ) from error


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Write a mask as an 8-bit PNG, 0 and 255, whole or not at all.

    Args:
        path: Where to; its folder is made.
        mask: bool (H, W).

    Raises:
        UsageError: The place cannot be written.
    """
    buffer = io.BytesIO()
    require("PIL.Image").fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def read_file(path: Path, limit: int) -> bytes:
    """All of a file, or its beginning where it is too large to be read, but its kind can still be named.

    Args:
        path: The file.
        limit: Largest size in bytes of a file that is read.

    Raises:
        UsageError: There is no such file, or it is a folder.
        InputError: It cannot be read, or is too large.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder. Name the image files in it, for example: {path}/*.png")
        try:
            return read_bounded(path, limit)
        except ValueError:
            if not path.is_file():
                raise
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
            if name_kind(head, path.name) is None:
                raise
            return head
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"There is no file {path}.") from None
    except PermissionError:
        raise InputError(f"{path} may not be read: permission denied. Change its permissions, or copy it.") from None
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {text}. Check the path, and the disk it is on.") from error


def check_frame_number(path: Path, count: int, frame: int | None, next_step: str) -> int:
    """The number of the frame to measure, from 1.

    Args:
        path: The file.
        count: Frames that it holds.
        frame: The one that was chosen. None if none was.
        next_step: What the message says beside --frame, where several frames need a choice.

    Raises:
        InputError: There are several, and none is chosen.
        UsageError: There is no such frame.
    """
    if frame is None and count > 1:
        raise InputError(
            f"{path} holds {count} frames, and one is measured. Choose it: --frame N, from 1 to {count} {next_step}"
        )
    if frame is not None and frame > count:
        frames = "1 frame" if count == 1 else f"{count} frames"
        raise UsageError(f"{path} holds {frames}; there is no frame {frame}. Frames are counted from 1.")
    return frame or 1


def _choose_frame(path: Path, image: Any, frame: int | None) -> None:
    count = getattr(image, "n_frames", 1)
    number = check_frame_number(path, count, frame, "(in Python: read_image(path, frame=N)).")
    if frame is not None and count > 1:
        image.seek(number - 1)


def _orientation(image: Any) -> int:
    """The EXIF orientation that is still to be applied to a loaded image, 1 to 8; 1 for none."""
    if image.format == "TIFF":
        return 1  # Pillow turns it on loading; versions before 10.1 keep the tag, so exif_transpose would turn it twice
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) else 1


def _turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Pixels (H, W, ...) as viewers show them. An orientation that EXIF does not define changes nothing."""
    if not 1 <= orientation <= 8:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _check_header(path: Path, image: Any, data: bytes) -> None:
    """Refuse more than 8 bits a channel by what the file says: Pillow cuts some to 8 without a word."""
    if image.format == "PNG":
        _check_bits(path, data[24])
    elif image.format == "TIFF":
        _check_tiff(path, image.tag_v2)
    elif image.format == "PPM" and data[:2] not in (b"P1", b"P4"):
        header = _PPM_HEADER.match(_PPM_COMMENT.sub(b"", data[:HEAD_BYTES]))
        if header is None:
            raise InputError(f"{path} is not a PBM, PGM or PPM file of magic number P1 to P6. Save it as an 8-bit PNG.")
        most = int(header[1])
        _check_bits(path, most.bit_length(), f"values up to {most}")
    if image.format == "PPM":
        _check_alone(path, image, data)


def _check_alone(path: Path, image: Any, data: bytes) -> None:
    """Refuse a binary PBM, PGM or PPM with another image behind the first: Pillow reads the first alone."""
    rows = {b"P4": (image.width + 7) // 8, b"P5": image.width, b"P6": 3 * image.width}
    if data[:2] in rows:
        rest = data[image.tile[0][2] + rows[data[:2]] * image.height :]
        if re.match(rb"\s*P[1-7]\s", rest):
            raise InputError(f"{path} holds more than one image. Split it, for example with pamsplit.")


def _check_tiff(path: Path, tags: Any) -> None:
    if _DNG_VERSION in tags:
        raise _not_read(path, "a camera's RAW file (DNG)", "Develop it, and save it as PNG or JPEG.")
    bits, formats = (
        value if isinstance(value, tuple) else (value,)
        for value in (tags.get(_BITS_PER_SAMPLE, 1), tags.get(_SAMPLE_FORMAT, 1))
    )
    _check_bits(path, max(bits))
    if not set(formats) <= _PLAIN_SAMPLES:
        raise InputError(f"{path} has signed or floating-point pixels. {_SCALE}")
    photometric, as_jpeg = tags.get(_PHOTOMETRIC), tags.get(_COMPRESSION) in (6, 7)
    if photometric in _TIFF_COLORS and not (photometric == 6 and as_jpeg):
        raise _wrong_colors(path, _TIFF_COLORS[photometric])


def _check_bits(path: Path, bits: int, shown_as: str | None = None) -> None:
    if bits > 8:
        raise InputError(f"{path} has {shown_as or f'{bits} bits'} a channel; more than 8 bits are not read. {_SCALE}")


def _too_large(path: Path, pixels: str) -> InputError:
    return InputError(
        f"{path} claims to have {pixels} pixels; at most {MAX_IMAGE_PIXELS} are decoded. Save it at the size it is "
        "displayed."
    )


def _wrong_colors(path: Path, colors: str) -> InputError:
    return InputError(f"{path} has {colors} colours; grey and RGB are read. Save it as 8-bit grey or RGB.")


def _not_read(path: Path, name: str, advice: str) -> InputError:
    return InputError(
        f"{path} cannot be read as an image: it is {name}. {advice} Formats that are read: {FORMATS_TEXT}."
    )


def _unidentified(path: Path, data: bytes) -> FetalHeadError:
    """Why Pillow cannot open a file at all."""
    try:
        if data[:2] in (b"II", b"MM"):
            tiff = require("PIL.TiffImagePlugin")
            tags, file = tiff.ImageFileDirectory_v2(data[:16] if data[2:4] in (b"+\0", b"\0+") else data[:8]), None
            file = io.BytesIO(data)
            file.seek(tags.next)
            tags.load(file)
            _check_tiff(path, tags)
        elif data[:2] == b"\xff\xd8":
            _check_bits(path, _jpeg_precision(data))
    except FetalHeadError as error:
        return error
    except Exception:  # damaged: it cannot be said what it is
        pass
    kind = name_by_suffix(path.name)
    if kind is not None:
        return _not_read(path, *kind)
    return InputError(
        f"{path} cannot be read as an image: it is damaged, or of an unknown kind. Open it in a viewer, and save it as "
        f"PNG. Formats that are read: {FORMATS_TEXT}."
    )


def _jpeg_precision(data: bytes) -> int:
    """Bits a channel of a JPEG, from its frame header (ITU-T T.81, B.2.2)."""
    at = 2
    while data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[at + 4]
        at += 2 + length
    return 8
