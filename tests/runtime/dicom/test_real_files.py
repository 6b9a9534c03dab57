"""Ultrasound files that nobody here wrote: pydicom's own, and those of the package pydicom-data.

Each is read rightly, or refused by name. What "rightly" is was looked up in the files by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from edge_runtime import Box, FetalHeadError, InputError, UsageError, read_picture
from tests.helpers.places import Run

pydicom = pytest.importorskip("pydicom")
data_store = pytest.importorskip("data_store")

FOLDERS = [Path(pydicom.__file__).parent / "data" / "test_files", Path(data_store.__file__).parent / "data"]
FILES = {path.name: path for folder in FOLDERS for path in sorted(folder.rglob("*")) if path.is_file()}


class Known(NamedTuple):
    """What a file must give: the picture's size, the part with tissue, the pixel size, or what is said instead."""

    size: tuple[int, int]
    part: Box | None = None
    pixel_mm: float | None = None
    said: str = ""
    frames: int = 1
    region: int | None = None


CX50 = Known((600, 800), Box(60, 519, 120, 800), 0.2622878766)
SONOSITE = Box(31, 415, 84, 596)
NO_REGION = "has no ultrasound region"

KNOWN = {
    "JPGLosslessP14SV1_1s_1f_8b.dcm": Known((768, 1024), Box(38, 759, 14, 1011), 0.2547669659),
    **dict.fromkeys(("OBXXXX1A.dcm", "OBXXXX1A_expb.dcm", "OBXXXX1A_rle.dcm"), CX50),
    **dict.fromkeys(
        ("OBXXXX1A_2frame.dcm", "OBXXXX1A_expb_2frame.dcm", "OBXXXX1A_rle_2frame.dcm"), CX50._replace(frames=2)
    ),
    "color3d_jpeg_baseline.dcm": Known((480, 640), SONOSITE, 0.5104970559, frames=120),
    # half the size, with the regions of the whole: its pixel size would be wrong by two
    "examples_ybr_color.dcm": Known((240, 320), said="lies outside of the picture (320x240)", frames=30),
    "examples_palette.dcm": Known((350, 800), said="lies outside of the picture (800x350)"),
    "gdcm-US-ALOKA-16.dcm": Known((480, 640), Box(24, 416, 336, 640), 0.3826530650, region=2),
    "gdcm-US-ALOKA-16_big.dcm": Known((480, 640), Box(24, 416, 32, 336), 0.3826530650, region=1),
    **dict.fromkeys(("US1_J2KI.dcm", "US1_J2KR.dcm", "US1_UNCI.dcm", "US1_UNCR.dcm", "examples_jpeg2k.dcm"),
                    Known((480, 640), said=NO_REGION)),
    **dict.fromkeys(("color-pl.dcm", "color-px.dcm"), Known((120, 256), said=NO_REGION)),
    "examples_rgb_color.dcm": Known((240, 320), said=NO_REGION),
    "ExplVR_BigEnd.dcm": Known((60, 80), said=NO_REGION),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_each_ultrasound_file_is_read_rightly_or_refused_by_name(name: str) -> None:
    known = KNOWN[name]
    for frame in {1, known.frames}:
        picture = read_picture(FILES[name], frame, known.region)
        assert picture.pixels.dtype == np.uint8 and picture.pixels.shape[:2] == known.size
        assert int(picture.pixels.max()) - int(picture.pixels.min()) > 200  # a picture, not black or one colour
        assert picture.part == known.part
        if known.pixel_mm is None:
            assert picture.pixel_size_mm is None and picture.doubt and known.said in picture.doubt
        else:
            assert picture.pixel_size_mm == pytest.approx((known.pixel_mm, known.pixel_mm)) and picture.doubt is None


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if known.frames > 1])
def test_a_clip_needs_a_frame(name: str) -> None:
    count = KNOWN[name].frames
    with pytest.raises(InputError, match=rf"holds {count} frames.*--frame N, from 1 to {count}"):
        read_picture(FILES[name])
    with pytest.raises(UsageError, match=f"there is no frame {count + 1}"):
        read_picture(FILES[name], count + 1)


