"""Derive a model's own limits, trust and interval from good and bad frames.

- Limits: the most extreme values of good frames of the training and validation parts, plus a margin.
- Trust: a logistic function, fitted to the good and bad frames of the training part that are within the limits. One in
  two hundred good frames of both parts is below its threshold.
- Interval: order statistics of the errors of the validation part. Each error is divided by the error to be expected
  from the blur of the outline. This is a normalized conformal interval, chosen so that it also covers further images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import UsageError
from edge_runtime.quality.limits import Bounds, Limits
from export.quality.cases import REAL, Examined

MORE_IS_BETTER = (
    "sharpness",
    "core",
    "inner",
    "skull",
    "skull_contrast",
    "fine_x",
    "fine_y",
    "fine",
    "black",
    "axis_ratio",
)
LESS_IS_BETTER = (
    "outer", "softness", "unsure", "stray", "outside", "tear", "seam_x", "seam_y", "seams", "flat_head",
    "ellipse_residual", "border_contact", "regions",
)  # fmt: skip

MARGIN = 0.1
"""Share of the distance from the median to the most extreme good value: some 1,800 frames miss the true extreme."""

TRUST_FIGURES = (
    "sharpness", "core", "inner", "outer", "softness", "unsure", "skull", "skull_contrast", "fine", "tear", "seam_x",
    "seam_y", "ellipse_residual",
)  # fmt: skip
"""Figures that still differ within the limits. The others only tell good from bad by exceeding the limits."""

RIDGE = 3.0
"""Penalty on the squared weights. With 0.3 or 30, what the validation part refuses changes by at most 0.3 %."""

REFUSED_SHARE = 0.005
"""Share of good frames that the threshold of trust refuses. It is a quarter of the allowed share."""

SHRINK = 0.5
"""Factor on the slope of the expected error over blur. The fit uses training images, so it is only half trusted."""

COVERAGE, CONFIDENCE, FURTHER = 0.9, 0.95, 69
"""With a probability of at least CONFIDENCE, the interval covers at least the share COVERAGE of FURTHER more images.

