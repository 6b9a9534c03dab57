"""A folder of DICOM files as a stream: each image in its place, whatever its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from edge_runtime.__main__ import main
from edge_runtime.commands.replay import find_shots
from edge_runtime.frame.picture_files import find_images
from train.data.phantom import make_phantom

pytest.importorskip("pydicom")

from tests.helpers.dicom_files import region_of, whole, write_dicom

FRAME, _, SIZE_MM = make_phantom(0)
FRAME = FRAME[::2, ::2]


def test_files_are_played_by_series_and_number(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, series, number in (("c", 1, 2), ("b.dcm", 1, 10), ("a.png.dcm", 1, 1), ("IM_0001", 2, 1)):
        write_dicom(tmp_path / name, FRAME, SeriesNumber=series, InstanceNumber=number)
    write_dicom(tmp_path / "clip.dcm", [FRAME, FRAME], SeriesNumber=2, InstanceNumber=2)
    Image.fromarray(FRAME).save(tmp_path / "z.png")
    (tmp_path / "notes.txt").write_text("x")
    write_dicom(tmp_path / "._b.dcm", FRAME)
    images, _ = find_images([tmp_path])
    assert [shot.name for shot in find_shots(images, None, None)] == [
        "z.png", "a.png.dcm", "c", "b.dcm", "IM_0001", "clip.dcm #1", "clip.dcm #2"
    ]  # fmt: skip
    assert main(["stream", str(tmp_path), "--json", "--fps", "50", "--model", str(model)]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out.splitlines()[-1])["counts"]["received"] == 7
    assert "6 images, 2 left out: ._b.dcm, notes.txt" in printed.err


def test_one_region_is_chosen_for_all(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = [region_of((0, 0, 199, 269)), region_of((200, 0, 399, 269))]
    for n in (1, 2):
        write_dicom(tmp_path / f"{n}.dcm", FRAME, regions=sides, InstanceNumber=n)
    assert main(["stream", str(tmp_path), "--region", "2", "--fps", "50", "--model", str(model)]) == 0
    assert main(["stream", str(tmp_path), "--fps", "50", "--model", str(model)]) == 1
    assert "it has 2 tissue regions" in capsys.readouterr().out


def test_a_damaged_file_is_told_in_its_turn(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in (1, 2):
        write_dicom(tmp_path / f"{n}.dcm", FRAME, regions=[whole(FRAME, 0.02)], InstanceNumber=n)
    cut = tmp_path / "3.dcm"
    cut.write_bytes((tmp_path / "1.dcm").read_bytes()[:900])
    assert main(["stream", str(tmp_path), "--fps", "4", "--model", str(model)]) == 1
    # on a machine that is busy for half a second, the stream also says that no frame came
    lines = [line for line in capsys.readouterr().out.splitlines() if "no frame for" not in line]
    assert "3.dcm" in lines[0] and "1.dcm" in lines[1] and "2.dcm" in lines[2]
