"""Looks of other grain: speckle of several sizes, speckle reduction, sharpening, noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.frame.resize import resize
from train.frames.no_frames import Frame, Random, Size
from train.frames.view import Look, Make, View, repainted

Field = NDArray[np.float32]


def grains(size: Size, across: float, down: float, rng: Random) -> Field:
    """Speckle: the amplitude of a complex Gaussian field, of mean 1.

    Args:
        size: Height and width, in pixels.
        across: Width of a grain, in pixels, at least 1.
        down: Height of a grain.
        rng: Draws the field.
    """
    steps = [max(1.0, length / 2) for length in (down, across)]
    cells = [max(4, round(n / step)) for n, step in zip(size, steps, strict=True)]
    parts = rng.standard_normal((2, *cells), dtype=np.float32)
    for axis, length in ((1, down), (2, across)):
        if length > 1.5:  # neighbours that share half their sum give grains of two cells, without corners
            parts = (parts + np.roll(parts, 1, axis)) / 2
            parts = (parts + np.roll(parts, 1, axis)) / 2
    amplitude = np.hypot(*(resize(part, size) for part in parts))
    return np.asarray(amplitude / amplitude.mean())


def fan_grains(size: Size, across: float, down: float, rng: Random) -> Field:
    """Speckle of a curved probe: grains lie on arcs and widen with depth; ``across`` holds in the middle."""
    height, width = size
    apex_x, apex_y = rng.uniform(0.4, 0.6) * width, -rng.uniform(0.2, 0.5) * height
    y, x = np.arange(height, dtype=np.float32)[:, None] - apex_y, np.arange(width, dtype=np.float32) - apex_x
    depth, side = np.hypot(x, y), x / y
    steps = np.float32(height - apex_y)  # so that a column is a pixel wide at the bottom
    shape = int(depth.max() - depth.min()) + 2, width
    polar = grains(shape, across * (height - apex_y) / (height / 2 - apex_y), down, rng)
    # near the apex there are more columns than drawn: they repeat
    column = np.mod((side * steps).astype(np.int32), width)
    amplitude = polar[(depth - depth.min()).astype(np.int32), column]
    return np.asarray(amplitude / amplitude.mean())


def blurred(frame: Frame, radius: float) -> Frame:
    """Blur with a Gaussian of a standard deviation in pixels."""
    image = require("PIL.Image").fromarray(frame)
    return np.asarray(image.filter(require("PIL.ImageFilter").GaussianBlur(radius)))


def _grained(view: View, amplitude: Field, grain: float, rng: Random) -> View:
    """Multiply by speckle, after the view's own has been smoothed where it is finer."""
    base = blurred(view.frame, min(grain / 3, 2.0)) if grain > 2 else view.frame
    strength = np.float32(rng.uniform(0.5, 0.8))
    return repainted(view, base * (1 - strength + strength * amplitude))


def speckle(grain: float, wider: float = 1.0) -> Make:
    """Speckle with grains of a height in pixels of an 800x540 frame, and so many times as wide."""

    def make(view: View, rng: Random) -> View:
        # grains as large as the skull is thick would hide it
        down = max(1.0, min(grain * rng.uniform(0.9, 1.1) * view.unit, view.head.semi_minor / 14))
        return _grained(view, grains(view.size, wider * down, down, rng), down, rng)

    return make


def deep_speckle(view: View, rng: Random) -> View:
    """Speckle that lies on arcs and is coarser with depth."""
    down = max(1.0, rng.uniform(2, 3.5) * view.unit)
    return _grained(view, fan_grains(view.size, rng.uniform(2, 3) * down, down, rng), down, rng)


def despeckled(view: View, rng: Random) -> View:
    """Take medians along rows and columns in turn, of nearer and farther neighbours, as speckle reduction does."""
    out = view.frame
    for reach in (1, 2, 3, 4, 3, 2)[: int(rng.integers(4, 7))]:
        by = max(1, round(reach * view.unit))
        for axis in (0, 1):
            before, after = np.roll(out, by, axis), np.roll(out, -by, axis)
            low, high = np.minimum(before, after), np.maximum(before, after)
            out = np.maximum(low, np.minimum(high, out))
    return replace(view, frame=out)


def smoothed(view: View, rng: Random) -> View:
    """Blur by 1.5 to 3 pixels."""
    return replace(view, frame=blurred(view.frame, rng.uniform(1.5, 3) * view.unit))


def sharpened(view: View, rng: Random) -> View:
    """Add one to two times what a blur takes away."""
    soft = blurred(view.frame, rng.uniform(1, 2.5) * view.unit).astype(np.float32)
    return repainted(view, view.frame + np.float32(rng.uniform(1, 2)) * (view.frame - soft))


def noise(level: float) -> Make:
    """Add white noise of a standard deviation in greys."""

    def make(view: View, rng: Random) -> View:
        drawn = rng.standard_normal(view.size, dtype=np.float32)
        return repainted(view, view.frame + np.float32(level * rng.uniform(0.8, 1.2)) * drawn)

    return make


TEXTURE: dict[str, Look] = {
    **{f"speckle-{grain}px": Look("texture", speckle(grain)) for grain in (1, 3, 6, 12)},
    "speckle-wide": Look("texture", speckle(3, wider=3.0)),
    "speckle-deep": Look("texture", deep_speckle),
    "despeckled": Look("texture", despeckled),
    "smoothed": Look("texture", smoothed),
    "sharpened": Look("texture", sharpened),
    "noise-8": Look("texture", noise(8)),
    "noise-20": Look("texture", noise(20)),
}