The test part has as many images.
"""

CAUTION_SHARE = 0.05
LEAST_IMAGES = 60
"""Minimum number of real images to calibrate an interval. With 59, not even the two extremes reach the confidence."""


def derive(train: Sequence[Examined], validation: Sequence[Examined]) -> Limits:
    """Derive the limits of an artifact.

    Args:
        train: Good and bad frames of the training part.
        validation: Good and bad frames of the validation part.

    Raises:
        UsageError: There are too few real images that can be measured.
    """
    shown = [c for c in validation if c.kind == REAL and c.figures is not None]
    if len(shown) < LEAST_IMAGES:
        raise UsageError(
            f"The validation part has {len(shown)} images that can be measured; an interval needs {LEAST_IMAGES}."
        )
    bounds = bounds_of([c for c in (*train, *validation) if c.good])
    error = fit_error([c for c in train if c.kind == REAL and c.figures is not None])
    limits = Limits(bounds, {}, 0.0, 0.0, error, math.inf, (0.0, 0.0))
    weights, bias = fit_trust(within(train, limits))
    limits = replace(limits, weights=weights, bias=bias)
    trusts = [limits.trust(c.figures) for c in within((*train, *validation), limits) if c.good and c.figures]
    expected = np.array([limits.expected_error_mm(c.blur_mm) for c in shown])
    low, high = prediction_interval(np.array([-c.error_mm for c in shown]) / expected)
    return replace(
        limits,
        least_trust=float(np.quantile(trusts, REFUSED_SHARE)),
        caution_mm=float(np.quantile(expected, 1 - CAUTION_SHARE)),
        interval=(low, high),
    )


def bounds_of(good: Sequence[Examined]) -> dict[str, Bounds]:
    """Limits of each figure: the most extreme good value plus the margin."""
    bounds: dict[str, Bounds] = {}
    for name in (*MORE_IS_BETTER, *LESS_IS_BETTER):
        values = np.array([c.figures[name] for c in good if c.figures is not None and name in c.figures])
        if not len(values):
            continue
        worst = values.min() if name in MORE_IS_BETTER else values.max()
        limit = float(worst + MARGIN * (worst - np.median(values)))
        bounds[name] = (limit, None) if name in MORE_IS_BETTER else (None, limit)
    return bounds


def within(cases: Sequence[Examined], limits: Limits) -> list[Examined]:
    """The frames that are within the wide limits and the bounds of ``limits``."""
    return [c for c in cases if c.figures is not None and limits.violation(c.figures) is None]


def fit_trust(cases: Sequence[Examined]) -> tuple[dict[str, tuple[float, float, float]], float]:
    """Logistic regression of good against bad frames, with equal total weights.

    A figure with a weight of the wrong sign is left out: its weight can only come from the way the bad frames were
    made.

    Returns:
        (centre, scale, weight) by figure, and the bias.
    """
    good = np.array([c.good for c in cases])
    names = list(TRUST_FIGURES)
    while True:
        values = np.array([[c.figures[n] for n in names] for c in cases if c.figures is not None])
        centre, scale = values.mean(axis=0), values.std(axis=0) + 1e-9
        n_good = int(good.sum())
        each = np.where(good, 0.5 / max(1, n_good), 0.5 / max(1, len(good) - n_good))
        share = np.asarray(len(good) * each, dtype=np.float64)
        weights = _logistic((values - centre) / scale, good.astype(np.float64), share)
        wrong = [w if n in LESS_IS_BETTER else -w for n, w in zip(names, weights[:-1], strict=True)]
        if max(wrong) <= 0:
            break
        names.pop(int(np.argmax(wrong)))
    triples = zip(centre.tolist(), scale.tolist(), weights[:-1].tolist(), strict=True)
    return dict(zip(names, triples, strict=True)), float(weights[-1])


def _logistic(
    values: NDArray[np.float64], wanted: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fit by Newton's method. The last weight is the bias, which is hardly penalized."""
    design = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    penalty = np.diag([RIDGE] * values.shape[1] + [1e-6])
    weights = np.zeros(design.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (share * (p - wanted)) + penalty @ weights
        step = np.linalg.solve((design.T * (share * p * (1 - p) + 1e-9)) @ design + penalty, gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def fit_error(real: Sequence[Examined]) -> tuple[float, float, float]:
    """Fit the expected absolute error as a line over blur, both in mm, with half the slope of the regression.

    Returns:
        The error without blur in mm, the slope, and the minimum error in mm.
    """
    blur, error = np.array([c.blur_mm for c in real]), np.array([abs(c.error_mm) for c in real])
    slope = float(np.cov(blur, error)[0, 1] / np.var(blur, ddof=1)) if np.var(blur) > 0 else 0.0
    slope = max(0.0, SHRINK * slope)
    mean = float(error.mean())
    return mean - slope * float(blur.mean()), slope, 0.25 * mean


def prediction_interval(scores: NDArray[np.float64], further: int = FURTHER) -> tuple[float, float]:
    """Two order statistics that enclose at least 90 % of further scores, with a probability of at least 95 %.

    Given n scores and two order statistics that are r ranks apart, exactly j of m further scores lie between them with
    the probability C(r + j - 1, j) C(n - r + m - j, m - j) / C(n + m, m), for any distribution of the scores (Fligner
    and Wolfe, "Some applications of sample analogues to the probability integral transformation", 1976). The interval
    is asymmetric if the scores are.

    Args:
        scores: (n,).
        further: m.
    """
    ordered = np.sort(scores)
    count = len(ordered)
    fewest = math.ceil(COVERAGE * further)

    def confidence(left_out: int) -> float:
        ranks = count + 1 - left_out
        ways = (
            math.comb(ranks + j - 1, j) * math.comb(count - ranks + further - j, further - j)
            for j in range(fewest, further + 1)
        )
        return sum(ways) / math.comb(count + further, further)

    left_out = 2
    while left_out < count and confidence(left_out + 1) >= CONFIDENCE:
        left_out += 1
    below = left_out // 2
    return float(ordered[below - 1]), float(ordered[-(left_out - below)])
