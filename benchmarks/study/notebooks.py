"""What the runs by the paper's notebooks show: its statistic, its claims over seeds, what each change is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.scores import Summary
from benchmarks.study.findings import Documents, Finding, dice_of, difference, order, points, size_text, verdict
from benchmarks.study.paper import TABLE
from benchmarks.study.results import JudgedEpoch, Pooled, TestedImage, TrainingResult
from edge_runtime.metrics import BOOTSTRAP_SAMPLES, PAPER_BATCH, PAPER_ORDERS
from train.protocols import PAPER

WARM_UP = 5
"""Epochs that the paper's notebooks leave out of their means."""

HEADLINE = "decoder-all"

Runs = Sequence[TrainingResult]
"""Trainings of one strategy in one setting, by seed."""

_CHANGES = {
    "tonylins": "the encoder begins with tonylins' weights, not torchvision's",
    "black-corners": "corners are black, not reflections",
    "area-average": "frames shrink by area average, not by bilinear interpolation",
    "bfloat16": "bfloat16, not {precision}",
}
"""What :data:`benchmarks.study.runs.CHANGES` do, in words."""


def judged(run: TrainingResult) -> list[JudgedEpoch]:
    """Its epochs, with the paper's metrics of each."""
    return [epoch for epoch in run.history if isinstance(epoch, JudgedEpoch)]


def after_warm_up(run: TrainingResult) -> list[Pooled]:
    """The paper's metrics under augmentation, of the epochs that its table averages over."""
    return [epoch.paper_augmented for epoch in judged(run)[WARM_UP:]]


def over_epochs(run: TrainingResult) -> list[tuple[float, float]]:
    """Pixel accuracy, Dice and mIoU in percent as the paper's table has them: mean and SD over the last epochs."""
    return [(mean(values), stdev(values)) for values in zip(*(p.percent for p in after_warm_up(run)), strict=True)]


def paper_dice(run: TrainingResult) -> float:
    """The Dice of :func:`over_epochs`."""
    return over_epochs(run)[1][0]


def is_mixed(run: TrainingResult) -> bool:
    """Whether all that its means are over is pooled over random batches (:attr:`Pooled.is_mixed`)."""
    return all(pooled.is_mixed for pooled in after_warm_up(run))


