"""What counts as an image where a folder is listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from edge_runtime.errors import UsageError
from edge_runtime.frame.image_folders import canonical_name, list_images
from edge_runtime.frame.picture_files import find_images
from tests.helpers.places import Run
from train.data.phantom import make_phantom

CLUTTER = ("._000_HC.png", ".DS_Store", "Thumbs.db", "desktop.ini", "notes.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "images"
    (place / "more.png").mkdir(parents=True)
    for i, suffix in enumerate((".png", ".PNG", ".Png", ".jpg")):
        Image.fromarray(make_phantom(i)[0]).save(place / f"{i:03d}_HC{suffix}")
    Image.new("L", (800, 540)).save(place / "000_HC_Annotation.PNG")
    for name in CLUTTER:
        (place / name).write_bytes(b"\0\5\x16\7")
    return place


def test_suffixes_in_any_case_are_images_and_clutter_is_counted(folder: Path) -> None:
    found = list_images(folder)
    assert [path.name for path in found.images] == ["000_HC.png", "001_HC.PNG", "002_HC.Png", "003_HC.jpg"]
    assert [path.name for path in found.annotations] == ["000_HC_Annotation.PNG"]
    assert {path.name for path in found.left_out} == {*CLUTTER, "more.png"}
    assert str(found) == "4 images, 1 annotation, 6 left out: .DS_Store, ._000_HC.png, Thumbs.db, ..."


def test_a_stream_shows_the_images_and_says_what_it_left_out(run: Run, folder: Path) -> None:
    done = run("edge_runtime", "stream", folder, "--pixel-size-mm", 0.1, "--json")
    assert done.returncode == 0, done.stderr
    assert "6 left out: " in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["counts"]["received"] == 4


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "._000_HC.png").write_bytes(b"\0")
    with pytest.raises(UsageError, match=r"0 images, 1 left out: \._000_HC\.png"):
        find_images([tmp_path])


def test_only_the_case_of_the_suffix_is_ignored() -> None:
    assert canonical_name("Aa.B.PNG") == "Aa.B.png"
    assert canonical_name("a") == "a"
