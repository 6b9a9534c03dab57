"""The submission file of the HC18 challenge: a row for each image, in mm and radians, whatever is refused."""

from __future__ import annotations

import csv
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.head.ellipse import Ellipse
from edge_runtime.metrics import overlap
from tests.helpers.places import Run
from train.data.hc18 import Sample, read_dataset
from train.data.phantom import make_phantom

COLUMNS = ["filename", "center_x_mm", "center_y_mm", "semi_axes_a_mm", "semi_axes_b_mm", "angle_rad"]
"""As the challenge's page gives them."""


def lay_out(root: Path, samples: list[Sample]) -> Path:
    """Put annotated images where the challenge has those of its test."""
    (root / "test_set").mkdir(parents=True)
    lines = ["filename,pixel size(mm)"]
    for sample in samples:
        shutil.copy(sample.path, root / "test_set" / sample.name)
        lines.append(f"{sample.name},{sample.pixel_size_mm!r}")
    (root / "test_set_pixel_size.csv").write_text("\n".join([*lines, ""]))
    return root


@pytest.fixture(scope="module")
def samples(hc18: Path) -> list[Sample]:
    return list(read_dataset(hc18).samples.values())[40::160][::-1]


@pytest.fixture
def folder(samples: list[Sample], tmp_path: Path) -> Path:
    return lay_out(tmp_path / "challenge", samples)


def test_the_rows_are_the_ellipses_in_mm_in_the_order_of_the_names(
    run: Run, folder: Path, samples: list[Sample], tmp_path: Path
) -> None:
    out = tmp_path / "submission.csv"
    done = run("benchmarks", "submission", folder, "--model", "edge-s", "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(": refused, its ellipse" in line for line in done.stderr.splitlines()), done.stderr
    with out.open(newline="") as file:
        assert "\r" not in file.read()
        file.seek(0)
        header, *rows = csv.reader(file)
    assert header == COLUMNS
    assert [row[0] for row in rows] == sorted(sample.name for sample in samples)
    by_name, dices = {sample.name: sample for sample in samples}, []
    for name, *values in rows:
        x, y, a, b, angle = map(float, values)
        mm, reference = by_name[name].pixel_size_mm, by_name[name].mask()
        assert a >= b > 0 and 0 <= angle < math.pi
        drawn = Ellipse(x / mm, y / mm, a / mm, b / mm, math.degrees(angle)).interior(reference.shape)
        dices.append(overlap(drawn, reference)[0])
    assert min(dices) > 0.9 and np.median(dices) > 0.97, dices
    assert f"The challenge has 335 images: a file with {len(rows)} cannot be sent" in done.stdout


def test_a_refused_image_gets_its_ellipse_and_one_without_gets_zeros(
    run_here: Run, folder: Path, tmp_path: Path
) -> None:
    frame, _, mm = make_phantom(3)
    with (folder / "test_set_pixel_size.csv").open("a") as table:
        table.write(f"huge.png,{10 * mm}\nblack.png,{mm}\n")
    Image.fromarray(frame).save(folder / "test_set" / "huge.png")
    Image.fromarray(np.zeros_like(frame)).save(folder / "test_set" / "black.png")
    out = tmp_path / "submission.csv"
    done = run_here("benchmarks", "submission", folder, "--out", out)
    assert done.returncode == 1, "an image without an ellipse"
    rows = {row["filename"]: row for row in csv.DictReader(out.open())}
    assert len(rows) == len(list((folder / "test_set").iterdir()))
    assert float(rows["huge.png"]["semi_axes_b_mm"]) > 200
    assert {value for column, value in rows["black.png"].items() if column != "filename"} == {"0.000000"}
    said = {line.split(": ")[0]: line for line in done.stderr.splitlines()}
    assert re.fullmatch(r"black.png: no ellipse, its axes are 0: no image.*", said["black.png"])
    assert re.match(r"huge.png: refused, its ellipse is given all the same: .*check the pixel size", said["huge.png"])
    assert f"{len(said)} refused and 1 without an ellipse" in done.stdout


def remove_rows(folder: Path) -> None:
    table = folder / "test_set_pixel_size.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]))


def remove_image(folder: Path) -> None:
    next((folder / "test_set").iterdir()).unlink()


def remove_images(folder: Path) -> None:
    for path in (folder / "test_set").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "test_set_pixel_size.csv").unlink(), "There is no file"),
        (lambda folder: shutil.rmtree(folder / "test_set"), "There is no folder"),
        (remove_rows, "has no row for"),
        (remove_image, "has 1 row whose image is not in"),
        (remove_images, "holds no images"),
        (lambda folder: (folder.parent / "s.csv").write_text("mine"), "--overwrite"),
    ],
)
def test_a_folder_that_cannot_be_scored_ends_with_2(
    run_here: Run, folder: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(folder)
    out = folder.parent / "s.csv"
    done = run_here("benchmarks", "submission", folder, "--out", out)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert not out.exists() or out.read_text() == "mine"


def test_a_file_is_replaced_if_that_is_asked_for(run_here: Run, folder: Path) -> None:
    out = folder.parent / "s.csv"
    out.write_text("mine")
    assert run_here("benchmarks", "submission", folder, "--out", out, "--overwrite").returncode == 0
    assert out.read_text().startswith(",".join(COLUMNS))


def test_an_image_that_cannot_be_read_ends_it(run_here: Run, folder: Path) -> None:
    image = next((folder / "test_set").iterdir())
    image.write_bytes(b"no image")
    done = run_here("benchmarks", "submission", folder, "--out", folder.parent / "s.csv")
    assert done.returncode and image.name in done.stderr and not (folder.parent / "s.csv").exists()
