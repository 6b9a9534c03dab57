"""Looks of other shapes of the picture: sectors of other probes, black margins, other proportions of the screen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from train.frames.no_frames import Random
from train.frames.shading import echoing
from train.frames.view import Look, Make, View, blank, placed, repainted


def _masked(view: View, inside: NDArray[np.bool_]) -> View:
    return replace(view, frame=view.frame * inside)


def curved(least: float, most: float, grey: bool = False) -> Make:
    """The fan of a curved probe, wider than the head by a share of its angle and depth; black or grey outside."""

    def make(view: View, rng: Random) -> View:
        height, width = view.size
        _, top, _, bottom = view.extent
        x0 = view.head.center_x + rng.uniform(-0.06, 0.06) * width
        y0 = top - rng.uniform(0.25, 0.9) * (bottom - top)
        outline = view.head.outline()
        depth = np.hypot(outline[:, 0] - x0, outline[:, 1] - y0)
        room = rng.uniform(least, most, 3)
        slope = float(np.max(np.abs(outline[:, 0] - x0) / (outline[:, 1] - y0))) * (1 + room[0])
        span = float(np.ptp(depth))
        near, far = max(0.0, float(depth.min()) - room[1] * span), float(depth.max()) + room[2] * span
        y, x = np.arange(height, dtype=np.float32)[:, None] - y0, np.abs(np.arange(width, dtype=np.float32) - x0)
        square = x * x + y * y
        inside = (x <= slope * y) & (square >= near * near) & (square <= far * far)
        if not grey:
            return _masked(view, inside)
        level = np.float32(rng.integers(15, 60))
        return repainted(view, np.maximum(view.frame * inside, level * (1 - echoing(view, either=True) * inside)))

    return make


def linear(view: View, rng: Random) -> View:
    """The rectangle of a linear probe, or the trapezoid of its wide view; black outside."""
    height, width = view.size
    left, top, right, bottom = view.extent
    room = rng.uniform(0.05, 0.5, 4)
    x1, x2 = left * (1 - room[0]), right + (width - right) * room[1]
    y1, y2 = top * (1 - room[2]), bottom + (height - bottom) * room[3]
    lean = rng.choice([0.0, rng.uniform(0.0, 0.3)])
    y, x = np.arange(height)[:, None], np.arange(width)
    # the sides lean outwards from the head's top, so that the head stays inside
    inside = (x >= x1 - lean * (y - top)) & (x <= x2 + lean * (y - top)) & (y >= y1) & (y <= y2)
    return _masked(view, inside)


def margins(view: View, rng: Random) -> View:
    """Black margins on all sides."""
    height, width = view.size
    top, bottom, left, right = (int(v) for v in rng.uniform(0.05, 0.3, 4) * [height, height, width, width])
    return placed(view, blank((height + top + bottom, width + left + right)), left, top)


def margin(view: View, rng: Random) -> View:
    """A black margin on one side, up to as wide as the frame."""
    height, width = view.size
    side = int(rng.integers(4))
    wide = int(rng.uniform(0.3, 1.0) * (height if side < 2 else width))
    size = (height + wide, width) if side < 2 else (height, width + wide)
    return placed(view, blank(size), wide if side == 2 else 0, wide if side == 0 else 0)


def proportions(aspect: float) -> Make:
    """Width over height: by black margins, or by a crop where the head leaves room for one."""

    def make(view: View, rng: Random) -> View:
        height, width = view.size
        left, top, right, bottom = view.extent
        narrow, low = round(height * aspect), round(width / aspect)
        cropped = (height, narrow) if narrow < width else (low, width)
        padded = (low, width) if narrow < width else (height, narrow)
        fits = right - left + 8 < cropped[1] and bottom - top + 8 < cropped[0]
        size = cropped if fits and rng.random() < 0.5 else padded
        places = []
        for full, new, first, last in ((height, size[0], top, bottom), (width, size[1], left, right)):
            at = (new - full) * rng.choice([0.5, 0.5, rng.uniform(0, 1)])
            if new < full:
                at = np.clip(at, new - 3 - last, 3 - first)
            places.append(round(float(at)))
        return placed(view, blank(size), places[1], places[0])

    return make


SECTORS: dict[str, Look] = {
    "sector-wide": Look("sector", curved(0.15, 0.5)),
    "sector-narrow": Look("sector", curved(0.03, 0.12)),
    "sector-grey": Look("sector", curved(0.1, 0.4, grey=True)),
    "sector-linear": Look("sector", linear),
    "margins": Look("margin", margins),
    "margin": Look("margin", margin),
    "square": Look("margin", proportions(1)),
    "4:3": Look("margin", proportions(4 / 3)),
    "16:9": Look("margin", proportions(16 / 9)),
    "21:9": Look("margin", proportions(21 / 9)),
    "3:4": Look("margin", proportions(3 / 4)),
    "9:16": Look("margin", proportions(9 / 16)),
}
