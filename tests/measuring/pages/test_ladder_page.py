"""What the page on int8 says of a ladder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.common.render import to_markdown
from benchmarks.int8.ladder import LadderDocument, read_ladder
from benchmarks.pages.int8_accuracy import LADDERS, at_a_glance, ladder_blocks
from tests.helpers.places import ROOT


@pytest.fixture
def ladder() -> LadderDocument:
    """A network that is within its budget, on its test parts too."""
    return read_ladder(LADDERS / "by-the-notebooks.json")


def lost(ladder: LadderDocument, part: str, **changed: float) -> LadderDocument:
    parts = dict(ladder.accuracy.parts)
    parts[part] = replace(parts[part], degradation=replace(parts[part].degradation, **changed))
    return replace(ladder, accuracy=replace(ladder.accuracy, parts=parts))


def text(ladder: LadderDocument) -> str:
    return to_markdown(ladder_blocks("as tried", ladder))


def test_it_says_whether_the_budget_holds_on_unseen_images(ladder: LadderDocument) -> None:
    assert "These means are within the budget, too." in text(ladder)
    assert "These means are beyond the budget on `paper`." in text(lost(ladder, "paper_test", dice_points=-0.11))
    assert "These means are beyond the budget on `grouped`." in text(
        lost(ladder, "grouped_test", hc_absolute_shift_mm=0.31)
    )
    assert "These means are within the budget, too." in text(lost(ladder, "paper_test", dice_points=+0.2))


def test_a_loose_network_has_a_wider_budget_there_too(ladder: LadderDocument) -> None:
    loose = replace(ladder, quantization=replace(ladder.quantization, own_hc_difference_mm=5.0))
    page = text(lost(loose, "paper_test", hc_absolute_shift_mm=0.45))
    assert "0.50 mm (10% of the network's own difference)" in page and "These means are within the budget, too." in page
    no_limit = replace(ladder.quantization.budget, max_dice_drop=None, max_hc_shift_mm=None)
    free = replace(ladder, quantization=replace(ladder.quantization, budget=no_limit))
    page = text(lost(free, "paper_test", dice_points=-9.0, hc_absolute_shift_mm=9.0))
    assert "Budget: none." in page and "These means are within the budget, too." in page


def test_a_row_says_what_became_of_a_network(ladder: LadderDocument) -> None:
    found = at_a_glance([ladder])
    row = dict(zip(found.header, found.rows[0], strict=True))
    full = [rung.hc_shift_mm for rung in ladder.quantization.rungs if "in float32" not in rung.name]
    assert row["network"] == "`decoder-all` at 256x256" and row["best full int8 (mm)"] == f"{min(full):.3f}"
    assert row["written as, or last tried"] == ladder.quantization.method == "16 layers in float32"
    assert (
        row["test part: HC shift (mm)"] == f"{ladder.accuracy.parts['paper_test'].degradation.hc_absolute_shift_mm:.3f}"
    )
    (refused,) = at_a_glance([replace(ladder, refused="too much")]).rows
    assert refused[3] == "refused (16 layers in float32)" and refused[-2:] == ["-", "-"]
    (unjudged,) = at_a_glance([replace(ladder, quantization=replace(ladder.quantization, n_clear=0))]).rows
    assert unjudged[3] == "16 layers in float32, unjudged: no image counts"


def test_the_page_on_results_says_which_of_the_papers_networks_fit_full_int8() -> None:
    by_the_notebooks = [read_ladder(path) for path in LADDERS.glob("by-the-notebooks*.json")]
    judged = [d for d in by_the_notebooks if d.quantization.n_clear]
    fit = [d.strategy for d in judged if d.recipe == "full_int8" and not d.refused]
    page = (ROOT / "docs/results.md").read_text()
    assert fit == ["full"] and "the only one that fits its budget in full int8" in page
