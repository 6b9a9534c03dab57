"""Images and annotations that are not what they should be are found before they are used."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge_runtime.errors import InputError
from edge_runtime.head.components import fill_holes
from tests.helpers.places import Run
from train.data.check import check_samples
from train.data.hc18 import IMAGES, TABLE, Dataset, read_dataset
from train.data.splits import make_split

COUNT = 6
"""The seventh phantom leaves the frame, where filling its outline leaks."""


@pytest.fixture
def data(phantom: Path, tmp_path: Path) -> Path:
    """Six phantoms that a test may change."""
    root = tmp_path / "data"
    (root / IMAGES).mkdir(parents=True)
    for i in range(COUNT):
        for name in (f"{i:03d}_HC.png", f"{i:03d}_HC_Annotation.png"):
            shutil.copy(phantom / IMAGES / name, root / IMAGES / name)
    lines = (phantom / TABLE).read_text().splitlines()
    (root / TABLE).write_text("\n".join(lines[: COUNT + 1]) + "\n")
    return root


def annotation(root: Path, i: int) -> Path:
    return root / IMAGES / f"{i:03d}_HC_Annotation.png"


def redraw(root: Path, change: Callable[[NDArray[np.uint8]], Image.Image], numbers: range = range(COUNT)) -> None:
    for i in numbers:
        change(np.asarray(Image.open(annotation(root, i)).convert("L"))).save(annotation(root, i))


def rewrite(root: Path, change: Callable[[float, float], tuple[float, float]], numbers: range = range(COUNT)) -> None:
    """Change pixel size and circumference in the table."""
    rows = list(csv.reader((root / TABLE).read_text().splitlines()))
    for i in numbers:
        rows[i + 1][1:] = map(str, change(*map(float, rows[i + 1][1:])))
    (root / TABLE).write_text("\n".join(map(",".join, rows)))


def check(root: Path, *names: str) -> Dataset:
    dataset = read_dataset(root)
    check_samples(dataset, dataset.select(names) if names else list(dataset.samples.values()))
    return dataset


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        check(root)
    return str(caught.value)


def fill(line: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return fill_holes(line > 127)


@pytest.mark.slow
def test_all_of_hc18_passes_and_is_read_once(hc18: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = check(hc18)
    said = capsys.readouterr().out
    assert "checked 930 images and annotations in" in said and "filled" not in said
    check_samples(dataset, dataset.select(["010_HC.png"]))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("mask", ["with line", "without line", "0 and 1", "palette", "transparent", "JPEG", "dark"])
def test_filled_masks_give_the_ellipse_of_the_outline(
    data: Path, capsys: pytest.CaptureFixture[str], mask: str
) -> None:
    lines = {name: sample.mask() for name, sample in check(data).samples.items()}
    capsys.readouterr()

    def draw(line: NDArray[np.uint8]) -> Image.Image:
        filled = fill(line) & (line < 128) if mask == "without line" else fill(line)
        if mask == "0 and 1":
            return Image.fromarray(filled.astype(np.uint8))
        if mask == "palette":
            image = Image.fromarray(filled.astype(np.uint8)).convert("P")
            image.putpalette([0, 0, 0, 128, 0, 0])
            return image
        if mask == "transparent":
            colour = np.full((*filled.shape, 4), 255, np.uint8)
            colour[:, :, 3] = filled * 255
            return Image.fromarray(colour)
        image = Image.fromarray(np.where(filled, 255, 0).astype(np.uint8))
        return as_jpeg(image) if mask == "JPEG" else Image.eval(image, lambda v: 255 - v) if mask == "dark" else image

    redraw(data, draw)
    dataset = check(data)
    assert f"{COUNT} annotations are filled masks" in capsys.readouterr().out
    for name, sample in dataset.samples.items():
        assert sample.reference.is_filled
        assert sample.ellipse().perimeter * sample.pixel_size_mm == pytest.approx(sample.hc_mm, abs=0.05)
        both = np.count_nonzero(sample.mask() & lines[name])
        assert 2 * both / (sample.mask().sum() + lines[name].sum()) > 0.998, name


def as_jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=60)
    return Image.open(io.BytesIO(buffer.getvalue()))


def anti_aliased(line: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(line)
    large = image.resize((image.width * 3, image.height * 3), Image.Resampling.BICUBIC)
    return large.resize(image.size, Image.Resampling.BOX)


def on_the_frame(line: NDArray[np.uint8]) -> Image.Image:
    grey = np.random.default_rng(0).integers(0, 255, line.shape, np.uint8)
    return Image.fromarray(np.where(line[:, :, None] > 127, np.uint8([255, 0, 0]), grey[:, :, None]))


LINES: dict[str, Callable[[NDArray[np.uint8]], Image.Image]] = {
    "anti-aliased": anti_aliased,
    "JPEG": lambda line: as_jpeg(Image.fromarray(line)),
    "blue": lambda line: Image.fromarray(np.stack([0 * line, 0 * line, line], axis=2)),
    "red on the frame": on_the_frame,
    "palette": lambda line: Image.fromarray(line).convert("P"),
    "dark on white": lambda line: Image.fromarray(255 - line),
    "transparent": lambda line: Image.fromarray(np.stack([0 * line, 0 * line, 0 * line, line], axis=2)),
    "one bit": lambda line: Image.fromarray(line).convert("1"),
}


@pytest.mark.parametrize("kind", LINES)
def test_outlines_of_many_kinds_are_read_alike(data: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    redraw(data, LINES[kind])
    dataset = check(data)
    assert "filled" not in capsys.readouterr().out
    for sample in dataset.samples.values():
        assert sample.ellipse().perimeter * sample.pixel_size_mm == pytest.approx(sample.hc_mm, rel=1e-3)


def test_annotations_of_the_next_image_are_named_with_both_circumferences(data: Path) -> None:
    for i in range(COUNT):
        annotation(data, i).rename(annotation(data, i).with_suffix(".old"))
    for i in range(COUNT):
        annotation(data, i).with_suffix(".old").rename(annotation(data, (i + 1) % COUNT))
    said = refusal(data)
    sample = read_dataset(data).samples["000_HC.png"]
    measured = sample.ellipse().perimeter * sample.pixel_size_mm
    assert "000_HC.png" in said and f"{measured:.2f} mm" in said and f"{sample.hc_mm:.2f} mm" in said
    assert "another image" in said


def test_one_pair_of_swapped_annotations_is_found(data: Path) -> None:
    first, second = annotation(data, 2), annotation(data, 5)
    both = first.read_bytes(), second.read_bytes()
    first.write_bytes(both[1])
    second.write_bytes(both[0])
    said = refusal(data)
    assert "002_HC.png" in said and "2 of 6 images differ" in said
    check(data, "003_HC.png")  # what is not used does no harm


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda size, hc: (size, hc / 10), "circumference is in cm"),
        (lambda size, hc: (size / 10, hc), "pixel size is in cm"),
        (lambda size, hc: (size / 25.4, hc), "pixel size is in inches"),
        (lambda size, hc: (size / 10, hc / 10), "in mm, not in cm"),
        (lambda size, hc: (size * 0.5, hc), "resized"),
    ],
)
def test_other_units_are_named(data: Path, change: Callable[[float, float], tuple[float, float]], cause: str) -> None:
    rewrite(data, change)
    assert cause in refusal(data)


def test_where_the_table_is_exact_a_fifth_of_a_millimetre_is_a_mistake(data: Path) -> None:
    rewrite(data, lambda size, hc: (size, hc + 0.2), range(3, 4))
    assert "003_HC.png" in refusal(data)


def test_a_table_of_rounded_circumferences_is_allowed_two_percent(data: Path) -> None:
    rewrite(data, lambda size, hc: (size, round(hc * 1.01)))
    check(data)
    rewrite(data, lambda size, hc: (size, hc * 1.03), range(5, 6))
    assert "005_HC.png" in refusal(data)


def test_a_filled_mask_of_another_image_is_refused(data: Path) -> None:
    redraw(data, lambda line: Image.fromarray(np.where(fill(line), 255, 0).astype(np.uint8)))
    shutil.copy(annotation(data, 1), annotation(data, 4))
    assert "004_HC.png" in refusal(data)


def test_an_annotation_of_another_size_is_refused_with_both_sizes(run: Run, data: Path, tmp_path: Path) -> None:
    image = data / IMAGES / "003_HC.png"
    Image.open(image).crop((0, 0, 800, 480)).save(image)
    said = refusal(data)
    assert "003_HC.png has 800 x 480 pixels" in said and "800 x 540" in said
    bench = ("benchmarks", "run", "--data", data, "--split", "paper", "--frames", 2, "--rounds", 1)
    for path in (data / IMAGES).glob("???_HC.png"):
        Image.open(path).crop((0, 0, 800, 480)).save(path)
    done = run(*bench, "--out", tmp_path / "out.json", "edge_runtime/models")
    assert done.returncode == 1 and "800 x 480" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_a_damaged_image_of_the_test_part_is_found_before_the_first_epoch(
    run_here: Run, data: Path, tmp_path: Path
) -> None:
    dataset = read_dataset(data)
    broken = dataset.samples[make_split(dataset, "grouped").test[0]].path
    broken.write_bytes(broken.read_bytes()[:1000])
    toy = ("--image-size", 64, 64, "--precision", "float32", "--batch-size", 2, "--epochs", 1)
    done = run_here("train", "--strategy", "edge", *toy, "--data", data, "--out", tmp_path / "out")
    assert done.returncode == 1 and broken.name in done.stderr and "Traceback" not in done.stderr
    assert "epoch" not in done.stdout


def test_all_broken_files_are_counted(data: Path) -> None:
    for i in (1, 4, 5):
        annotation(data, i).write_bytes(b"no image")
    said = refusal(data)
    assert "001_HC_Annotation.png" in said and "2 more of the 6 images" in said


@pytest.mark.parametrize("value", [0, 255])
def test_an_annotation_without_a_mark_is_refused(data: Path, value: int) -> None:
    redraw(data, lambda line: Image.fromarray(np.full_like(line, value)), range(2, 3))
    said = refusal(data)
    assert "002_HC_Annotation.png" in said and "all its pixels are the same" in said


def test_an_image_that_is_too_small_is_named(data: Path) -> None:
    for path in (data / IMAGES / "002_HC.png", annotation(data, 2)):
        Image.open(path).resize((30, 20)).save(path)
    said = refusal(data)
    assert "002_HC.png" in said and "20 high and 30 wide" in said


def test_an_annotation_in_the_place_of_its_image_is_refused(data: Path) -> None:
    shutil.copy(annotation(data, 2), data / IMAGES / "002_HC.png")
    with pytest.raises(InputError, match=r"002_HC\.png and its annotation .* are the same file"):
        check(data)
