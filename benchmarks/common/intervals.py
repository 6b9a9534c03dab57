"""Intervals of figures over rounds: what one round measures is one value, because frames of a round are alike."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
"""Two-sided 95 % points of Student's t for 1, 2, ... degrees of freedom."""

T95_MANY = 2.086
"""For more degrees of freedom than that: a little too wide, never too narrow."""


@final
@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval, in the value's unit.

    Attributes:
        value: The value.
        low: Lower end; None where one round cannot tell.
        high: Upper end; likewise.
    """

    value: float
    low: float | None
    high: float | None


def t95(freedom: float) -> float:
    """Student's t for a 95 % interval; fractions are rounded down, which widens the interval."""
    whole = max(1, int(freedom))
    return T95[whole - 1] if whole <= len(T95) else T95_MANY


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of rounds and its interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, None, None)
    half = t95(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def ratio_interval(before: Sequence[float], after: Sequence[float]) -> Interval:
    """The ratio of two figures, ``after / before``, and its interval, by Welch's t on logarithms.

    Args:
        before: One value for each round, above 0.
        after: The same of the other.
    """
    logs = [[math.log(value) for value in values] for values in (before, after)]
    difference = statistics.fmean(logs[1]) - statistics.fmean(logs[0])
    if min(len(before), len(after)) < 2:
        return Interval(math.exp(difference), None, None)
    parts = [statistics.variance(values) / len(values) for values in logs]
    total = sum(parts)
    if total == 0:
        return Interval(math.exp(difference), math.exp(difference), math.exp(difference))
    freedom = total**2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, logs, strict=True))
    half = t95(freedom) * math.sqrt(total)
    return Interval(math.exp(difference), math.exp(difference - half), math.exp(difference + half))


def spread(values: Sequence[float]) -> float:
    """How far rounds are apart: the largest over the smallest, minus 1."""
    return max(values) / min(values) - 1
