"""Looks of other settings of a scanner's brightness: gain, gamma, the curve from echoes to greys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.frames.no_frames import Random
from train.frames.view import Look, Make, View, recoded

_LEAST_BRIGHT = 50
"""Minimum grey of the brightest hundredth of a darkened frame: the skull is among it."""

_MOST_WHITE = 0.15
"""Maximum share of a brightened frame that is white."""


def _ranks(view: View, *shares: float) -> list[float]:
    """The greys, 0 to 1, below which shares of the pixels lie."""
    below = np.cumsum(np.bincount(view.frame.ravel(), minlength=256)) / view.frame.size
    return [max(1, int(np.searchsorted(below, share))) / 255 for share in shares]


def gain(factor: float) -> Make:
    """Multiply the greys; by less where the frame would be almost black or white."""

    def make(view: View, rng: Random) -> View:
        white, bright = _ranks(view, 1 - _MOST_WHITE, 0.99)
        low, high = min(1.0, _LEAST_BRIGHT / 255 / bright), max(1.0, 1 / white)
        used = float(np.clip(factor, low, high))
        return recoded(view, lambda grey: used * grey)

    return make


def gamma(exponent: float) -> Make:
    """Raise the greys to a power: below 1 brightens the dark ones; by less where the frame would be almost black."""

    def make(view: View, rng: Random) -> View:
        (bright,) = _ranks(view, 0.97)  # a power parts the bright from the less bright, so more must stay visible
        most = np.log(_LEAST_BRIGHT / 255) / min(np.log(bright), -1e-6)
        return recoded(view, lambda grey: grey ** min(exponent, max(1.0, float(most))))

    return make


def less_contrast(view: View, rng: Random) -> View:
    """Halve the distance of the greys from their mean."""
    mean = float(view.frame.mean()) / 255
    share = rng.uniform(0.45, 0.6)
    return recoded(view, lambda grey: mean + share * (grey - mean))


def more_contrast(view: View, rng: Random) -> View:
    """Darken the dark greys and brighten the bright ones, about a middle that follows the frame."""
    middle = float(np.clip(view.frame[view.frame > 0].mean() / 255 if view.frame.any() else 0.3, 0.15, 0.5))
    steepness = rng.uniform(7, 11)

    def curve(grey: NDArray[np.float64]) -> NDArray[np.float64]:
        low, high = (1 / (1 + np.exp(-steepness * (v - middle))) for v in (0.0, 1.0))
        return np.asarray((1 / (1 + np.exp(-steepness * (grey - middle))) - low) / (high - low))

    return recoded(view, curve)


def log_compressed(view: View, rng: Random) -> View:
    """Compress the range once more, as a scanner with a wide dynamic range does."""
    strength = rng.uniform(5, 12)
    return recoded(view, lambda grey: np.log1p(strength * grey) / np.log1p(strength))


def stretched(view: View, rng: Random) -> View:
    """Stretch the greys until a few per cent are black and white."""
    low, high = np.percentile(view.frame, [rng.uniform(5, 20), rng.uniform(97, 99.5)]) / 255
    return recoded(view, lambda grey: (grey - low) / max(float(high - low), 0.05))


BRIGHTNESS: dict[str, Look] = {
    **{f"gain-{factor:g}": Look("brightness", gain(factor)) for factor in (0.25, 0.5, 1.5, 2, 3)},
    **{f"gamma-{exponent:g}": Look("brightness", gamma(exponent)) for exponent in (0.4, 0.6, 1.6, 2.5)},
    "contrast-low": Look("brightness", less_contrast),
    "contrast-high": Look("brightness", more_contrast),
    "log-compressed": Look("brightness", log_compressed),
    "stretched": Look("brightness", stretched),
}
