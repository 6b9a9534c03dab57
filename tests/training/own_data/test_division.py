"""A user's own folder: lists that divide it, a table without circumferences, and what is said if something lacks."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.errors import InputError
from edge_runtime.head.ellipse import Ellipse
from tests.helpers.places import Run
from train.data.check import check_samples
from train.data.hc18 import TABLE, read_dataset
from train.data.splits import FOLDS, make_split


@pytest.fixture
def own(phantom: Path, tmp_path: Path) -> Path:
    """Phantoms under names of one's own, two of each exam."""
    root = tmp_path / "mine"
    (root / "training_set").mkdir(parents=True)
    for path in (phantom / "training_set").iterdir():
        number, _, rest = path.name.partition("_")
        shutil.copy(path, root / "training_set" / f"clinic{int(number) // 2}_{number}{rest.removeprefix('HC')}")
    with (phantom / TABLE).open(newline="") as file:
        header, *rows = csv.reader(file)
    names = [f"clinic{int(name[:3]) // 2}_{name[:3]}.png" for name, *_ in rows]
    write_table(root, [header, *([name, *row[1:]] for name, row in zip(names, rows, strict=True))])
    return root


def write_table(root: Path, rows: list[list[str]]) -> None:
    (root / TABLE).write_text("\n".join(",".join(row) for row in rows) + "\n")


def read_table(root: Path) -> list[list[str]]:
    return [line.split(",") for line in (root / TABLE).read_text().splitlines()]


def write_lists(root: Path, **lists: list[str]) -> None:
    (root / "splits").mkdir(exist_ok=True)
    for part, names in lists.items():
        (root / "splits" / f"{part}.txt").write_text("\n".join(names))


def images_of(*exams: int) -> list[str]:
    return [f"clinic{exam}_{2 * exam + i:03d}.png" for exam in exams for i in (0, 1)]


def test_own_lists_divide_a_folder(own: Path) -> None:
    write_lists(own, val=images_of(5, 3), test=images_of(9))
    dataset = read_dataset(own)
    split = make_split(dataset, "grouped")
    assert (list(split.val), list(split.test)) == (images_of(3, 5), images_of(9))
    assert sorted(split.train + split.val + split.test) == sorted(dataset.samples)
    for fold in FOLDS:
        found = make_split(dataset, fold)
        assert not {*found.train, *found.test} & set(split.test)
    assert dataset.title == "own data" and "own data, 20 images" in dataset.summary


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"val": images_of(1)}, r"test\.txt is missing"),
        ({"val": images_of(1), "test": []}, r"test\.txt holds no images"),
        ({"val": images_of(*range(5)), "test": images_of(*range(5, 10))}, "the training part holds no images"),
        ({"val": images_of(1), "test": ["gone_1.png"]}, r"lists 1 images .* gone_1\.png"),
        ({"val": images_of(1), "test": images_of(1)}, r"exam clinic1 .* val\.txt and in test\.txt"),
        ({"val": images_of(1)[:1], "test": images_of(2)}, r"exam clinic1 .* the training part and in val\.txt"),
    ],
)
def test_lists_that_cannot_divide_are_refused(own: Path, lists: dict[str, list[str]], said: str) -> None:
    write_lists(own, **lists)
    with pytest.raises(InputError, match=said):
        make_split(read_dataset(own), "grouped")


def test_names_that_tell_no_exams_apart_are_refused(own: Path) -> None:
    dataset = read_dataset(own)
    few = {name: dataset.samples[name] for name in images_of(1, 2)}
    with pytest.raises(InputError, match=r"4 images of 2 exams .* at least 3\. Add images, or name them EXAM_anything"):
        make_split(type(dataset)(own, few, False), "grouped")


def test_without_circumferences_they_are_those_of_the_annotations(own: Path) -> None:
    with_them = read_dataset(own).samples
    write_table(own, [row[:2] for row in read_table(own)])
    without = read_dataset(own)
    check_samples(without, list(without.samples.values()))
    for name, sample in without.samples.items():
        assert sample.hc_mm == pytest.approx(with_them[name].hc_mm, rel=2e-3)
    name = images_of(0)[0]
    ellipse = with_them[name].ellipse()
    mask = np.where(ellipse.interior(with_them[name].reference.shape), 255, 0).astype(np.uint8)
    Image.fromarray(mask).save(with_them[name].annotation)
    filled = read_dataset(own).samples[name]
    assert filled.reference.is_filled and filled.reference.shift_px == 0
    assert filled.hc_mm == pytest.approx(with_them[name].hc_mm, rel=5e-3)


def no_pixel_size(own: Path) -> None:
    header, first, *rows = read_table(own)
    write_table(own, [header, [first[0], "", first[2]], *rows])


def smaller_mask(own: Path) -> None:
    path = own / "training_set" / "clinic0_000_Annotation.png"
    Image.open(path).resize((400, 270)).save(path)


def arc_beside(own: Path) -> None:
    path = own / "training_set" / "clinic0_000_Annotation.png"
    y, x = np.mgrid[0:540, 0:800]
    arc = np.abs(Ellipse(850.0, 270.0, 240.0, 200.0, 0.0).radius(np.stack([x.ravel(), y.ravel()], axis=1)) - 1) < 0.01
    Image.fromarray(np.where(arc.reshape(540, 800), 255, 0).astype(np.uint8)).save(path)


def no_annotation(own: Path) -> None:
    (own / "training_set" / "clinic0_000_Annotation.png").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_pixel_size, "'pixel size(mm)' of clinic0_000.png is ''; a number above 0 is needed"),
        (smaller_mask, "has 800 x 540 pixels, its annotation clinic0_000_Annotation.png has 400 x 270"),
        (arc_beside, "270) lies outside the image of 800 x 540 pixels"),
        (no_annotation, "clinic0_000.png has no annotation"),
    ],
)
def test_a_folder_that_cannot_be_trained_on_is_named_before_training(
    run_here: Run, own: Path, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(own)
    done = run_here("train", "--strategy", "edge-s", "--data", own, "--out", tmp_path / "runs")
    assert done.returncode == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs" / "edge-s" / "checkpoint.json").exists()


def test_phantoms_are_written_once(run: Run, tmp_path: Path) -> None:
    call = "train.data.phantom", "--out", tmp_path / "mine", "--images", 3
    done = run(*call)
    assert done.returncode == 0 and "3 phantoms (not ultrasound)" in done.stdout, done.stderr
    dataset = read_dataset(tmp_path / "mine")
    assert len(dataset.samples) == 3 and dataset.is_phantom
    check_samples(dataset, list(dataset.samples.values()))
    again = run(*call)
    assert again.returncode == 2 and "is there already" in again.stderr and len(again.stderr.splitlines()) == 1
