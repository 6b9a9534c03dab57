"""Calibrate an artifact for one's own scanner: the interval and the known look, from some measured images of it.

The limits and the trust stay: thirty images say how large the error is, not how wrong measurements look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_runtime.errors import UsageError
from edge_runtime.quality.limits import Limits
from edge_runtime.quality.look import KnownLook
from export.quality.cases import Examined, is_shown, looks_unlike
from export.quality.derive_limits import LEAST_IMAGES, prediction_interval, scores_of

COVERAGE = 0.9
"""Share of further images of this scanner whose true circumference should lie in the interval."""

PRIOR_IMAGES = 30
"""How many images the earlier look counts for in the covariance: 7 figures need more than a scanner's 30 images."""

MORE_THAN_SEEN = 1.2
"""Factor from the largest distance among the images to the largest that counts as known."""


@dataclass(frozen=True)
class Calibration:
    """A calibration for one scanner.

    Attributes:
        limits: The limits with this scanner's interval and look.
        n_images: Images.
        n_refused: Images that the limits refuse, also where their look is known.
        n_unlike: Images that looked unlike the earlier known look.
        bias_mm: Mean of the measured minus the true circumference, over images that are shown, in mm.
        n_inside_before: Images whose true circumference lies in the earlier interval.
    """

    limits: Limits
    n_images: int
    n_refused: int
    n_unlike: int
    bias_mm: float
    n_inside_before: int


def calibrate(limits: Limits, images: Sequence[Examined]) -> Calibration:
    """Calibrate limits for the scanner that some images come from.

    Args:
        limits: The artifact's.
        images: Measured images of the scanner, unchanged.

    Raises:
        UsageError: There are too few that the limits do not refuse.
    """
    candidates = [c for c in images if is_shown(c, replace(limits, known=replace(limits.known, most=math.inf)))]
    if len(candidates) < LEAST_IMAGES:
        raise UsageError(
            f"{len(candidates)} of {len(images)} images are shown with this artifact's limits; an interval needs "
            f"{LEAST_IMAGES}. Add images of this scanner. If most are refused, the network does not suit it: train it "
            "with frames of this scanner (--others)."
        )
    looks = np.array([c.look for c in candidates if c.look is not None])
    unlike = [looks_unlike(c, limits) for c in candidates]
    held = 0
    for case, far in zip(candidates, unlike, strict=True):
        low, high = limits.interval_mm(case.hc_mm or 0.0, case.blur_mm, far)
        held += low <= case.true_hc_mm <= high
    # Their look is the known one from now on, so the runtime will show all of them.
    own = replace(
        limits,
        interval=prediction_interval(scores_of(candidates, limits), COVERAGE),
        known=_look(limits.known, looks),
    )
    bias = float(np.mean([c.error_mm for c in candidates]))
    return Calibration(own, len(images), len(images) - len(candidates), sum(unlike), bias, held)


def _look(before: KnownLook, looks: np.ndarray) -> KnownLook:  # type: ignore[type-arg]
    """The scanner's mean, and a covariance between its own and the earlier one's."""
    earlier = np.linalg.inv(np.array(before.whitening))
    covariance = (len(looks) * np.cov(looks.T) + PRIOR_IMAGES * earlier @ earlier.T) / (len(looks) + PRIOR_IMAGES)
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    known = KnownLook(tuple(looks.mean(axis=0).tolist()), tuple(map(tuple, whitening.tolist())), math.inf)
    return replace(known, most=MORE_THAN_SEEN * max(known.distance(look) for look in looks))
