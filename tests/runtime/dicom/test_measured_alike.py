"""The same frame as PNG and in DICOM gives the same circumference, whatever the form."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_runtime import read_picture
from tests.helpers.places import ROOT, Run
from train.data.phantom import make_phantom

pytest.importorskip("pydicom")

from tests.helpers.dicom_files import LOSSY, NATIVE, SYNTAXES, jpeg, region_of, whole, write_dicom

FRAME, _, SIZE_MM = make_phantom(0)
COLOR = np.stack([FRAME, FRAME // 2 + 60, 255 - FRAME], axis=-1)
COLORS = {"jpeg": "YBR_FULL_422", "jpeg extended": "YBR_FULL_422", "jpeg 2000 lossless": "YBR_RCT",
          "jpeg 2000": "YBR_ICT"}  # fmt: skip
"""How colours are stored within these."""


def measure(run: Run, *call: object) -> list[dict[str, Any]]:
    done = run("edge_runtime", "measure", *call, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def save(path: Path, frame: np.ndarray) -> Path:
    Image.fromarray(frame).save(path)
    return path


def test_every_transfer_syntax_gives_the_circumference_of_the_png(run: Run, tmp_path: Path) -> None:
    plain = save(tmp_path / "plain.png", FRAME)
    (tmp_path / "plain.jpg").write_bytes(jpeg(FRAME))
    files = [write_dicom(tmp_path / f"{name}.dcm", FRAME, name, [whole(FRAME, SIZE_MM / 10)]) for name in SYNTAXES]
    png, jpg = measure(run, plain, tmp_path / "plain.jpg", "--pixel-size-mm", SIZE_MM)
    assert png["head_circumference_mm"] > 100 and png["pixel_size_from"] == "--pixel-size-mm"
    for name, line in zip(SYNTAXES, measure(run, *files), strict=True):
        assert line["pixel_size_from"] == "file" and line["pixel_size_mm"] == pytest.approx([SIZE_MM] * 2)
        hc_mm = line["head_circumference_mm"]
        if name not in LOSSY:
            assert hc_mm == pytest.approx(png["head_circumference_mm"], rel=1e-9), name
        elif name.startswith("jpeg e") or name == "jpeg":
            assert hc_mm == pytest.approx(jpg["head_circumference_mm"], rel=1e-9), name
        else:
            assert hc_mm == pytest.approx(png["head_circumference_mm"], rel=5e-3), name


@pytest.mark.parametrize("name", SYNTAXES)
@pytest.mark.parametrize("frames", [1, 3])
def test_colours_and_clips_are_read_in_every_transfer_syntax(tmp_path: Path, name: str, frames: int) -> None:
    clip = [np.roll(COLOR, 7 * n, axis=1) for n in range(frames)]
    path = write_dicom(tmp_path / "a.dcm", clip, name, colors=COLORS.get(name))
    picture = read_picture(path, frames)
    near = {"jpeg-ls near": 2, "jpeg": 2, "jpeg extended": 2, "jpeg 2000": 25}.get(name, 0)
    wanted = np.asarray(Image.open(io.BytesIO(jpeg(clip[-1])))) if name in ("jpeg", "jpeg extended") else clip[-1]
    assert picture.pixels.shape == COLOR.shape and np.abs(picture.pixels.astype(int) - wanted).max() <= near


@pytest.mark.parametrize("name", [*NATIVE, "rle", "jpeg-ls", "jpeg lossless sv1"])
def test_brightness_and_colour_difference_are_turned_into_rgb(tmp_path: Path, name: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", COLOR, name, colors="YBR_FULL")
    assert np.abs(read_picture(path).pixels.astype(int) - COLOR).max() <= 2
    if name in NATIVE:
        grey = np.stack([FRAME] * 3, axis=-1)
        path = write_dicom(tmp_path / "b.dcm", grey, name, colors="YBR_FULL_422")
        assert np.abs(read_picture(path).pixels.astype(int) - grey).max() <= 1


@pytest.mark.parametrize("name", NATIVE)
def test_planes_inverted_greys_and_frames_of_an_odd_size(tmp_path: Path, name: str) -> None:
    path = write_dicom(tmp_path / "planes.dcm", COLOR, name, PlanarConfiguration=1)
    assert (read_picture(path).pixels == COLOR).all()
    path = write_dicom(tmp_path / "inverted.dcm", 255 - FRAME, name, colors="MONOCHROME1")
    assert (read_picture(path).pixels == FRAME).all()
    odd = FRAME[:301, :401]
    assert (read_picture(write_dicom(tmp_path / "odd.dcm", [odd, odd // 2], name), 2).pixels == odd // 2).all()


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("first", [0, 16])
def test_palettes(tmp_path: Path, name: str, bits: int, first: int) -> None:
    table = np.arange(255, -1, -1).astype(np.uint8)
    packed = table.astype(np.uint16) * 256 if bits == 16 else table.view("<u2")
    stored = packed.astype(">u2" if name == "big endian" else "<u2").tobytes()
    elements: dict[str, Any] = {}
    for channel in ("Red", "Green", "Blue"):
        elements[f"{channel}PaletteColorLookupTableDescriptor"] = [256, first, bits]
        elements[f"{channel}PaletteColorLookupTableData"] = stored
    path = write_dicom(tmp_path / "a.dcm", FRAME, name, colors="PALETTE COLOR", **elements)
    shown = table[np.clip(FRAME.astype(int) - first, 0, 255)]
    assert (read_picture(path).pixels == shown[..., None]).all()


def test_menus_around_the_tissue_change_nothing_and_pixels_may_have_two_sizes(run: Run, tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (768, 1024), np.uint8)
    frame[100:640, 60:860] = FRAME
    deltas = (SIZE_MM / 10, -SIZE_MM / 9)  # an axis may run the other way
    path = write_dicom(tmp_path / "a.dcm", frame, regions=[region_of((60, 100, 859, 639), deltas)])
    plain = save(tmp_path / "plain.png", FRAME)
    (png,) = measure(run, plain, "--pixel-size-mm", f"{SIZE_MM},{SIZE_MM / 0.9}")
    (line,) = measure(run, path, "--mask-dir", tmp_path / "m")
    assert line["head_circumference_mm"] == pytest.approx(png["head_circumference_mm"], rel=1e-9)
    assert line["ellipse"]["center_x"] == pytest.approx(png["ellipse"]["center_x"] + 60)
    assert line["ellipse"]["center_y"] == pytest.approx(png["ellipse"]["center_y"] + 100)
    mask = np.asarray(Image.open(tmp_path / "m" / "a.png"))
    assert mask.shape == frame.shape and mask.any() and not mask[:100].any() and not mask[:, :60].any()


def test_a_pixel_size_that_is_given_comes_first_and_the_output_says_so(run: Run, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME, regions=[whole(FRAME, SIZE_MM / 10)])
    bare = write_dicom(tmp_path / "b.dcm", FRAME, regions=[])
    (own,) = measure(run, path)
    for line in measure(run, path, bare, "--pixel-size-mm", 1.1 * SIZE_MM):
        assert line["pixel_size_from"] == "--pixel-size-mm"
        assert line["head_circumference_mm"] == pytest.approx(1.1 * own["head_circumference_mm"])
    said = run("edge_runtime", "measure", path, bare, "--pixel-size-mm", 0.2).stdout
    assert said.count("pixels of 0.2 mm from --pixel-size-mm") == 2
    said = run("edge_runtime", "measure", path, bare).stdout
    assert f"pixels of {SIZE_MM:.4g} mm from the file" in said
    assert "has no ultrasound region, so it does not say how large a pixel is; give --pixel-size-mm" in said


def test_each_file_has_its_own_pixel_size_and_a_clip_is_played(run: Run, tmp_path: Path) -> None:
    sizes = (1.0, 1.1, 0.9)
    for n, factor in enumerate(sizes):
        write_dicom(tmp_path / f"{n}.dcm", [FRAME, FRAME], regions=[whole(FRAME, factor * SIZE_MM / 10)])
    files = [tmp_path / f"{n}.dcm" for n in range(3)]
    lines = measure(run, *files, "--frame", 2)
    circumferences = [line["head_circumference_mm"] for line in lines]
    assert circumferences == pytest.approx([circumferences[0] * factor for factor in sizes])
    played = run("edge_runtime", "stream", *files, "--json", "--fps", 4, "--deadline-ms", 1e6, "--stall-s", 60)
    assert (played.returncode, played.stderr) == (0, "")
    *shown, last = map(json.loads, played.stdout.splitlines())
    assert last["counts"]["received"] == 6
    for line in shown:
        assert line["head_circumference_mm"] == pytest.approx(circumferences[int(line["image"][0])])
    call = ("--frame", 1, "--json", "--stall-s", 60, "--pixel-size-mm", SIZE_MM * 1.2)
    one = run("edge_runtime", "stream", files[0], *call)
    assert json.loads(one.stdout.splitlines()[0])["measured_mm"] == pytest.approx(circumferences[0] * 1.2)


def test_the_example_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dicom(tmp_path / "clip.dcm", [FRAME] * 12, regions=[whole(FRAME, SIZE_MM / 10)])
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/dicom.md").read_text(), flags=re.M | re.S)
    exec(example, {})
    assert float(capsys.readouterr().out.split()[0]) > 100


def test_hc18s_frames_as_dicom(run: Run, hc18: Path, tmp_path: Path) -> None:
    with (hc18 / "training_set_pixel_size_and_HC.csv").open() as file:
        rows = list(csv.DictReader(file))[::125]
    images = [hc18 / "training_set" / row["filename"] for row in rows]
    files = []
    for row, image, name in zip(rows, images, list(SYNTAXES) * 2, strict=False):
        frame, size_mm = np.asarray(Image.open(image).convert("L")), float(row["pixel size(mm)"])
        name = "explicit" if name in LOSSY else name
        files.append(write_dicom(tmp_path / f"{image.stem}.dcm", frame, name, [whole(frame, size_mm / 10)]))
    pngs = measure(run, *images, "--pixel-size-csv", hc18 / "training_set_pixel_size_and_HC.csv")
    assert sum(line["head_circumference_mm"] is not None for line in pngs) >= 6
    for png, dicom in zip(pngs, measure(run, *files), strict=True):
        assert dicom["head_circumference_mm"] == pytest.approx(png["head_circumference_mm"], rel=1e-9)
        assert dicom["reason"] == png["reason"]
