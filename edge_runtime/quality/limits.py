"""A model's own limits, trust and interval, which its manifest holds under ``quality``.

``python -m export quality`` derives them. Each limit is the most extreme value that good frames gave, with a margin.
``trust`` is a logistic function of the figures. The interval is conformal, and wider if the outline is blurred.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_runtime.errors import ModelError

Bounds = tuple[float | None, float | None]
"""Smallest and largest allowed value. None means no limit."""

REASONS = {
    "fine": "the image is blurred or smeared by motion",
    "fine_x": "the image is blurred or smeared by motion",
    "fine_y": "the image is blurred or smeared by motion",
    "black": "this does not look like an ultrasound image",
    "outside": "part of the head is outside the frame",
    "border_contact": "part of the head is outside the frame",
    "regions": "more than one region looks like a head",
    "tear": "the image is torn or covered: a straight edge runs through the head",
    "seam_x": "the image is torn or covered: a straight edge runs through the head",
    "seam_y": "the image is torn or covered: a straight edge runs through the head",
    "seams": "the image is torn or covered: straight edges run through it",
    "flat_head": "part of the head is covered or black",
    "axis_ratio": "the outline is not shaped like a head",
    "ellipse_residual": "the outline is not shaped like a head",
    "skull": "no skull is visible along the outline",
    "skull_contrast": "no skull is visible along the outline",
    "core": "part of the head was not recognized",
    "inner": "the outline is not sharp",
    "outer": "the outline is not sharp",
    "sharpness": "the outline is not sharp",
    "softness": "the outline is not sharp",
    "unsure": "it is not clear where the head ends",
    "stray": "a large area outside the outline also looks like a head",
}
"""What to tell a sonographer if a figure breaks its limit. Figures are checked in this order."""

_RETIRED = {"agreement"}
"""Figures that earlier manifests have limits for and that are no longer computed. ``agreement`` compared the results of
a frame and its mirror image. It refused no frame that was not refused without it."""

UNLIKE = "this does not look like a fetal head"
BLURRED = "the outline is blurred: the circumference is less certain than usual"
UNUSUAL = "this image is unusual for the model: check the outline"
EVEN_TRUST = 0.5
"""Trust of a frame that resembles bad frames as much as good ones."""


@dataclass(frozen=True)
class Limits:
    """Limits, trust and interval of one model.

    Attributes:
        bounds: Smallest and largest allowed value of each figure, by its name in :data:`REASONS`.
        weights: (centre, scale, weight) of each figure in ``trust``, by its name.
        bias: Constant term of the logistic function.
        least_trust: Minimum trust, 0 to 1. A frame below it is refused.
        error_mm: (value without blur, slope per mm of blur, minimum) of the expected |error|, in mm.
        caution_mm: Expected |error| in mm above which a result gets a caution.
        interval: (below, above): bounds of the true minus the measured circumference, in units of the expected |error|.
    """

    bounds: Mapping[str, Bounds]
    weights: Mapping[str, tuple[float, float, float]]
    bias: float
    least_trust: float
    error_mm: tuple[float, float, float]
    caution_mm: float
    interval: tuple[float, float]

    def violation(self, figures: Mapping[str, float]) -> str | None:
        """Why the figures are refused. None if they are within the limits."""
        for name, text in REASONS.items():
            low, high = self.bounds.get(name, (None, None))
            value = figures.get(name)
            if value is None:
                continue
            if low is not None and not value >= low:
                return f"{text} ({name} {value:.2f}, at least {low:.2f} is needed)"
            if high is not None and not value <= high:
                return f"{text} ({name} {value:.2f}, at most {high:.2f} is allowed)"
        return None

    def trust(self, figures: Mapping[str, float]) -> float:
        """How much the figures resemble those of good frames, 0 to 1."""
        total = self.bias + sum(w * (figures[name] - c) / s for name, (c, s, w) in self.weights.items())
        return 1 / (1 + math.exp(-min(max(total, -50.0), 50.0)))

    def expected_error_mm(self, blur_mm: float) -> float:
        """Expected |error| of a circumference in mm, for an outline with this much blur in mm."""
        start, slope, least = self.error_mm
        return max(start + slope * blur_mm, least)

    def to_json(self) -> dict[str, Any]:
        """Convert to a plain dictionary, ready for JSON."""
        return {
            "bounds": {name: list(pair) for name, pair in self.bounds.items()},
            "weights": {name: list(triple) for name, triple in self.weights.items()},
            "bias": self.bias,
            "least_trust": self.least_trust,
            "error_mm": list(self.error_mm),
            "caution_mm": self.caution_mm,
            "interval": list(self.interval),
        }


def read_limits(quality: Mapping[str, Any]) -> Limits | None:
    """Read the limits in a manifest's ``quality``.

    Returns:
        None if the manifest has none. Then only the wide limits of :mod:`edge_runtime.quality.verdict` apply.

    Raises:
        ModelError: Something is missing, unknown or not a finite number.
    """
    if not quality:
        return None
    try:
        values = quality["limits"]
        limits = Limits(
            {str(name): _bounds(*pair) for name, pair in values["bounds"].items() if name not in _RETIRED},
            {str(n): (_number(c), _number(s), _number(w)) for n, (c, s, w) in values["weights"].items()},
            _number(values["bias"]),
            _number(values["least_trust"]),
            (_number(values["error_mm"][0]), _number(values["error_mm"][1]), _number(values["error_mm"][2])),
            _number(values["caution_mm"]),
            (_number(values["interval"][0]), _number(values["interval"][1])),
        )
        unknown = {*limits.bounds, *limits.weights} - set(REASONS)
        if unknown or any(scale <= 0 for _, scale, _ in limits.weights.values()) or limits.error_mm[2] <= 0:
            raise ValueError(f"there are unknown figures {sorted(unknown)}, or a scale or an error is not above 0")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError(
            f"The manifest's quality section cannot be used: {error!r}. Copy the model and its manifest again, or make "
            "the section anew with: python -m export quality"
        ) from error
    return limits


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)


def _bounds(low: object, high: object) -> Bounds:
    return None if low is None else _number(low), None if high is None else _number(high)
