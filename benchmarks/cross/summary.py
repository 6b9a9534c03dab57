"""What the folds show together: accuracy, refusals and intervals, also by head size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from benchmarks.common.by_exam import mean_over_exams
from benchmarks.common.tables import NOT_MEASURED, text_table
from benchmarks.cross.fold import FoldResult, Scored
from edge_runtime.common.cli import counted
from edge_runtime.errors import UsageError
from train.config import BEFORE
from train.data.hc18 import exam_of
from train.data.splits import CROSS

BANDS = ((0, None), (100, 15), (150, 18), (200, 22), (250, 27), (300, 33), (math.inf, None))
"""Bounds of head sizes in mm, by the reference, and the age in weeks of a head of that size (Hadlock 1984, as in
:mod:`examples.scanner.growth`). HC18 knows no other age."""

HEADER = (
    "reference HC (mm)", "age (weeks)", "images", "Dice (%)", "ADF (mm)", "DF (mm)", "refused", "reference in interval",
    "half interval (mm)",
)  # fmt: skip


def check_together(results: Sequence[FoldResult]) -> None:
    """Refuse folds that do not belong together.

    Args:
        results: Folds of one size.

    Raises:
        UsageError: They were trained in different ways, or on other data, or an image is in two of them.
    """
    first = results[0]
    check_alike(results, ("split", "precision"))
    names = [scored.score.image for result in results for scored in result.images]
    if len(names) != len(set(names)):
        raise UsageError(f"{first.size}: an image is in two folds. Delete the result that does not belong there.")


def check_alike(results: Sequence[FoldResult], but_for: Sequence[str]) -> None:
    """Refuse results of one size that differ in their data, or in more settings than those named.

    Raises:
        UsageError: They do.
    """
    first = results[0]
    for other in results[1:]:
        settings = [{**BEFORE, **r.config, **dict.fromkeys(but_for)} for r in (first, other)]
        if settings[0] != settings[1] or first.data_sha256 != other.data_sha256 or first.others != other.others:
            raise UsageError(
                f"{first.size}: {_name(first)} and {_name(other)} were trained in different ways or on other data. "
                "Keep those of one way together: delete the others, or give another --results."
            )


def _name(result: FoldResult) -> str:
    return f"{result.split}, seed {result.config.get('seed', 0)}"


def size_table(results: Sequence[FoldResult]) -> str:
    """One size, for a terminal: all images, then by head size. Intervals are bootstraps over exams.

    Args:
        results: Folds of one size, at least one.
    """
    check_together(results)
    images = [scored for result in results for scored in result.images]
    rows = [row("all", "all", images)]
    for (low, first_week), (high, last_week) in itertools.pairwise(BANDS):
        if some := [scored for scored in images if low <= scored.reference_mm < high]:
            name = f"from {low}" if math.isinf(high) else f"{low} to {high:.0f}"
            age = f"from {first_week}" if last_week is None else f"{first_week or 'up'} to {last_week}"
            rows.append(row(name, age, some))
    first = results[0]
    missing = f", {len(CROSS) - len(results)} still missing" if len(results) < len(CROSS) else ""
    others = f"{sum(first.others.values())} frames from elsewhere" if first.others else "no frames from elsewhere"
    recipes = ", ".join(sorted({result.recipe for result in results}))
    note = (
        f"{first.size} on {first.data}, {counted(len(results), 'fold')}{missing}, "
        f"{counted(first.config['epochs'], 'epoch')}, {others}, {first.pseudo_labels} outlines by networks; {recipes}, "
        "each with its own limits."
    )
    return f"{text_table(list(HEADER), rows)}\n{note}"


def row(name: str, age: str, images: Sequence[Scored]) -> list[str]:
    """One row of the table."""
    exams = [exam_of(scored.score.image) for scored in images]
    differences = np.array([np.nan if (mm := s.score.hc_difference_mm) is None else mm for s in images])
    covered = [s.covered for s in images if s.covered is not None]
    halves = [(s.interval_mm[1] - s.interval_mm[0]) / 2 for s in images if s.interval_mm is not None]
    return [
        name,
        age,
        str(len(images)),
        _mean(100 * np.array([s.score.dice for s in images]), exams, 2),
        _mean(np.abs(differences), exams, 2),
        _mean(differences, exams, 2, sign="+"),
        str(sum(s.score.reason is not None for s in images)),
        f"{sum(covered)} of {len(covered)} ({sum(covered) / len(covered):.1%})" if covered else NOT_MEASURED,
        f"{np.mean(halves):.1f}" if halves else NOT_MEASURED,
    ]


def _mean(values: np.ndarray, exams: Sequence[str], digits: int, sign: str = "") -> str:  # type: ignore[type-arg]
    found = mean_over_exams(values, exams)
    if found is None:
        return NOT_MEASURED
    mean, low, high = (f"{value:{sign}.{digits}f}" for value in found)
    return f"{mean} [{low}, {high}]"
