"""Ways to train that may make a small network better, each judged by the same five-fold cross-validation.

Every lever changes one thing of the same network's training. It is judged by paired differences: the same image of the
same fold, with the lever and without it. The folds leave the test part of ``grouped`` out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.common.by_exam import Interval, mean_over_exams
from benchmarks.common.tables import NOT_MEASURED, text_table
from benchmarks.search.points import POINTS
from benchmarks.search.trial import Judged, Trial, TrialResult
from edge_runtime.errors import UsageError
from train.data.hc18 import exam_of
from train.data.splits import FOLDS

NETWORK = "lean-16-128x192"
"""The network that the levers are tried on."""

BASE = "base"
EPOCHS = 60

LEVERS: dict[str, Mapping[str, Any]] = {
    BASE: {},
    "outline-loss": {"loss": "bce_dice_outline"},
    "turned": {"augment": "turned"},
    "turned-then-calm": {"augment": "turned", "calm": 0.25},
    "looks": {"looks": 8},
    "lr-half": {"lr": 1e-3},
    "lr-twice": {"lr": 4e-3},
    "batch-16": {"batch_size": 16},
    "longer": {"epochs": 2 * EPOCHS},
    "much-longer": {"epochs": 4 * EPOCHS},
    "seed-1": {"seed": 1},
    "taught": {},
}
"""What each changes of the base's settings. ``seed-1`` changes nothing: it shows how far chance goes."""

GONE = ("ellipse-loss", "deep-supervision", "averaged")
"""Tried and deleted, because they brought nothing; the commits in their results can repeat them.

``ellipse-loss`` added the relative error of the circumference, from the moments of the probabilities.
``deep-supervision`` judged each level of the encoder by a logit of its own (Lee et al. 2015). ``averaged`` kept the
exponential mean of the weights over about 1,000 steps.
"""

TAUGHT = "taught"
TEACHERS = (BASE, "outline-loss", "deep-supervision", "turned")
"""``taught`` learns the mean outline of these networks of the same fold, of its own images and of the unlabelled ones.
They must be trained before."""


def trials(lever: str) -> list[Trial]:
    """One trial for each fold."""
    network = POINTS[NETWORK]
    settings = {"epochs": EPOCHS, **LEVERS.get(lever, {})}
    teachers = TEACHERS if lever == TAUGHT else ()
    return [
        replace(
            network,
            name=f"{lever}-{fold}",
            split=fold,
            settings=settings,
            teachers=tuple(f"{teacher}-{fold}" for teacher in teachers),
        )
        for fold in FOLDS
    ]


@dataclass(frozen=True)
class Effect:
    """What a lever changes, as the mean over images and its 95 % interval by bootstrap over exams.

    Attributes:
        lever: Its name.
        folds: Folds that both it and the base have a result of.
        dice: Mean Dice with the lever, 0 to 1, in full int8.
        adf_mm: Mean absolute difference of the circumference with the lever; infinite if none was measured.
        dice_points: Change of Dice in points of 100: mean, low, high.
        adf_change_mm: Change of the absolute difference in mm: mean, low, high; None if no image was measured by both.
    """

    lever: str
    folds: int
    dice: float
    adf_mm: float
    dice_points: Interval | None
    adf_change_mm: Interval | None


def effect(lever: str, results: Mapping[str, TrialResult]) -> Effect | None:
    """Compare a lever with the base in the folds that both have.

    Args:
        lever: Its name.
        results: By name of the trial.

    Returns:
        None if there is no such fold.
    """
    pairs = [(results.get(f"{lever}-{fold}"), results.get(f"{BASE}-{fold}")) for fold in FOLDS]
    both = [(with_it, without) for with_it, without in pairs if with_it and without]
    if not both:
        return None
    images = [image for with_it, _ in both for image in with_it.images]
    if images != [image for _, without in both for image in without.images]:
        raise UsageError(
            f"{lever} and {BASE} were not judged by the same images. Keep results of one data set in a folder."
        )
    one, other = (_together([pair[side].int8 for pair in both]) for side in (0, 1))
    exams = [exam_of(image) for image in images]
    dice = 100 * (np.array(one.dice) - np.array(other.dice))
    errors = _errors(one) - _errors(other)  # not a number where one of them refused
    changes = mean_over_exams(dice, exams), mean_over_exams(errors, exams)
    return Effect(lever, len(both), one.mean_dice, one.adf_mm, *changes)


def _together(parts: Sequence[Judged]) -> Judged:
    return Judged(
        tuple(value for part in parts for value in part.dice),
        tuple(value for part in parts for value in part.hc_difference_mm),
    )


def _errors(judged: Judged) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if mm is None else abs(mm) for mm in judged.hc_difference_mm])


def table(results: Mapping[str, TrialResult]) -> str:
    """All levers that have a result, for a terminal. Those whose interval leaves 0 out, to the good, are marked."""
    found = [e for lever in (*LEVERS, *GONE) if (e := effect(lever, results))]
    header = ["  lever", "folds", "Dice (%)", "ADF (mm)", "Dice, change (points)", "ADF, change (mm)"]
    body = []
    for e in found:
        better = (e.dice_points and e.dice_points[1] > 0) or (e.adf_change_mm and e.adf_change_mm[2] < 0)
        mark = "+" if better else " "
        changes = ["-", "-"] if e.lever == BASE else [_range(e.dice_points), _range(e.adf_change_mm)]
        adf = f"{e.adf_mm:.3f}" if np.isfinite(e.adf_mm) else NOT_MEASURED
        body.append([f"{mark} {e.lever}", str(e.folds), f"{100 * e.dice:.2f}", adf, *changes])
    epochs = (
        next((r.config.get("epochs") for name, r in results.items() if name.startswith(f"{BASE}-")), None) or EPOCHS
    )
    note = (
        f"{NETWORK}, {epochs} epochs, full int8, every image of the folds judged once; change against {BASE}, "
        "image by image, with its 95 % interval over exams. + the interval lies on the good side of 0."
    )
    return f"{text_table(header, body)}\n{note}"


def _range(values: Interval | None) -> str:
    if values is None:
        return NOT_MEASURED
    mean, low, high = values
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
