"""Derive a model's own limits, trust, interval and known look from good and bad frames.

- Bounds: the most extreme values of good frames that were measured rightly, plus a margin.
- Doubt: how far several figures are, together, from those of good frames. Bad frames have no part in it: nobody knows
  all the ways in which a frame can be bad. Few good frames may be refused, which gives the largest doubt.
- Trust: a logistic function of doubt, the probability that a head is there and is measured to within 5 mm. It is fitted
  to real images, other looks of them, frames from elsewhere and generated bad frames.
- Interval: order statistics of the errors of the validation part. Each error is divided by the error to be expected
  from the blur of the outline. This is a normalized conformal interval.
- Known look: mean and covariance of the real images' looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import UsageError
from edge_runtime.quality.limits import LEAST_SPREAD, MORE_IS_BETTER, TRUST_WITHIN_MM, Bounds, Limits, bad_side
from edge_runtime.quality.look import KnownLook
from export.quality.cases import REAL, Examined, is_shown, looks_unlike

LESS_IS_BETTER = ("softness", "unsure", "stray", "outside", "ellipse_residual", "border_contact")

DOUBTED = ("sharpness", "core", "softness", "unsure", "skull", "skull_contrast", "ellipse_residual")
"""Figures that differ between right and wrong measurements little by little: they are judged together."""

BOUNDED = ("axis_ratio", "outside", "border_contact", "stray")
"""Figures that are judged alone: beyond a bound, nothing else makes up for them."""

TAIL = 0.99
"""Quantile of a figure, on its bad side, that gives its spread."""

RIGHT_MM = 10.0
"""A frame whose circumference is off by more does not widen the limits."""

MARGIN = 0.1
"""Share of the distance from the median to the most extreme good value: some thousand frames miss the true extreme."""

RIDGE = 3.0
"""Penalty on the squared weights."""

REFUSED_KNOWN, REFUSED_UNKNOWN = 0.008, 0.08
"""Shares of real images and of heads of unknown look that are measured rightly and that doubt may refuse."""

SHRINK = 0.5
"""Factor on the slope of the expected error over blur. The fit uses training images, so it is only half trusted."""

COVERAGE = 0.935
"""Share of further images whose true circumference should lie in the interval: between 90 and 97 %."""

KNOWN_SHARE = 0.99
"""Share of the real images whose look counts as known."""

CAUTION_SHARE = 0.05
LEAST_IMAGES = 20
"""Minimum number of real images to measure an interval on. With 19, the two extremes enclose a further image with a
probability of 90 %; with fewer, nothing does."""

MORE = "Put more images into it with the list splits/val.txt in the folder of the data, and train and export anew."
"""What to do if the validation part has too few."""


def derive(train: Sequence[Examined], validation: Sequence[Examined], others: Sequence[Examined]) -> Limits:
    """Derive the limits of an artifact.

    Args:
        train: Good and bad frames of the training part.
        validation: Good and bad frames of the validation part.
        others: Frames from elsewhere.

    Raises:
        UsageError: There are too few real images that can be measured.
    """
    shown = [c for c in validation if c.kind == REAL and c.figures is not None]
    if len(shown) < LEAST_IMAGES:
        raise UsageError(
            f"The validation part has {len(shown)} images that can be measured; an interval needs {LEAST_IMAGES}. "
            f"{MORE}"
        )
    every = [*train, *validation, *others]
    known = known_look([c for c in (*train, *validation) if c.kind == REAL])
    error = fit_error([c for c in train if c.kind == REAL and c.figures is not None])
    limits = Limits(
        bounds_of(every), usual_of(every), (math.inf, math.inf), (0.0, 0.0), error, math.inf, (0.0, 0.0), known, 1.0
    )
    real = [c for c in (*train, *validation) if c.kind == REAL]
    looks = [c for c in (*validation, *others) if c.good and c.kind != REAL]
    limits = replace(
        limits, most_doubt=most_doubt(real, looks, limits), trust_line=fit_trust(within(every, limits), limits)
    )
    expected = np.array([limits.expected_error_mm(c.blur_mm) for c in shown])
    limits = replace(
        limits,
        caution_mm=float(np.quantile(expected, 1 - CAUTION_SHARE)),
        interval=prediction_interval(scores_of(shown, limits), COVERAGE),
    )
    return replace(limits, unlike=unlike_factor(limits, [c for c in validation if c.good]))


def bounds_of(cases: Sequence[Examined]) -> dict[str, Bounds]:
    """Bound of each figure in :data:`BOUNDED`: the most extreme value of a rightly measured frame plus the margin."""
    good = [c for c in cases if c.figures is not None and c.is_right(RIGHT_MM)]
    bounds: dict[str, Bounds] = {}
    for name in BOUNDED:
        values = np.array([c.figures[name] for c in good if c.figures is not None])
        worst = values.min() if name in MORE_IS_BETTER else values.max()
        limit = float(worst + MARGIN * (worst - np.median(values)))
        bounds[name] = (limit, None) if name in MORE_IS_BETTER else (None, limit)
    return bounds


def usual_of(cases: Sequence[Examined]) -> dict[str, tuple[float, float]]:
    """Median and spread of each figure in :data:`DOUBTED`, over rightly measured heads.

    The spread is a standard deviation of the bad side: the distance from the median to the quantile :data:`TAIL` there,
    divided by that of a normal distribution. It is negative where less is worse.
    """
    good = [c for c in cases if c.figures is not None and c.is_right(RIGHT_MM)]
    usual = {}
    for name in DOUBTED:
        values = np.array([c.figures[name] for c in good if c.figures is not None])
        side, median = bad_side(name), float(np.median(values))
        tail = float(np.quantile(values, TAIL if side > 0 else 1 - TAIL))
        usual[name] = median, side * max(side * (tail - median) / NormalDist().inv_cdf(TAIL), LEAST_SPREAD)
    return usual


def within(cases: Sequence[Examined], limits: Limits) -> list[Examined]:
    """The frames that are within the wide limits and the bounds of ``limits``."""
    return [c for c in cases if c.figures is not None and limits.violation(c.figures) is None]


def fit_trust(cases: Sequence[Examined], limits: Limits) -> tuple[float, float]:
    """Logistic regression of right measurements over doubt: its value without doubt, and its slope, at most 0.

    Args:
        cases: Frames within the bounds.
        limits: Their medians and spreads are used.
    """
    doubt = np.array([limits.doubt(c.figures) for c in cases if c.figures is not None])
    right = np.array([c.is_right(TRUST_WITHIN_MM) for c in cases], dtype=np.float64)
    slope, start = _logistic(doubt[:, None], right).tolist()
    return start, min(0.0, slope)


def _logistic(values: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit by Newton's method. The last weight is the bias, which is hardly penalized."""
    design = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    penalty = np.diag([RIDGE] * values.shape[1] + [1e-6])
    weights = np.zeros(design.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (p - wanted) + penalty @ weights
        step = np.linalg.solve((design.T * (p * (1 - p) + 1e-9)) @ design + penalty, gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def most_doubt(real: Sequence[Examined], others: Sequence[Examined], limits: Limits) -> tuple[float, float]:
    """The largest doubt that is shown, for frames of known and of unknown look.

    Args:
        real: Real images.
        others: Other heads: other looks of them, and heads from elsewhere. Those of unknown look are used.
        limits: Their bounds, medians and spreads are used.
    """
    most = []
    unlike = [c for c in others if looks_unlike(c, limits)]
    for cases, share in ((real, REFUSED_KNOWN), (unlike, REFUSED_UNKNOWN)):
        of = [c for c in within(cases, limits) if c.is_right(RIGHT_MM)]
        doubts = [limits.doubt(c.figures) for c in of if c.figures is not None]
        most.append(float(np.quantile(doubts, 1 - share)) if doubts else math.inf)
    return most[0], min(most)


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


def scores_of(cases: Sequence[Examined], limits: Limits) -> NDArray[np.float64]:
    """True minus measured circumference of each frame, over its expected error."""
    return np.array([-c.error_mm / limits.expected_error_mm(c.blur_mm) for c in cases])


def prediction_interval(scores: NDArray[np.float64], coverage: float) -> tuple[float, float]:
    """Two order statistics that enclose a further score with this probability (split conformal prediction).

    r of the n + 1 gaps between n scores hold a further score with the probability r / (n + 1), for any distribution
    (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005). The interval is asymmetric if the
    scores are.

    Args:
        scores: (n,).
        coverage: Above 0, below 1.
    """
    ordered = np.sort(scores)
    left_out = max(2, math.floor((1 - coverage) * (len(ordered) + 1)))
    below = left_out // 2
    return float(ordered[below - 1]), float(ordered[-(left_out - below)])


def known_look(real: Sequence[Examined]) -> KnownLook:
    """The look of real images: mean, whitening by the Cholesky factor of the covariance, and the largest distance."""
    looks = np.array([c.look for c in real if c.look is not None])
    whitening = np.linalg.inv(np.linalg.cholesky(np.cov(looks.T)))
    known = KnownLook(tuple(looks.mean(axis=0).tolist()), tuple(map(tuple, whitening.tolist())), math.inf)
    return replace(known, most=float(np.quantile([known.distance(look) for look in looks], KNOWN_SHARE)))


def unlike_factor(limits: Limits, good: Sequence[Examined]) -> float:
    """Factor on the interval that holds the same share of frames of unknown look as of known look, at least 1."""
    far = [c for c in good if is_shown(c, limits) and looks_unlike(c, limits) and not np.isnan(c.error_mm)]
    if not far:
        return 1.0
    low, high = limits.interval
    needed = [score / (high if score > 0 else low) for score in scores_of(far, limits)]
    return max(1.0, float(np.quantile(needed, COVERAGE)))
