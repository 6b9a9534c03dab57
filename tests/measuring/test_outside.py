"""Frames of other scanners by kind: what is shown, what is refused and why, and what the record and the page say."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.common.goals import Goal
from benchmarks.common.reasons import kind_of_reason
from benchmarks.common.render import Figure, Sheet, markdown_files, to_html
from benchmarks.runtime.outside_document import KindFound, OutsideDocument, goals, read_outside
from benchmarks.runtime.outside_kinds import find_kinds, read_reference, unseen
from edge_runtime.artifact.manifest import load_manifest
from edge_runtime.common.record import to_json
from edge_runtime.errors import InputError, UsageError
from edge_runtime.shipped import DEFAULT_MODEL
from train.data.phantom import make_phantom
from train.frames.no_frames import speckle


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def mask_of(seed: int, right: float = 0.0) -> np.ndarray:
    """The mask of a phantom's head, moved to the right by some pixels; the frame may cut it."""
    frame, skull, _ = make_phantom(seed)
    moved = replace(skull, center_x=skull.center_x + right)
    return np.where(moved.interior(frame.shape), 255, 0).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Heads with a right mask, a wrong and an impossible one; a trunk, organs, and frames of which nothing is said."""
    root = tmp_path_factory.mktemp("outside") / "frames"
    for i in range(4):
        save(root / "heads" / "there" / f"secret{i}.png", make_phantom(i)[0])
    masks = root / "heads" / "there"
    save(masks / "secret0_mask.png", mask_of(0))
    save(masks / "secret1_mask.png", mask_of(1, right=120))
    two = np.zeros((540, 800), np.uint8)
    two[100:200, 100:200] = two[300:400, 400:500] = 255
    save(masks / "secret2_mask.png", two)
    save(masks / "gone_mask.png", mask_of(0))
    save(root / "not_heads" / "fetal_abdomen" / "secret7.png", make_phantom(7)[0])
    for seed in range(5):
        save(root / "not_heads" / "lung" / f"secret{seed}.png", speckle((300, 400), np.random.default_rng(seed)))
    save(root / "new" / "secret5.png", make_phantom(5)[0])
    (root / "new" / "secret<b>.png").write_bytes(b"no image")
    save(root / "new" / "tiny.png", np.zeros((8, 8), np.uint8))
    save(root / ".thumbnails" / "secret9.png", make_phantom(9)[0])
    return root


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """The command's exit code, and the folder of its files."""
    out = tmp_path_factory.mktemp("out")
    call = ["outside", str(folder), "--out", str(out / "o.json"), "--report", str(out / "o.html")]
    return main(call), out


@pytest.fixture(scope="module")
def document(done: tuple[int, Path]) -> OutsideDocument:
    return read_outside(done[1] / "o.json")


def kind(document: OutsideDocument, name: str) -> KindFound:
    return next(kind for kind in document.kinds if kind.name == name)


def test_the_record_counts_by_kind_and_names_no_frame(done: tuple[int, Path], document: OutsideDocument) -> None:
    code, out = done
    assert code == 1  # a file could not be read
    text = (out / "o.json").read_text()
    assert to_json(document) == json.loads(text)
    assert "secret" not in text and str(out) not in text and "frames/" not in text
    assert [one.name for one in document.kinds] == ["heads/there", "new", "not_heads/fetal_abdomen", "not_heads/lung"]
    heads = kind(document, "heads/there")
    assert (heads.meaning, heads.n_frames, heads.n_shown, heads.n_trusted) == ("heads", 4, 4, 4)
    assert (heads.n_references, heads.n_unused_masks, heads.n_right, heads.dice.n) == (2, 2, 1, 2)
    assert heads.dice.max and heads.dice.max > 0.95 and heads.dice.min and heads.dice.min < 0.9
    assert heads.hc_absolute_percent.p95 is not None and heads.hc_absolute_percent.p95 < 3  # moved, but as large
    lung, new = kind(document, "not_heads/lung"), kind(document, "new")
    assert (lung.meaning, lung.n_frames, lung.n_shown, lung.n_trusted) == ("not heads", 5, 0, 0)
    assert sum(lung.reasons.values()) == 5 and not any(c.isdigit() for reason in lung.reasons for c in reason)
    assert (new.meaning, new.n_frames, new.n_unread, new.n_shown) == ("unknown", 1, 2, 1)
    assert not document.has_pixel_sizes and document.most_frames is None


