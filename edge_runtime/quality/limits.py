"""A model's own limits, trust and interval, which its manifest holds under ``quality``.

``python -m export quality`` derives them. Each bound is the most extreme value that good frames gave, with a margin.
Doubt says how far all figures together are from those of good frames, on the bad side: a single figure may be within
its bound where several at once are not usual. ``trust`` falls with doubt. The interval is conformal. It is wider if the
outline is blurred, and if the frame looks unlike those that it was measured on.
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
"""What to say if a figure breaks its bound or is the most doubtful. Figures are checked in this order."""

MORE_IS_BETTER = ("sharpness", "core", "skull", "skull_contrast", "axis_ratio")
"""Figures whose bad side is the lower one. That of all others is the upper one."""

LEAST_SPREAD = 1e-9
"""Smallest distance that a spread can be, on the bad side. A figure that never varied gets it."""

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
        usual: (median, spread) of each figure in the doubt, by its name, over rightly measured heads. The spread is
            that of the bad side, and negative where less is worse.
        most_doubt: Maximum doubt of a frame of known and of unknown look. A frame above it is refused.
        trust_line: (without doubt, slope) of the logit of ``trust`` over doubt.
        error_mm: (value without blur, slope per mm of blur, minimum) of the expected |error|, in mm.
        caution_mm: Expected |error| in mm above which a result gets a caution.
        interval: (below, above): bounds of the true minus the measured circumference, in units of the expected |error|.
        known: The look of the images that the interval was measured on.
        unlike: Factor on the interval of a frame that looks unlike these, at least 1.
    """

    bounds: Mapping[str, Bounds]
    usual: Mapping[str, tuple[float, float]]
    most_doubt: tuple[float, float]
    trust_line: tuple[float, float]
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

    def refusal(self, figures: Mapping[str, float], unlike: bool) -> str | None:
        """Why a frame with these figures is refused: a figure is outside its bounds, or there is too much doubt.

        Args:
            figures: The frame's.
            unlike: Whether it looks unlike the frames that the interval was measured on.

        Returns:
            None if it is not refused.
        """
        broken = self.violation(figures)
        if broken is not None:
            return broken
        doubt, most = self.doubt(figures), self.most_doubt[unlike]
        if doubt <= most:
            return None
        worst = max(self.usual, key=lambda name: self._excess(name, figures))
        where = " for a look that was not validated" if unlike else ""
        return f"{REASONS[worst]} (doubt {doubt:.2f}, at most {most:.2f} is allowed{where})"

    def _excess(self, name: str, figures: Mapping[str, float]) -> float:
        """How far a figure is from its median, on the bad side, in spreads; not below 0. NaN stays: it is refused."""
        median, spread = self.usual[name]
        over = (figures[name] - median) / spread
        return 0.0 if over < 0 else over

    def doubt(self, figures: Mapping[str, float]) -> float:
        """The root mean square of how far the figures are on the bad side, in spreads; 0 or more."""
        excess = [self._excess(name, figures) for name in self.usual]
        return math.sqrt(sum(one * one for one in excess) / max(1, len(excess)))

    def trust(self, figures: Mapping[str, float]) -> float:
        """Probability that a head is measured to within :data:`TRUST_WITHIN_MM`, 0 to 1."""
        start, slope = self.trust_line
        total = start + slope * self.doubt(figures)
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
            "usual": {name: list(pair) for name, pair in self.usual.items()},
            "most_doubt": list(self.most_doubt),
            "trust_line": list(self.trust_line),
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
            {str(name): (_number(median), _number(spread)) for name, (median, spread) in values["usual"].items()},
            (_number(values["most_doubt"][0]), _number(values["most_doubt"][1])),
            (_number(values["trust_line"][0]), _number(values["trust_line"][1])),
            (_number(values["error_mm"][0]), _number(values["error_mm"][1]), _number(values["error_mm"][2])),
            _number(values["caution_mm"]),
            (_number(values["interval"][0]), _number(values["interval"][1])),
            _known_look(values["known"]),
            _number(values["unlike"]),
        )
        unknown = {*limits.bounds, *limits.usual} - set(REASONS)
        if unknown or limits.error_mm[2] <= 0:
            raise ValueError(f"there are unknown figures {sorted(unknown)}, or an error is not above 0")
        turned = [name for name, (_, spread) in limits.usual.items() if not spread * bad_side(name) >= LEAST_SPREAD]
        if turned or not limits.usual:
            raise ValueError(f"'usual' is empty, or a spread is too small or has the wrong sign: {turned}")
        if not 0 <= limits.most_doubt[1] <= limits.most_doubt[0]:
            raise ValueError(f"'most_doubt' is {limits.most_doubt}: the second must be 0 to the first")
        if limits.trust_line[1] > 0:
            raise ValueError("trust would rise with doubt")
        if limits.unlike < 1:
            raise ValueError(f"'unlike' is {limits.unlike}; it must be at least 1")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError(
            f"The manifest's quality section cannot be used: {error!r}. Copy the model and its manifest again, or make "
            "the section anew with: python -m export quality"
        ) from error
    return limits


def bad_side(name: str) -> int:
    """1 if more of a figure is worse, -1 if less is."""
    return -1 if name in MORE_IS_BETTER else 1


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
