"""What the page on int8 says of a ladder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.common.render import to_markdown
from benchmarks.int8.ladder import LadderDocument, read_ladder
from benchmarks.pages.int8_accuracy import LADDERS, at_a_glance, ladder_blocks
from benchmarks.pages.int8_causes import ENCODER_LAYERS, FIGURE, section
from export.quantization.causes import Causes
from tests.helpers.places import ROOT
from train.networks.model import HeadNet
from train.strategies import STRATEGIES


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


def test_it_says_what_the_loss_comes_from(ladder: LadderDocument) -> None:
    best = min(ladder.quantization.rungs[:6], key=lambda rung: rung.hc_shift_mm or 0.0)
    costs = (0.1, 0.6, *[0.02] * 14)
    divided = Causes(best.name, 0.41, 0.32, 63, costs)

    def with_causes(causes: Causes) -> LadderDocument:
        return replace(ladder, quantization=replace(ladder.quantization, causes=causes))

    page = to_markdown(section([with_causes(divided)]))
    noise, whole = ladder.quantization.noise_hc_shift_mm, best.hc_shift_mm
    assert f"at 256x256 | 0.30 | {noise:.2f} | 0.41 | 0.32 | {whole:.2f} ({best.name}) |" in page
    assert "For `decoder-all`, the values alone shift HC by more than is allowed." in page
    assert "decoder-all at 256x256: layers 5 to 8, 61%" in page and FIGURE in page
    page = to_markdown(section([with_causes(replace(divided, values_hc_shift_mm=0.29))]))
    assert "only values rounded" in page and "more than is allowed" not in page
    assert FIGURE not in to_markdown(section([with_causes(replace(divided, n_layers=20, stretch_costs=costs[:5]))]))
    assert section([ladder]) == []


def test_the_papers_encoder_has_as_many_layers_as_the_page_says() -> None:
    encoder = HeadNet(STRATEGIES["decoder-all"]).parts()["encoder"]
    convolutions = [module for module in encoder.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == ENCODER_LAYERS


def test_the_page_on_results_says_which_of_the_papers_networks_fit_full_int8() -> None:
    by_the_notebooks = [read_ladder(path) for path in LADDERS.glob("by-the-notebooks*.json")]
    judged = [d for d in by_the_notebooks if d.quantization.n_clear]
    fit = [d.strategy for d in judged if d.recipe == "full_int8" and not d.refused]
    page = (ROOT / "docs/results.md").read_text()
    assert fit == ["full"] and "the only one that fits its budget in full int8" in page
