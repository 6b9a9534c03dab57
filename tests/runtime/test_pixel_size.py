"""One pixel size for images of several sizes on the command line, and none at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.places import Run
from train.data.phantom import make_phantom

PIXELS, _, MM = make_phantom(0)
CALM = ("--fps", 20, "--deadline-ms", 60_000, "--stall-s", 60)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """A picture of 800x540 pixels, the same at half that size, and the first again."""
    paths = [tmp_path / f"{name}.png" for name in ("a", "half", "z")]
    picture = Image.fromarray(PIXELS)
    for path, size in zip(paths, ((800, 540), (400, 270), (800, 540)), strict=True):
        picture.resize(size).save(path)
    return paths


def lines_of(run: Run, *call: object) -> list[dict]:
    done = run("edge_runtime", *call, "--json")
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_image_of_another_size_has_a_mask_and_no_circumference(run: Run, images: list[Path], tmp_path: Path) -> None:
    call = ("measure", *images, "--pixel-size-mm", MM, "--mask-dir", tmp_path / "m", "--overlay-dir", tmp_path / "o")
    first, other, last = lines_of(run, *call)
    assert first["head_circumference_mm"] == last["head_circumference_mm"] > 0
    assert other["head_circumference_mm"] is other["interval_mm"] is other["pixel_size_mm"] is None
    assert other["ellipse"] is not None and np.asarray(Image.open(tmp_path / "m" / "half.png")).any()
    assert Image.open(tmp_path / "o" / "half.png").size == (400, 270)
    said = ("this image is 400x270", "800x540, the first image", "--pixel-size-csv", "--any-size")
    assert all(words in other["reason"] for words in said)
    text = run("edge_runtime", "measure", *images[:2], "--pixel-size-mm", MM)
    assert text.returncode == 0 and text.stdout.splitlines()[1].split("no HC: ")[1].startswith(other["reason"])


def test_a_pixel_size_may_hold_for_any_size_or_come_from_a_table(run: Run, images: list[Path], tmp_path: Path) -> None:
    first, other, _ = lines_of(run, "measure", *images, "--pixel-size-mm", MM, "--any-size")
    assert other["head_circumference_mm"] == pytest.approx(first["head_circumference_mm"] / 2, rel=0.02)
    table = tmp_path / "sizes.csv"
    table.write_text(f"filename,pixel size(mm)\na.png,{MM}\nhalf.png,{2 * MM}\n")
    first, other = lines_of(run, "measure", *images[:2], "--pixel-size-csv", table)
    assert other["head_circumference_mm"] == pytest.approx(first["head_circumference_mm"], rel=0.02)


def test_the_first_image_that_can_be_read_says_the_size(run: Run, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_text("no image")
    done = run("edge_runtime", "measure", tmp_path / "torn.png", *images[1:], "--pixel-size-mm", 2 * MM, "--json")
    _, first, other = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1 and first["head_circumference_mm"] and other["head_circumference_mm"] is None


def test_a_stream_asks_when_the_size_changes(run: Run, images: list[Path]) -> None:
    call = ("stream", *images, "--pixel-size-mm", MM, *CALM)
    *results, last = lines_of(run, *call)
    assert [line["sequence"] for line in results][-1] == 3 and last["counts"]["failed"] == 0
    reason = results[-1]["reason"]
    assert results[-1]["head_circumference_mm"] is None, "of the first size again, but nobody has answered"
    assert all(words in reason for words in ("800x540", "400x270", "Stream.set_pixel_size()", "--any-size"))
    shown = run("edge_runtime", *call)
    assert shown.returncode == 0 and reason in shown.stdout
    *results, last = lines_of(run, *call, "--any-size")
    assert results[-1]["head_circumference_mm"] and last["counts"]["refused"] == 0


@pytest.mark.parametrize("command", ["measure", "stream"])
def test_a_missing_pixel_size_names_its_options_to_people_only(run: Run, images: list[Path], command: str) -> None:
    text = run("edge_runtime", command, images[0])
    assert "no HC: no pixel size was given; give --pixel-size-mm or --pixel-size-csv" in text.stdout
    assert lines_of(run, command, images[0])[0]["reason"] == "no pixel size was given"


@pytest.mark.parametrize("command", ["measure", "stream"])
def test_any_size_needs_a_pixel_size(run: Run, images: list[Path], command: str) -> None:
    done = run("edge_runtime", command, images[0], "--any-size")
    assert done.returncode == 2 and "Add --pixel-size-mm" in done.stderr and not done.stdout
