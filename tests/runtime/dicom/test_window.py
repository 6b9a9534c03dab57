"""The window of grey pictures is applied as viewers do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_runtime import InputError, read_picture

pytest.importorskip("pydicom")

from pydicom.dataset import Dataset

from tests.helpers.dicom_files import NATIVE, write_dicom

FRAME = np.arange(256, dtype=np.uint8).repeat(64).reshape(128, 128)


def table(bits: int, values: np.ndarray, first: int = 0) -> dict[str, Any]:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(values), first, bits], values.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    item["LUTDescriptor"].VR = "US"
    return {"VOILUTSequence": [item]}


WINDOWS: dict[str, dict[str, Any]] = {
    "all greys": {"WindowCenter": 128, "WindowWidth": 256},
    "bright": {"WindowCenter": 80, "WindowWidth": 120},
    "the first of two": {"WindowCenter": [60, 128], "WindowWidth": [100, 256]},
    "exact": {"WindowCenter": 100, "WindowWidth": 150, "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": 100, "WindowWidth": 150, "VOILUTFunction": "SIGMOID"},
    "table of 8 bits": table(8, np.minimum(255, 2 * np.arange(256))),
    "table of 12 bits": table(12, 4095 - 16 * np.arange(200), 20),
}


@pytest.mark.parametrize("name", [name for name in WINDOWS if name != "exact"])  # which dcmtk's 3.6 does not know
@pytest.mark.parametrize("colors", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.skipif(shutil.which("dcmj2pnm") is None, reason="dcmj2pnm is not installed (Debian: dcmtk)")
def test_a_picture_is_shown_as_dcmtk_shows_it(tmp_path: Path, name: str, colors: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME, colors=colors, **WINDOWS[name])
    option = ["--use-voi-lut", "1"] if "table" in name else ["--use-window", "1"]
    subprocess.run(["dcmj2pnm", "--write-png", *option, str(path), str(tmp_path / "a.png")], check=True)
    theirs = np.asarray(Image.open(tmp_path / "a.png").convert("L")).astype(int)
    ours = read_picture(path).pixels
    assert np.abs(ours - theirs).max() <= 1
    plain = 255 - FRAME if colors == "MONOCHROME1" else FRAME
    assert (ours == plain).all() == (name == "all greys")


@pytest.mark.parametrize("syntax", [*NATIVE, "rle", "jpeg-ls"])
def test_the_window_is_that_of_the_png(tmp_path: Path, syntax: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", [FRAME, FRAME], syntax, **WINDOWS["bright"])
    wanted = np.clip(np.rint((FRAME - 79.5) / 119 * 255 + 127.5), 0, 255)  # PS3.3, C.11.2.1.2.1
    assert (read_picture(path, 2).pixels == wanted).all()


def test_the_exact_window(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME, **WINDOWS["exact"])
    wanted = np.clip(np.rint(((FRAME - 100.0) / 150 + 0.5) * 255), 0, 255)  # PS3.3, C.11.2.1.3.2
    assert (read_picture(path).pixels == wanted).all()


def test_a_window_has_no_meaning_for_colours(tmp_path: Path) -> None:
    color = np.stack([FRAME, FRAME // 2, 255 - FRAME], axis=-1)
    assert (read_picture(write_dicom(tmp_path / "a.dcm", color, **WINDOWS["bright"])).pixels == color).all()


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": 128, "WindowWidth": 0},
        {"WindowCenter": 128, "WindowWidth": -5},
        {"WindowCenter": "nan", "WindowWidth": 100},
        {"WindowCenter": 128, "WindowWidth": 100, "VOILUTFunction": "SECRET"},
        table(9, np.arange(256)),
        table(8, np.arange(10)) | {"WindowCenter": 1},
    ],
)
def test_a_window_that_cannot_be_is_refused(tmp_path: Path, elements: dict[str, Any]) -> None:
    if "VOILUTSequence" in elements:
        elements["VOILUTSequence"][0].LUTDescriptor[0] = 300
    path = write_dicom(tmp_path / "a.dcm", FRAME, **elements)
    with pytest.raises(InputError, match="its grey window cannot be applied") as caught:
        read_picture(path)
    assert "SECRET" not in str(caught.value)
