"""A model's own limits, trust and interval, which its manifest holds under ``quality``.

``python -m export quality`` derives them. Each limit is the most extreme value that good frames gave, with a margin.
``trust`` is a logistic function of the figures. The interval is conformal. It is wider if the outline is blurred, and
if the frame looks unlike those that it was measured on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_runtime.errors import ModelError
from edge_runtime.quality.look import FIGURES, KnownLook

Bounds = tuple[float | None, float | None]
"""Smallest and largest allowed value. None means no limit."""

REASONS = {
    "outside": "part of the head is outside the frame",
    "border_contact": "part of the head is outside the frame",
    "axis_ratio": "the outline is not shaped like a head",
    "ellipse_residual": "the outline is not shaped like a head",
    "skull": "no skull is visible along the outline",
    "skull_contrast": "no skull is visible along the outline",
    "core": "part of the head was not recognized",
    "sharpness": "the outline is not sharp",
    "softness": "the outline is not sharp",
    "unsure": "it is not clear where the head ends",
    "stray": "a large area outside the outline also looks like a head",
}
"""What to say if a figure breaks its limit or lowers the trust most. Figures are checked in this order."""

BLURRED = "the outline is blurred: the circumference is less certain than usual"
NOT_VALIDATED = "not validated on this scanner: the image looks unlike those that the interval was measured on"

EVEN_TRUST = 0.5
"""Trust from which a right measurement is more likely than not."""

TRUST_WITHIN_MM = 5.0
"""``trust`` is the probability that a head is measured to within so many mm."""


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
        known: The look of the images that the interval was measured on.
        unlike: Factor on the interval of a frame that looks unlike these, at least 1.
    """

    bounds: Mapping[str, Bounds]
    weights: Mapping[str, tuple[float, float, float]]
    bias: float
    least_trust: float
    error_mm: tuple[float, float, float]
    caution_mm: float
    interval: tuple[float, float]
    known: KnownLook
    unlike: float

    def violation(self, figures: Mapping[str, float]) -> str | None:
        """Why the figures are outside the bounds. None if they are within."""
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

    def refusal(self, figures: Mapping[str, float]) -> str | None:
        """Why a frame with these figures is refused: a figure is outside its bounds, or trust is too low. Else None."""
        broken = self.violation(figures)
        if broken is not None:
            return broken
        trust = self.trust(figures)
        if trust >= self.least_trust:
            return None
        worst = min(self.weights, key=lambda name: self._part(name, figures))
        return f"{REASONS[worst]} (trust {trust:.2f}, at least {self.least_trust:.2f} is needed)"

    def _part(self, name: str, figures: Mapping[str, float]) -> float:
        """What a figure adds to the logit of the trust."""
        centre, scale, weight = self.weights[name]
        return weight * (figures[name] - centre) / scale

    def trust(self, figures: Mapping[str, float]) -> float:
        """Probability that a head is measured to within :data:`TRUST_WITHIN_MM`, 0 to 1."""
        total = self.bias + sum(self._part(name, figures) for name in self.weights)
        return 1 / (1 + math.exp(-min(max(total, -50.0), 50.0)))

    def expected_error_mm(self, blur_mm: float) -> float:
        """Expected |error| of a circumference in mm, for an outline with this much blur in mm."""
        start, slope, least = self.error_mm
        return max(start + slope * blur_mm, least)

    def interval_mm(self, hc_mm: float, blur_mm: float, unlike: bool) -> tuple[float, float]:
        """The interval beside a circumference, in mm.

        Args:
            hc_mm: The circumference.
            blur_mm: The blur of the outline.
            unlike: Whether the frame looks unlike those that the interval was measured on.
        """
        error = self.expected_error_mm(blur_mm) * (self.unlike if unlike else 1.0)
        return max(0.0, hc_mm + self.interval[0] * error), hc_mm + self.interval[1] * error

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
            "known": {
                "centre": list(self.known.centre),
                "whitening": [list(row) for row in self.known.whitening],
                "most": self.known.most,
            },
            "unlike": self.unlike,
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
            {str(name): _bounds(*pair) for name, pair in values["bounds"].items()},
            {str(n): (_number(c), _number(s), _number(w)) for n, (c, s, w) in values["weights"].items()},
            _number(values["bias"]),
            _number(values["least_trust"]),
            (_number(values["error_mm"][0]), _number(values["error_mm"][1]), _number(values["error_mm"][2])),
            _number(values["caution_mm"]),
            (_number(values["interval"][0]), _number(values["interval"][1])),
            _known_look(values["known"]),
            _number(values["unlike"]),
        )
        unknown = {*limits.bounds, *limits.weights} - set(REASONS)
        if unknown or any(scale <= 0 for _, scale, _ in limits.weights.values()) or limits.error_mm[2] <= 0:
            raise ValueError(f"there are unknown figures {sorted(unknown)}, or a scale or an error is not above 0")
        if limits.least_trust > 0 and not limits.weights:
            raise ValueError("there is a least trust without a weight")
        if limits.unlike < 1:
            raise ValueError(f"'unlike' is {limits.unlike}; it must be at least 1")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError(
            f"The manifest's quality section cannot be used: {error!r}. Copy the model and its manifest again, or make "
            "the section anew with: python -m export quality"
        ) from error
    return limits


def _known_look(values: Mapping[str, Any]) -> KnownLook:
    centre = tuple(_number(v) for v in values["centre"])
    whitening = tuple(tuple(_number(v) for v in row) for row in values["whitening"])
    if len(centre) != len(FIGURES) or [len(row) for row in whitening] != [len(FIGURES)] * len(FIGURES):
        raise ValueError(f"'known' must have {len(FIGURES)} figures")
    return KnownLook(centre, whitening, _number(values["most"]))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)


def _bounds(low: object, high: object) -> Bounds:
    return None if low is None else _number(low), None if high is None else _number(high)