def test_goals_are_about_all_heads_with_a_reference(document: OutsideDocument) -> None:
    measured, without = goals(document.kinds)
    assert [(goal.detail, goal.met) for goal in measured] == [
        ("1 of 1", False), ("1 of 1", False), ("0 of 5", True), ("1 of 2", False),
    ]  # fmt: skip
    assert not without
    assert len(goals([kind(document, "new")])[1]) == 4
    trunk = replace(kind(document, "not_heads/fetal_abdomen"), n_trusted=None)  # as of an artifact without limits
    assert "fetal trunks and labour measured with trust above 0.5" in goals([trunk])[1]
    goal = Goal("x", 0.002, 0.002, True, "1 of 500")
    assert (goal.limit, goal.verdict) == ("at most 0.2%", "met")


def test_the_terminal_shows_kinds_goals_and_reasons(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outside", str(folder), "--limit", "1"]) == 0
    told = capsys.readouterr().out
    rows = [line.split() for line in told.splitlines()]
    assert ["heads/there", "1", "1", "(100.0%)", "1", "1", "of", "1"] in [row[:8] for row in rows]
    assert ["not_heads/lung", "1", "0", "(0.0%)", "0", "-", "-", "-", "-"] in rows
    assert "goal: at most 0.2%, met (0 of 1)" in told and "MISSED (1 of 1)" in told
    assert "not_heads/lung: " in told and "refused because" in told
    assert "gone_mask.png has no frame beside it" in told
    assert main(["outside", str(folder / "new")]) == 1
    both = capsys.readouterr()
    assert "new: secret<b>.png cannot be read" in both.err and "tiny.png" in both.err and "2 files not read" in both.out
    assert "not measured, without such frames or without trust: fetal trunks" in both.out


class Page(HTMLParser):
    """The pictures, captions and headings of a page, and the tags that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: list[bytes] = []
        self.captions: list[str] = []
        self.tags: set[str] = set()
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open = tag if tag == "figcaption" or self.open != "figcaption" else self.open
        if tag == "figcaption":
            self.captions.append("")
        if tag == "img":
            kind, _, data = str(dict(attrs)["src"]).partition(",")
            assert kind == "data:image/jpeg;base64"
            self.pictures.append(base64.b64decode(data))

    def handle_endtag(self, tag: str) -> None:
        self.open = "" if tag == "figcaption" else self.open

    def handle_data(self, data: str) -> None:
        if self.open == "figcaption":
            self.captions[-1] += data


def test_the_page_shows_every_frame_the_wrong_ones_first(done: tuple[int, Path]) -> None:
    text = (done[1] / "o.html").read_text()
    page = Page(text)
    assert len(page.pictures) == len(page.captions) == 11
    assert "do not publish or commit" in text.split("<table")[0]
    assert not {"script", "link", "b", "iframe"} & page.tags and "secret&lt;b&gt;.png cannot be read" in text
    heads = page.captions[:4]
    assert heads[0].startswith("secret1.png SHOWN, WRONG, trust ") and "Dice 0." in heads[0] and "HC " in heads[0]
    assert all("shown, trust" in caption for caption in heads[1:])
    assert page.captions[5].startswith("secret7.png SHOWN, WRONG")
    assert all("refused: " in caption for caption in page.captions[6:])
    for picture, caption in zip(page.pictures, page.captions, strict=True):
        with Image.open(io.BytesIO(picture)) as image:
            assert max(image.size) == 200
            red, green, _ = image.getpixel((1, image.height // 2))
            assert (green > red + 50) == ("refused" not in caption)  # the border
    assert "Masks that are not used" in text and "secret2_mask.png has 2 regions" in text


def test_with_pixel_sizes_the_circumference_decides(folder: Path, tmp_path: Path) -> None:
    heads, out = folder / "heads", tmp_path / "o.json"
    call = ["outside", str(heads), "--out", str(out), "--overwrite"]
    assert main([*call, "--pixel-size-mm", "3"]) == 0
    found = read_outside(out)
    (there,) = found.kinds
    assert (there.name, there.meaning, there.n_shown, found.has_pixel_sizes) == ("there", "heads", 0, True)
    assert there.reasons == {"that is not a fetal head circumference": 4}
    sizes = tmp_path / "sizes.csv"
    rows = [f"secret{i}.png,{make_phantom(i)[2]}" for i in range(4)]
    sizes.write_text("\n".join(["filename,pixel size(mm)", *rows]))
    assert main([*call, "--pixel-size-csv", str(sizes)]) == 0
    assert read_outside(out).kinds[0].n_shown == 4
    with pytest.raises(UsageError, match="have the same name"):
        main(["outside", str(folder), "--pixel-size-csv", str(sizes)])


def test_frames_are_taken_evenly_and_masks_follow_them(folder: Path) -> None:
    (heads,) = (one for one in find_kinds(folder, 2) if one.meaning == "heads")
    assert [path.name for path in heads.frames] == ["secret0.png", "secret2.png"]
    assert [path.name for path in heads.masks.values()] == ["secret0_mask.png", "secret2_mask.png"]
    assert [path.name for path in heads.lone_masks] == ["gone_mask.png"]


def test_unseen_kinds_are_those_that_the_manifest_does_not_name(folder: Path) -> None:
    shipped = load_manifest(DEFAULT_MODEL)
    kinds = find_kinds(folder)
    data = {"data": {"others": {"not_heads/lung": 60}}}
    limits = {"from": {"others": {"heads/there": 3}}}
    manifest = replace(shipped, checkpoint=data, quality={**shipped.quality, **limits})
    assert {kind.name for kind in unseen(kinds, manifest)} == {"not_heads/fetal_abdomen", "new"}
    assert not {"lung", "there"} & {kind.name for kind in unseen(find_kinds(folder / "not_heads"), manifest)}
    knows_all = replace(manifest, checkpoint={"data": {"others": {kind.name: 1 for kind in kinds}}})
    with pytest.raises(UsageError, match=r"was trained on all these kinds.*--leave-out KIND"):
        unseen(kinds, knows_all)
    assert unseen(kinds, replace(shipped, checkpoint={}, quality={})) == kinds


def test_what_is_no_reference_is_named(tmp_path: Path) -> None:
    path, size = tmp_path / "m.png", (540, 800)
    cut = mask_of(0, right=300)
    cut[5, 5] = 255  # a speck
    save(path, np.dstack([cut] * 3))
    reference = read_reference(path, size)
    assert reference.mask[:, -1].any() and not reference.mask[5, 5] and reference.ellipse.center_x > 600
    for pixels, said in (
        (cut[:100], "800 x 100 pixels, its frame 800 x 540"),
        (np.zeros(size, np.uint8), "is not the mask of a head"),
        (np.full(size, 255, np.uint8), "is not the mask of a head"),
    ):
        save(path, pixels)
        with pytest.raises(InputError, match=said):
            read_reference(path, size)


def test_wrong_calls_end_before_anything_is_measured(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty" / "below").mkdir(parents=True)
    save(tmp_path / "mixed" / "not_heads" / "a.png", mask_of(0))
    save(tmp_path / "mixed" / "not_heads" / "a_mask.png", mask_of(0))
    there = tmp_path / "there.html"
    there.write_text("mine")
    for call, said in (
        ([str(tmp_path / "none")], "no folder"),
        ([str(tmp_path / "empty")], "have no images"),
        ([str(tmp_path / "mixed")], "Move the masks, or the folder"),
        ([str(folder), "--out", str(there)], "already exists"),
        ([str(folder), "--report", str(there)], "already exists.*--report"),
        ([str(folder), "--model", "no.tflite"], "no.tflite"),
        ([str(folder), "--pixel-size-mm", "0.1,0.2,0.3"], "one number, or two"),
    ):
        with pytest.raises(UsageError, match=said):
            main(["outside", *call])
    assert there.read_text() == "mine"


def test_a_reason_is_counted_without_its_figures() -> None:
    for reason, counted in (
        ("no head found (the region covers 0.3% of the frame)", "no head found"),
        ("the outline is not sharp (softness 0.31, at most 0.20 is allowed)", "the outline is not sharp"),
        (
            "that is not a fetal head circumference (12.1 mm; 30 to 450 mm are possible): check it",
            "that is not a fetal head circumference",
        ),
    ):
        assert kind_of_reason(reason) == counted


def test_a_sheet_is_a_grid_in_html_and_a_list_in_markdown(tmp_path: Path) -> None:
    sheet = Sheet([Figure(f"{i}.jpg", bytes([i]), "alt", f"caption {i}") for i in range(2)])
    assert to_html("t", [sheet]).count("<figure>") == 2 and '<div class="sheet">' in to_html("t", [sheet])
    files = markdown_files([sheet], tmp_path / "page.md")
    assert files[tmp_path / "figures" / "1.jpg"] == b"\x01"
    assert files[tmp_path / "page.md"].decode().count("![alt](figures/") == 2
