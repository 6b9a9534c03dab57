"""What the results page and the table of strategies show of the paper's networks by its notebooks."""

from __future__ import annotations

import pytest

from benchmarks.common.render import Table, to_markdown
from benchmarks.int8.ladder import LadderDocument
from benchmarks.pages import results_page
from benchmarks.pages.int8_accuracy import by_the_notebooks as read_ladders
from benchmarks.pages.results.device import in_int8, papers_strategies
from benchmarks.pages.results.notebooks import by_the_notebooks
from benchmarks.study.findings import dice_of
from benchmarks.study.notebooks import over_epochs
from benchmarks.study.results import JudgedEpoch, TrainingResult, load_all
from benchmarks.study.runs import RUNS
from tests.helpers.training_results import make_result


@pytest.fixture(scope="module")
def runs() -> dict[str, TrainingResult]:
    return load_all()


@pytest.fixture(scope="module")
def ladders() -> list[LadderDocument]:
    return read_ladders()


def test_the_table_is_in_the_papers_order_and_leaves_out_what_is_done_otherwise() -> None:
    names = ["decoder-4-paper", "encoder-only-paper-seed1", "encoder-only-paper", "full-paper", "decoder-all-paper"]
    names += ["decoder-all-paper-512", "decoder-all-paper-black-corners", "decoder-all-paper-bfloat16"]
    blocks = by_the_notebooks({name: make_result(RUNS[name]) for name in names})
    table = next(block for block in blocks if isinstance(block, Table))
    assert [row[:3] for row in table.rows] == [
        ["`full`", "256x256", "0"],
        ["`decoder-all`", "512x512", "0"],
        ["`decoder-all`", "256x256", "0"],
        ["`decoder-all`", "256x256", "0"],
        ["`encoder-only`", "256x256", "0"],
        ["`encoder-only`", "256x256", "1"],
        ["`decoder-4`", "256x256", "0"],
    ]
    page = to_markdown(blocks)
    assert "figures/parameters.svg" in page and "with ours at 256x256 beside it" in page
    assert "`decoder-all-paper-black-corners` | 9" in page, "it is under what each change is worth"


def test_every_strategy_says_what_it_became_in_int8(
    runs: dict[str, TrainingResult], ladders: list[LadderDocument]
) -> None:
    table = next(block for block in papers_strategies(runs, ladders) if isinstance(block, Table))
    small = {ladder.strategy: ladder for ladder in ladders if ladder.size == (256, 256)}
    found = {row[0].strip("`"): row for row in table.rows}
    assert found.keys() == small.keys() and len(found) > 6
    for strategy, ladder in small.items():
        row = dict(zip(table.header, found[strategy], strict=True))
        assert row["in int8"] == in_int8(ladder)
        assert (row["int8 shifts HC (mm)"] == "-") == bool(ladder.refused)
        assert f"| `{strategy}` |" in results_page.overview(runs, ladders)
    assert found["decoder-4"][4] == "full int8, unjudged: it is sure of no image"
    assert papers_strategies({}, ladders) == []


def test_the_table_of_strategies_has_the_papers_own_statistic(
    runs: dict[str, TrainingResult], ladders: list[LadderDocument]
) -> None:
    rows = {
        cells[0].strip("` "): cells
        for line in results_page.overview(runs, ladders).splitlines()
        if line.startswith("| `")
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    seeds = [runs[f"decoder-all-paper{seed}-bfloat16"] for seed in ("", "-seed1", "-seed2")]
    dice = [
        epoch.paper_augmented.paper_dice for run in seeds for epoch in run.history[5:] if isinstance(epoch, JudgedEpoch)
    ]
    assert rows["decoder-all"][2:4] == ["96.28", f"{100 * sum(dice) / 45:.2f} (3 seeds)"]
    assert rows["decoder-all"][4] == r"int8, 16 layers in float32 \*"
    assert rows["full"][4] == "full int8" and "(first reading, 128x128, at the end)" in rows["unet-scratch"][3]


def test_what_the_page_says_of_training_everything_is_in_the_results(runs: dict[str, TrainingResult]) -> None:
    seeds = [runs[f"decoder-all-leak-free-160x240{seed}"] for seed in ("", "-seed1", "-seed2")]
    missed = [{score.image for score in run.per_image if score.dice == 0} for run in seeds]
    (head,) = set.intersection(*missed)
    full = dice_of(runs["full-leak-free-160x240"])
    apart = {name: full[name] - dice for name, dice in dice_of(seeds[0]).items()}
    assert apart[head] > 0.8 * sum(apart.values()) > 0, "mostly by one head"
    ours, theirs = runs["full-paper-bfloat16"], runs["decoder-all-paper-bfloat16"]
    adf = [run.scores.hc_absolute_difference_mm.mean or 0 for run in (ours, theirs)]
    assert adf[0] < adf[1] and over_epochs(ours)[1][0] > over_epochs(theirs)[1][0]
