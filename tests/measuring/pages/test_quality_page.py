"""The quality page and the tables of what was tried: they say what the documents say, and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.render import Figure, Paragraph, Table, to_html, to_markdown
from benchmarks.pages import quality_page
from benchmarks.pages.command import END, TRIED, TRIED_IN_FULL, fill
from benchmarks.pages.quality import tried
from benchmarks.pages.quality.limits import EVIDENCE, LOOK, deviations
from benchmarks.pages.quality.sizes import sizes
from benchmarks.pages.quality.tried import full_table, short_table
from benchmarks.runtime.outside_document import OutsideDocument
from benchmarks.runtime.quality_document import LookFound, QualityDocument, goals, read_quality
from edge_runtime.common.record import to_json
from edge_runtime.quality.limits import REASONS
from edge_runtime.quality.look import FIGURES, KnownLook
from edge_runtime.shipped import DEFAULT_MODEL, DEFAULT_SIZE, SIZES
from tests.helpers.some_findings import LOOKS, make_outside, make_quality


def written(folder: Path, document: QualityDocument | OutsideDocument) -> Path:
    path = folder / f"{type(document).__name__}.json"
    path.write_text(json.dumps(to_json(document)))
    return path


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    return written(tmp_path, make_quality()), written(tmp_path, make_outside())


def table(blocks: list[Any], first: str) -> Table:
    """The table whose first row starts so."""
    (found,) = (block for block in blocks if isinstance(block, Table) and block.rows[0][0] == first)
    return found


def test_a_document_survives_json(places: tuple[Path, Path]) -> None:
    read = read_quality(places[0])
    assert read.looks == LOOKS and read.limits == make_quality().limits and read.n_earned == (1200, 34, 56)


def test_the_page_has_every_kind_of_look_by_family(places: tuple[Path, Path]) -> None:
    blocks = quality_page.build(*places)
    looks = table(blocks, "texture")
    assert [row[:2] for row in looks.rows] == [
        ["texture", "`speckle-3px`"], ["brightness", "`gain-2`"], ["margin", "`9:16`"], ["several", "compounds"],
    ]  # fmt: skip
    assert looks.rows[0][2:] == ["10", "1", "0", "1.25", "44%", "89%"]  # 4 and 8 of 9
    assert looks.rows[2][2:] == ["10", "10", "0", "-", "-", "-"]
    assert {block.name for block in blocks if isinstance(block, Figure)} == {
        "looks.svg", "refusal.svg", "risk-coverage.svg",
    }  # fmt: skip
    assert "<table" in to_html("t", blocks)


def test_known_and_unknown_looks_are_told_apart(places: tuple[Path, Path], tmp_path: Path) -> None:
    # shown 9 + 10 + 0 + 18, of unknown look 4 + 10 + 0 + 9; in their interval 8 + 9 + 17, of these 3 + 9 + 8 unknown
    rows = table(quality_page.build(*places), "known").rows
    assert [row[:2] for row in rows] == [
        ["known", "14 of 14"],
        ["unknown: wider interval, not validated", "20 of 23"],
        ["all", "34 of 37"],
    ]
    older = make_quality(compounds=replace(make_quality().compounds, n_unlike_inside=None))
    assert table(quality_page.build(written(tmp_path, older)), "all").rows == [["all", "34 of 37", "91.9%"]]


def test_every_figure_is_explained_and_shows_what_it_earned(places: tuple[Path, Path]) -> None:
    assert set(EVIDENCE) == set(REASONS) and tuple(LOOK) == FIGURES
    blocks = quality_page.build(*places)
    rows = {row[0]: row[1:] for row in table(blocks, "`core`").rows}
    assert rows["`core`"] == [EVIDENCE["core"], "at least 0.000", "4.000", "-1.000", "0.88", "-"]
    assert rows["`softness`"] == [EVIDENCE["softness"], "at most 0.200", "0.100", "0.050", "0.88", "-"]
    assert set(rows) == {"`core`", "`softness`"}, "the figures that these limits use"
    text = " ".join(block.text for block in blocks if isinstance(block, Paragraph))
    assert "(34 frames)" in text and "(56)" in text and "1,200 heads" in text and "71.25 ms" in text


def test_deviations_are_those_of_the_known_look() -> None:
    # figures a = 2 u and b = 3 u + 4 v of unit variables: whitening is the inverse of [[2, 0], [3, 4]]
    assert deviations(KnownLook((0.0, 0.0), ((0.5, 0.0), (-0.375, 0.25)), 1.0)) == pytest.approx([2, 5])


def test_goals_are_met_or_missed(places: tuple[Path, Path]) -> None:
    verdicts = {goal.name: (goal.measured, goal.detail, goal.verdict) for goal in goals(read_quality(places[0]))}
    assert verdicts["bad frames refused, 2 kinds"] == ("95.0%", "19 of 20", "MISSED")
    assert verdicts["3 altered looks of them, wrong by more than 10 mm"] == ("5.3%", "1 of 19", "MISSED")
    assert verdicts["ADF of these images (mm)"] == ("1.62 mm", "9 images", "met")
    page = table(quality_page.build(*places), "bad frames refused, 2 kinds")
    assert [row[0] for row in page.rows] == list(verdicts) and page.rows[0][-1] == "MISSED"


def test_the_page_says_nothing_of_what_was_not_measured(places: tuple[Path, Path], tmp_path: Path) -> None:
    without = to_markdown(quality_page.build(places[0], tmp_path / "none.json", tmp_path / "unseen"))
    assert "## Frames from elsewhere" not in without and quality_page.build(tmp_path / "none.json") == []
    both = to_markdown(quality_page.build(*places, tmp_path / "unseen"))
    assert "never saw" not in both
    (tmp_path / "unseen").mkdir()
    (tmp_path / "unseen" / "a.json").write_text(places[1].read_text())
    assert "## Kinds that a network never saw" in to_markdown(quality_page.build(*places, tmp_path / "unseen"))
    assert "## Frames from elsewhere" in both and "226 in all" in both and "without pixel sizes" in both
    assert DEFAULT_MODEL.stem not in both and "HC18" not in without


def test_the_sizes_stand_side_by_side_where_they_were_measured(places: tuple[Path, Path], tmp_path: Path) -> None:
    assert sizes(places[0].parent) == []
    other = next(size for size in SIZES if size != DEFAULT_SIZE)
    for place in (tmp_path, tmp_path / other):
        (place / "quality.json").parent.mkdir(exist_ok=True)
        (place / "quality.json").write_text(places[0].read_text())
    (tmp_path / "outside.json").write_text(places[1].read_text())
    (tmp_path / other / "outside.json").unlink(missing_ok=True)
    found = table(sizes(tmp_path), "bad frames refused, 2 kinds")
    assert set(found.header[2:]) == {f"`{DEFAULT_SIZE}`", f"`{other}`"}
    assert found.rows[0][1:] == ["at least 99%", "95.0%, MISSED", "95.0%, MISSED"]
    without = found.header.index(f"`{other}`")
    shown = {row[0]: row for row in found.rows}["other organs measured"]
    assert shown[without] == "not measured" and "not measured" not in shown[:without] + shown[without + 1 :]


def test_the_readme_has_a_row_for_each_group(places: tuple[Path, Path]) -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in short_table(*places).splitlines()[2:8]]
    assert rows == [
        ["fetal heads, another set, exams not trained on", "10", "9", "1",
         "true HC in the interval in 8, mean error 1.62 mm"],
        ["the same in 3 altered looks, and in compounds of them", "50", "37", "13", "wrong by more than 10 mm in 2"],
        ["heads of another country", "34", "30", "4", "outline right in 29 of 30"],
        ["fetal trunks", "12", "1", "11", "wrong: no head to be measured"],
        ["heads during labour", "80", "0", "80", "-"],
        ["other organs", "100", "2", "98", "wrong: no head to be measured"],
    ]  # fmt: skip
    assert tried.NOT_TRIED in short_table(*places)


def test_the_model_card_has_a_row_for_each_family_and_kind(places: tuple[Path, Path]) -> None:
    text = full_table(*places)
    assert "| the same, altered: texture, 1 kind | 10 | 9 | 1 | wrong by more than 10 mm in 0 |" in text
    assert "| the same, altered: compounds of 2 to 4 kinds | 20 | 18 | 2 | wrong by more than 10 mm in 1 |" in text
    assert "| bad frames made from these images, 2 kinds | 20 | 1 | 19 | wrong: no head to be measured |" in text
    assert "| breast: cysts and masses (BUSI) | 100 | 2 | 98 | wrong: no head to be measured |" in text
    assert "| heads/new\\<b\\> | 10 | 10 | 0 | outline right in 10 of 10 |" in text, "a kind that is not known"
    assert text.count("\n| ") == 1 + 1 + 3 + 1 + 1 + 6  # rule, real, families, compounds, bad, kinds


def test_it_is_said_whether_these_frames_were_learned(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not known here whether this model was trained on these frames" in short_table(*places)
    manifest = tried.shipped_manifest()
    others = {"heads/spain": 24, "not_heads/breast": 90, "not_heads/unseen": 500}

    def learned(trained: dict[str, int], derived: dict[str, int]) -> str:
        checkpoint, quality = {"data": {"others": trained}}, {"from": {"others": derived}}
        shipped = replace(manifest, model_sha256="0" * 64, checkpoint=checkpoint, quality=quality)
        monkeypatch.setattr(tried, "shipped_manifest", lambda: shipped)
        return short_table(*places)

    said = learned(others, {"heads/spain": 24})
    assert "frames from elsewhere, 114 trained the network, and 24 set its limits" in said
    assert "Only sets that were kept apart can judge that" in learned(others, {})
    assert "was not trained on any of these sets" in learned({}, {"not_heads/unseen": 3})
    monkeypatch.setattr(
        tried, "shipped_manifest", lambda: replace(manifest, model_sha256="0" * 64, checkpoint={}, quality={})
    )
    assert "was not trained on any of these sets" in short_table(*places)
    assert "have not been measured" in short_table(places[0], tmp_path / "none.json")
    assert short_table(tmp_path / "none.json") == full_table(tmp_path / "none.json") == ""


def test_pages_are_filled_between_their_marks(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    page = f"# x\n\n{TRIED}\nold\n{END}\n\n{TRIED_IN_FULL}\nold\n{END}\n"
    monkeypatch.setattr(tried, "short_table", lambda: "SHORT")
    monkeypatch.setattr(tried, "full_table", lambda: "FULL")
    filled = fill(page, [], {})
    assert filled == page.replace("old", "SHORT", 1).replace("old", "FULL")
    monkeypatch.setattr(tried, "short_table", lambda: "")
    assert fill(page, [], {}) == page.replace("old", "FULL").replace("FULL", "old", 1)


def test_a_look_that_is_never_shown_has_no_share() -> None:
    assert quality_page._look("x", "y", LookFound(0, 0, 0, 0, 0, None, 0))[2:] == ["0", "0", "0", "-", "-", "-"]
