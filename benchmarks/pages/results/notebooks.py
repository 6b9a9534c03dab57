"""The section of the results page on the paper's setting as its notebooks have it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

from benchmarks.common.render import Block, Heading, Paragraph, Table, code
from benchmarks.pages.results.scores import OWN, goal_text, joined, own, three, trained_on
from benchmarks.study.findings import Documents, size_text
from benchmarks.study.paper import IMAGE_SIZE, TABLE
from benchmarks.study.results import JudgedEpoch, TrainingResult
from edge_runtime.common.cli import counted
from edge_runtime.metrics import PAPER_BATCH
from train.protocols import PAPER

WARM_UP = 5
"""Epochs that the paper's notebooks leave out of their means."""

HEADLINE = "decoder-all"

_TEXT = (
    "The paper's notebooks say more than the paper: the encoder begins with torchvision's weights, rotation fills the "
    "corners by reflection, and frames are resized by plain bilinear interpolation. The table's means and SDs are over "
    f"the epochs {WARM_UP + 1} to 20 of one training, of metrics on the held-out images with the training's "
    "augmentation. `--protocol paper` does all this. At the end: the last epoch, without augmentation. Dice and mIoU "
    f"are pooled over {PAPER_BATCH} images drawn at random, as the paper's held-out images come: the mean over 1,000 "
    "orders."
)
_IN_ORDER = (
    "Runs with a star were judged before: pooled in the order of HC18's file names, which puts small heads, the harder "
    "ones, into the same batches, and gives too low a Dice and mIoU"
)


def by_the_notebooks(documents: Documents) -> list[Block]:
    """Each run beside the paper's row, and whether the headline is reached."""
    runs = [run for run in documents.values() if run.study_run.protocol == PAPER]
    if not runs:
        return []
    rows = []
    for run in runs:
        row = TABLE.get(run.run.strategy)
        rows.append([
            code(run.name),
            size_text(run),
            run.config.precision,
            _with_sd(row.figures) if row else "not in the paper",
            _with_sd(over_epochs(run)) + ("" if is_mixed(run) else " *"),
            joined(three(_judged(run)[-1].paper_plain)),
            *own(run),
        ])  # fmt: skip
    figures = "paper: PA / Dice / mIoU (%)", "ours, over epochs", "ours, at the end"
    header = ("run", "input", "arithmetic", *figures, *OWN)
    blocks: list[Block] = [
        Heading("The paper's table, by its notebooks"),
        Paragraph(f"{_TEXT} {trained_on(runs)}"),
        Table(header, rows),
    ]
    if not all(map(is_mixed, runs)):
        blocks.append(Paragraph(f"{_IN_ORDER}{_how_much([run for run in runs if is_mixed(run)])}."))
    headline = [run for run in runs if run.run.strategy == HEADLINE and run.run.image_size == IMAGE_SIZE]
    return (
        [*blocks, Paragraph(_verdict([run for run in headline if is_mixed(run)] or headline))] if headline else blocks
    )


def over_epochs(run: TrainingResult) -> list[tuple[float, float]]:
    """Pixel accuracy, Dice and mIoU in percent as the paper's table has them: mean and SD over the last epochs."""
    epochs = [three(epoch.paper_augmented) for epoch in _judged(run)[WARM_UP:]]
    return [(mean(values), stdev(values)) for values in zip(*epochs, strict=True)]


def is_mixed(run: TrainingResult) -> bool:
    """Whether Dice was pooled over random batches, as the paper's, and not in the order of the file names."""
    return all(epoch.paper_augmented.paper_dice_in_order is not None for epoch in _judged(run))


def _how_much(runs: Sequence[TrainingResult]) -> str:
    """What the order changes, in the runs that were judged in both."""
    if not runs:
        return ""
    epochs = [epoch.paper_augmented for run in runs for epoch in _judged(run)[WARM_UP:]]
    change = mean(100 * (e.paper_dice - (e.paper_dice_in_order or 0)) for e in epochs)
    return f": in {counted(len(runs), 'run')} judged in both ways, by {change:.2f} points of Dice"


def _judged(run: TrainingResult) -> list[JudgedEpoch]:
    return [epoch for epoch in run.history if isinstance(epoch, JudgedEpoch)]


def _with_sd(values: Sequence[tuple[float, float]]) -> str:
    return " / ".join(f"{value:.2f} ({sd:.2f})" for value, sd in values)


def _verdict(runs: Sequence[TrainingResult]) -> str:
    """Whether the mean over seeds is at least the paper's, in each of the three."""
    theirs = TABLE[HEADLINE].means
    seeds = [[value for value, _ in over_epochs(run)] for run in runs]
    ours = [mean(values) for values in zip(*seeds, strict=True)]
    text = (
        f"{code(HEADLINE)} at the paper's own {size_text(runs[0])} reaches {joined(ours)} by the paper's statistic, "
        f"with {counted(len(runs), 'seed')}; the paper {joined(theirs)}. {goal_text(ours, theirs)}"
    )
    if len(runs) > 1:
        return f"{text} The SD over seeds is {joined(stdev(values) for values in zip(*seeds, strict=True))}."
    return f"{text} How far other seeds differ was not measured."
