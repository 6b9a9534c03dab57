"""Means over images, with intervals by bootstrap over exams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_runtime.metrics import BOOTSTRAP_SAMPLES

Interval = tuple[float, float, float]
"""Mean, and the ends of its 95 % interval."""


def mean_over_exams(values: np.ndarray[Any, np.dtype[np.float64]], exams: Sequence[str]) -> Interval | None:
    """Mean and 95 % interval; the bootstrap draws exams, because an exam's images are alike. None without values."""
    _, which = np.unique(exams, return_inverse=True)
    known = ~np.isnan(values)
    if not known.any():
        return None
    sums = np.bincount(which, np.where(known, values, 0.0))
    counts = np.bincount(which, known.astype(float))
    drawn = np.random.default_rng(0).integers(0, len(sums), (BOOTSTRAP_SAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / np.maximum(counts[drawn].sum(axis=1), 1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(sums.sum() / counts.sum()), float(low), float(high)
