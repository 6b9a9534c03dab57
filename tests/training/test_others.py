"""Frames from elsewhere: what a folder of them must hold, and what is refused or left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.errors import InputError, UsageError
from edge_runtime.head.ellipse import Ellipse
from tests.helpers.places import Run
from train.data.others import count_kinds, find_others, hash_others, read_others, without_kinds

HEAD = Ellipse(70, 50, 40, 30, 20)
FRAME = np.random.default_rng(0).integers(0, 256, (100, 140)).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def mask(head: Ellipse = HEAD, size: tuple[int, int] = (100, 140)) -> np.ndarray:
    return head.interior(size) * np.uint8(255)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A head, and two kinds without one."""
    root = tmp_path / "frames"
    save(root / "heads" / "there" / "a.png", FRAME)
    save(root / "heads" / "there" / "a_mask.png", mask())
    for kind, count in (("breast", 2), ("lung", 1)):
        for n in range(count):
            save(root / "not_heads" / kind / f"{n}.png", FRAME)
    return root


def test_a_folder_is_read_by_kind(folder: Path) -> None:
    others = read_others(folder)
    assert count_kinds(others) == {"heads/there": 1, "not_heads/breast": 2, "not_heads/lung": 1}
    head, *rest = others
    found = head.head()
    assert found is not None and found.perimeter == pytest.approx(HEAD.perimeter, rel=0.01)
    assert np.array_equal(head.frame(), FRAME) and all(other.head() is None for other in rest)
    assert [other.kind for other in without_kinds(others, ["not_heads/breast"])] == ["heads/there", "not_heads/lung"]
    with pytest.raises(UsageError, match=r"kind 'lungs'\. There are: heads/there, not_heads/breast, not_heads/lung"):
        without_kinds(others, ["lungs"])


def test_the_hash_is_of_names_and_bytes(folder: Path) -> None:
    before = hash_others(read_others(folder))
    assert before == hash_others(read_others(folder))
    save(folder / "heads" / "there" / "a_mask.png", mask(Ellipse(70, 50, 41, 30, 20)))
    assert hash_others(read_others(folder)) != before


def test_a_head_without_a_mask_is_named(folder: Path) -> None:
    save(folder / "heads" / "there" / "b.png", FRAME)
    with pytest.raises(InputError, match=r"b\.png has no mask: b_mask\.png is missing\. Move the image away"):
        read_others(folder)


def test_a_mask_without_an_image_is_named(folder: Path) -> None:
    save(folder / "heads" / "there" / "b_mask.png", mask())
    with pytest.raises(InputError, match=r"b_mask\.png is the mask of no image"):
        read_others(folder)


def test_a_torn_mask_is_left_out_with_a_note(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = np.maximum(mask(Ellipse(35, 50, 25, 20, 0)), mask(Ellipse(110, 50, 20, 20, 0)))
    save(folder / "heads" / "there" / "b.png", FRAME)
    save(folder / "heads" / "there" / "b_mask.png", parts)
    assert count_kinds(read_others(folder))["heads/there"] == 1
    assert "1 head left out: the mask is not one whole region" in capsys.readouterr().out
    speck = mask()
    speck[2, 2] = 255  # less than a hundredth beside the head
    save(folder / "heads" / "there" / "b_mask.png", speck)
    assert count_kinds(read_others(folder))["heads/there"] == 2


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (mask(size=(100, 139)), r"is \(139, 100\), its image \(140, 100\) pixels large"),
        (np.zeros((100, 140), np.uint8), "no ellipse can be fitted"),
    ],
)
def test_a_mask_that_cannot_be_used_is_named(folder: Path, pixels: np.ndarray, said: str) -> None:
    save(folder / "heads" / "there" / "a_mask.png", pixels)
    with pytest.raises(InputError, match=rf"a_mask\.png.*{said}"):
        read_others(folder)


def test_a_folder_without_frames_is_a_wrong_call(run: Run, phantom: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match=r"holds no frames from elsewhere\. It needs folders heads/SET"):
            read_others(place)
    call = ("train", "--strategy", "edge", "--data", phantom, "--out", tmp_path / "runs", "--others", tmp_path / "none")
    done = run(*call)
    assert done.returncode == 2 and "holds no frames from elsewhere" in done.stderr


def test_a_folder_in_its_place_is_found(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    assert find_others() is None
    (tmp_path / "shared").mkdir()
    folder.rename(tmp_path / "shared" / "outside")
    assert find_others() == Path("../shared/outside") and len(read_others(Path("../shared/outside"))) == 4
    (work / "data" / "outside").mkdir(parents=True)
    assert find_others() == Path("data/outside")