def pooled_over_seeds(runs: Sequence[TrainingResult]) -> list[Summary]:
    """Pixel accuracy, Dice and mIoU at the end of training, in percent, pooled over random batches as the paper's are.

    They come from each image's own scores, which older results have, too. With ``A`` and ``B`` the shares of its pixels
    that are head in the mask and in the reference, ``1 - accuracy = A + B - 2 I`` and ``Dice = 2 I / (A + B)``, so both
    sums of a batch follow. These scores are at the image's own resolution and against the ellipse, not the contour.
    The 95% intervals are by bootstrap over images and seeds.

    Args:
        runs: Runs of one strategy that differ in their seed, tested on the same images.
    """
    scores = np.array([[(s.dice, s.pixel_accuracy) for s in sorted(run.per_image, key=_name)] for run in runs])
    dice, accuracy = scores[..., 0], scores[..., 1]
    both = (1 - accuracy) / np.maximum(1 - dice, 1e-9)  # an image without a wrong pixel would count as empty
    n, rng = dice.shape[1], np.random.default_rng(0)
    size = min(PAPER_BATCH, n)

    def pooled(seeds: NDArray[np.int64], batches: NDArray[np.int64]) -> list[float]:
        chosen = np.ix_(seeds, batches.reshape(-1))
        shape = len(seeds), len(batches), size
        overlap = (dice * both)[chosen].reshape(shape).sum(axis=2) / both[chosen].reshape(shape).sum(axis=2)
        figures = accuracy[chosen], overlap, overlap / (2 - overlap)
        return [100 * float(figure.mean()) for figure in figures]

    every = np.arange(len(runs))
    orders = np.concatenate([rng.permutation(n)[n % size :].reshape(-1, size) for _ in range(PAPER_ORDERS)])
    drawn = [
        pooled(rng.integers(len(runs), size=len(runs)), rng.integers(n, size=(n // size, size)))
        for _ in range(BOOTSTRAP_SAMPLES)
    ]
    figures = np.array([pooled(every, orders), *np.percentile(drawn, [2.5, 97.5], axis=0)]).T.tolist()
    return [Summary(n, value, ci95_low=low, ci95_high=high) for value, low, high in figures]


def _name(score: TestedImage) -> str:
    return score.image


def difference_over_seeds(ours: Sequence[TrainingResult], theirs: Sequence[TrainingResult]) -> Summary:
    """Mean Dice of one strategy's runs minus that of another's, in points, over the images that all were tested on.

    The 95% interval is by bootstrap over images and, for each strategy by itself, over seeds: it holds for other images
    and for other trainings. With three seeds it is rough, and rather too narrow.
    """
    scores = [[dice_of(run) for run in runs] for runs in (ours, theirs)]
    names = sorted(set.intersection(*(set(dice) for runs in scores for dice in runs)))
    first, second = (np.array([[dice[name] for name in names] for dice in runs]) for runs in scores)
    rng = np.random.default_rng(0)

    def drawn(dice: NDArray[np.float64], images: NDArray[np.int64]) -> float:
        return float(dice[rng.integers(len(dice), size=len(dice))][:, images].mean())

    means = []
    for _ in range(BOOTSTRAP_SAMPLES):
        images = rng.integers(len(names), size=len(names))
        means.append(drawn(first, images) - drawn(second, images))
    low, high = np.percentile(means, [2.5, 97.5])
    return Summary(len(names), float(first.mean() - second.mean()), ci95_low=float(low), ci95_high=float(high))


def claims_over_seeds(documents: Documents) -> list[Finding]:
    """Whether the headline's strategy is better than each other in the same setting, and all are in the paper's order.

    The interval is over images and seeds where both have several seeds, else over images, of runs with the same seed.
    """
    settings: dict[tuple[object, ...], dict[str, list[TrainingResult]]] = {}
    for run in sorted(documents.values(), key=lambda run: run.run.seed):
        if (study := run.study_run).protocol == PAPER:
            change = (study.change or "").removesuffix("bfloat16")  # which shows in the precision
            setting = study.image_size, study.train_images, run.config.precision, change
            settings.setdefault(setting, {}).setdefault(study.strategy, []).append(run)
    found = []
    for strategies in settings.values():
        ours = strategies.get(HEADLINE, [])
        for strategy, theirs in strategies.items():
            mine, others = _comparable(ours, theirs)
            if strategy == HEADLINE or not mine:
                continue
            apart, alone = _apart(mine, others), len(mine) == 1
            said = verdict(apart) + (f" for seed {mine[0].run.seed}" if alone else "")
            seeds = f"{'' if alone else 'by seed '}{_listed(mine)} against {_listed(others)}"
            claim = f"`{HEADLINE}` is better than `{strategy}`, {_setting(mine)}"
            if strategy not in TABLE:
                claim += " (our control, not in the paper)"
            found.append(Finding(claim, said, f"{points(apart)}; {seeds}"))
        first = {name: runs for name, runs in strategies.items() if name in TABLE and runs[0].run.seed == 0}
        if len(first) > 2:
            ordered = order(first, lambda a, b: _apart(*_comparable(a, b)))
            text = f"{ordered.evidence}; pairs with several seeds each over seeds and images, the others with seed 0"
            claim = f"{ordered.claim}, {_setting(next(iter(first.values())))}"
            found.append(replace(ordered, claim=claim, evidence=text))
    return found


def _comparable(ours: Runs, theirs: Runs) -> tuple[Runs, Runs]:
    """All of both where both have several seeds; else one of each with the same seed; else none."""
    if min(len(ours), len(theirs)) > 1:
        return ours, theirs
    same = [([mine], [other]) for mine in ours for other in theirs if mine.run.seed == other.run.seed]
    return same[0] if same else ([], [])


def _apart(ours: Runs, theirs: Runs) -> Summary:
    """By how much ours are better, in points of Dice, see :func:`claims_over_seeds`."""
    return difference(ours[0], theirs[0]) if len(ours) == 1 else difference_over_seeds(ours, theirs)


def _setting(runs: Runs) -> str:
    return f"{size_text(runs[0])}, {runs[0].config.precision}"


def _listed(runs: Sequence[TrainingResult]) -> str:
    return ", ".join(f"{mean(dice_of(run).values()):.2f}" for run in runs)


@dataclass(frozen=True)
class Change:
    """One thing done otherwise.

    Attributes:
        text: What.
        run: The run in which it is.
        base: The run that it is compared with, of the same seed.
        paper_points: What it adds to the paper's statistic, Dice in points.
        dice_points: What it adds to Dice, image by image at the end, in points.
    """

    text: str
    run: TrainingResult
    base: TrainingResult
    paper_points: float
    dice_points: Summary


def changes(documents: Documents) -> list[Change]:
    """What each change is worth, one at a time, with the same seed."""
    found = []
    for name, run in documents.items():
        change = run.study_run.change
        if run.study_run.protocol != PAPER or not change:
            continue
        what, in_bfloat16 = change.removesuffix("-bfloat16"), change.endswith("-bfloat16")
        base = documents.get(name.removesuffix(f"-{change}") + ("-bfloat16" if in_bfloat16 else ""))
        if base is not None and is_mixed(run) and is_mixed(base):
            text = _CHANGES[what].format(precision=base.config.precision)
            found.append(Change(text, run, base, paper_dice(run) - paper_dice(base), difference(run, base)))
    return found
