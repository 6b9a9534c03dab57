"""Looks of other settings of a scanner's brightness: gain, gamma, the curve from echoes to greys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.frames.no_frames import Random
from train.frames.view import Look, Make, View, recoded


def gain(factor: float) -> Make:
    """Multiply the greys."""
    return lambda view, rng: recoded(view, lambda grey: factor * grey)


def gamma(exponent: float) -> Make:
    """Raise the greys to a power: below 1 brightens the dark ones."""
    return lambda view, rng: recoded(view, lambda grey: grey**exponent)


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
