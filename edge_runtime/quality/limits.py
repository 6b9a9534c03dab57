"""What is known of one model's trustworthiness, from its manifest: limits of its figures, trust, and the interval.

``python -m export quality`` makes it. Each limit is the most extreme value that good frames gave, with a margin;
``trust`` is one logistic function of the figures; the interval is conformal, wider where the outline is blurred.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_runtime.errors import ModelError

Bounds = tuple[float | None, float | None]
"""Least and most that is allowed."""

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
    "axis_ratio": "the outline is not a head's ellipse",
    "ellipse_residual": "the outline is not a head's ellipse",
    "skull": "no skull is seen along the outline",
    "skull_contrast": "no skull is seen along the outline",
    "core": "part of the head is not recognized as one",
    "inner": "the outline is not sharp",
    "outer": "the outline is not sharp",
    "sharpness": "the outline is not sharp",
    "softness": "the outline is not sharp",
    "unsure": "much of the image could be head or not",
    "stray": "much beyond the outline looks like a head, too",
}
"""What to tell a sonographer where a figure breaks its limit, in the order they are tried."""

_RETIRED = {"agreement"}
"""Figures that earlier manifests have limits for and that are no longer taken: of a second look at the mirrored frame,
which refused nothing that was not refused without it."""

UNLIKE = "this does not look like a fetal head"
BLURRED = "the outline is blurred: the circumference is less certain than usual"
UNUSUAL = "the frame is unlike most that the model knows: check the outline"
EVEN_TRUST = 0.5
"""Trust at which a frame looks as much like the bad ones as like the good ones it was fitted to."""


@dataclass(frozen=True)
class Limits:
    """Limits, trust and interval of one model.

    Attributes:
        bounds: Least and most of a figure, by its name, a key of :data:`REASONS`.
        weights: (centre, scale, weight) of a figure in ``trust``, by its name.
        bias: Of the logistic function.
        least_trust: Below it a frame is refused, 0 to 1.
        error_mm: (at no blur, a mm of blur, least) of the expected |error| in mm.
        caution_mm: Expected |error| above which a result is marked.
        interval: (below, above): how far the true circumference lies from the measured one, in expected |errors|.
    """

    bounds: Mapping[str, Bounds]
    weights: Mapping[str, tuple[float, float, float]]
    bias: float
    least_trust: float
    error_mm: tuple[float, float, float]
    caution_mm: float
    interval: tuple[float, float]

    def violation(self, figures: Mapping[str, float]) -> str | None:
        """Why figures are refused, or None."""
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
        """How like those of good frames figures are, 0 to 1."""
        total = self.bias + sum(w * (figures[name] - c) / s for name, (c, s, w) in self.weights.items())
        return 1 / (1 + math.exp(-min(max(total, -50.0), 50.0)))

    def expected_error_mm(self, blur_mm: float) -> float:
        """Expected |error| of a circumference whose outline's blur makes this much of it, in mm."""
        start, slope, least = self.error_mm
        return max(start + slope * blur_mm, least)

    def to_json(self) -> dict[str, Any]:
        """As a plain dictionary, ready for JSON."""
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
    """The limits in a manifest's ``quality``.

    Returns:
        None where the manifest has none: the wide limits of :mod:`edge_runtime.quality.verdict` hold alone.

    Raises:
        ModelError: Something is missing, unknown or no finite number.
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
            raise ValueError(f"unknown figures {sorted(unknown)}, or a scale or an error that is not above 0")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError(
            f"The manifest's quality section cannot be used: {error!r}. Copy the model and its manifest again, or make "
            "the section with: python -m export quality"
        ) from error
    return limits


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def _bounds(low: object, high: object) -> Bounds:
    return None if low is None else _number(low), None if high is None else _number(high)