@pytest.mark.parametrize("name", ["gdcm-US-ALOKA-16.dcm", "gdcm-US-ALOKA-16_big.dcm"])
def test_two_pictures_side_by_side_need_a_choice(name: str) -> None:
    with pytest.raises(InputError, match=r"2 tissue regions.*--region N \(1: columns 32 to 335.*2: columns 336 to"):
        read_picture(FILES[name])
    with pytest.raises(UsageError, match="there is no region 3"):
        read_picture(FILES[name], region=3)


def test_the_same_picture_is_the_same_pixels_in_every_form() -> None:
    def pixels(name: str, frame: int = 1, region: int | None = None) -> np.ndarray:
        return read_picture(FILES[name], frame, region).pixels.astype(int)

    for form in ("expb", "rle"):
        assert (pixels(f"OBXXXX1A_{form}.dcm") == pixels("OBXXXX1A.dcm")).all()
        for frame in (1, 2):
            assert (pixels(f"OBXXXX1A_{form}_2frame.dcm", frame) == pixels("OBXXXX1A_2frame.dcm", frame)).all()
    assert (pixels("gdcm-US-ALOKA-16.dcm", 1, 1) == pixels("gdcm-US-ALOKA-16_big.dcm", 1, 1)).all()
    assert (pixels("US1_J2KR.dcm") == pixels("US1_UNCR.dcm")).all()
    assert np.abs(pixels("US1_J2KI.dcm") - pixels("US1_UNCI.dcm")).max() <= 1  # rounding of two decoders
    assert (pixels("color-pl.dcm") == pixels("color-px.dcm")).all()


@pytest.mark.parametrize("name", ["OBXXXX1A.dcm", "gdcm-US-ALOKA-16.dcm"])
def test_palettes_are_those_of_pydicom(name: str) -> None:
    from pydicom.pixels import apply_color_lut

    found = pydicom.dcmread(FILES[name])
    theirs = apply_color_lut(found.pixel_array, found) >> 8
    assert (read_picture(FILES[name], region=1).pixels == theirs).all()


def test_everything_else_is_refused_by_name_and_nothing_leads_to_a_traceback() -> None:
    refused = 0
    for name, path in FILES.items():
        if name in KNOWN or path.suffix in (".py", ".pyc"):
            continue
        with pytest.raises(FetalHeadError) as caught:
            read_picture(path)
        refused += "is not an ultrasound image" in str(caught.value)
        assert str(path) in str(caught.value)
    assert refused > 100


def test_the_commands_take_them(run: Run, model: Path, tmp_path: Path) -> None:
    paths = [FILES[name] for name, known in KNOWN.items() if known.frames == 1 and known.region is None]
    masks, overlays = tmp_path / "masks", tmp_path / "overlays"
    call = ("--model", model, "--mask-dir", masks, "--overlay-dir", overlays, "--json")
    done = run("edge_runtime", "measure", *paths, *call)
    assert (done.returncode, done.stderr) == (0, "")
    for path, line in zip(paths, map(json.loads, done.stdout.splitlines()), strict=True):
        known = KNOWN[path.name]
        assert line["image"] == path.name
        if known.said:
            assert line["head_circumference_mm"] is None and known.said in line["reason"]
        else:
            assert line["pixel_size_mm"] == pytest.approx([known.pixel_mm] * 2) and line["pixel_size_from"] == "file"
        mask = Image.open(masks / f"{path.stem}.png")
        assert mask.size == known.size[::-1]
        assert Image.open(overlays / f"{path.stem}.png").size[0] % known.size[1] == 0
    clip = FILES["OBXXXX1A_rle_2frame.dcm"]
    played = run("edge_runtime", "stream", clip, "--model", model, "--json", "--stall-s", 60, "--fps", 2)
    assert played.returncode == 0, played.stderr
    *shown, last = map(json.loads, played.stdout.splitlines())
    assert [(line["image"], line["frame"]) for line in shown] == [(clip.name, 1), (clip.name, 2)]
    assert last["counts"]["received"] == 2 and last["counts"]["failed"] == 0
