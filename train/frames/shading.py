"""Looks of unevenly received echoes: wrong depth compensation, shading, acoustic shadows, haze, a bright near field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.frame.resize import resize
from train.frames.no_frames import Random
from train.frames.texture import blurred
from train.frames.view import Look, Make, View, field, repainted

Field = NDArray[np.float32]

_MOST_SHADED = 0.25
"""Maximum share of the head's outline that lies in shadows."""


def _apex(view: View, rng: Random) -> tuple[float, float]:
    """A point above the frame from which the beams come."""
    height, width = view.size
    return rng.uniform(0.4, 0.6) * width, -rng.uniform(0.2, 0.6) * height


def echoing(view: View, either: bool = False) -> Field:
    """Where the frame shows tissue and fluid rather than the black around the sector.

    Args:
        view: The view.
        either: Count as fluid what lies between echoes along its row or its column, rather than along both. Shadows
            at the sector's side count then, and so does the black above a curved probe.

    Returns:
        (H, W), 1 inside and 0 outside, with a soft edge.
    """
    rows, columns = (max(8, round(n / (6 * view.unit))) for n in view.size)
    lit = (resize(view.frame, (rows, columns)) > 2).astype(np.uint8) * np.uint8(255)
    image, filters = require("PIL.Image").fromarray(lit), require("PIL.ImageFilter")
    solid = np.asarray(image.filter(filters.MinFilter(5)).filter(filters.MaxFilter(5))) > 0  # no text, no grey bar
    down, across = _between(solid), _between(solid.T).T
    solid = down | across if either else down & across
    soft = blurred(solid.astype(np.uint8) * np.uint8(255), 2)
    return np.clip(resize(soft, view.size) * np.float32(3 / 255) - 1, 0, 1)


def _between(lit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    after = np.maximum.accumulate(lit, axis=0)
    return np.asarray(after & np.maximum.accumulate(lit[::-1], axis=0)[::-1])


def depth_gain(near: float, far: float) -> Make:
    """Multiply by a gain that changes evenly with depth, from the top of the frame to its bottom."""

    def make(view: View, rng: Random) -> View:
        (x0, y0), strength = _apex(view, rng), rng.uniform(0.85, 1.15)
        low, high = strength * np.log(near), strength * np.log(far)
        top, bottom = -y0, view.size[0] - y0
        gain = field(
            view.size, lambda x, y: np.exp(low + (high - low) * (np.hypot(x - x0, y - y0) - top) / (bottom - top))
        )
        return repainted(view, view.frame * gain)

    return make


def banded(view: View, rng: Random) -> View:
    """Multiply by the gains of six to nine depth sliders set at random."""
    x0, y0 = _apex(view, rng)
    count = int(rng.integers(6, 10))
    sliders = np.exp(rng.uniform(np.log(0.45), np.log(1.7), count))
    depths = np.linspace(-y0, np.hypot(view.size[1] / 2, view.size[0] - y0), count)
    gain = field(view.size, lambda x, y: np.interp(np.hypot(x - x0, y - y0), depths, sliders))
    return repainted(view, view.frame * gain)


def side_dark(view: View, rng: Random) -> View:
    """Darken towards one side, where the probe hardly touches the skin."""
    least, side = rng.uniform(0.2, 0.4), rng.random() < 0.5
    width = view.size[1]
    gain = 1.15 - (1.15 - least) * np.linspace(0, 1, width, dtype=np.float32) ** rng.uniform(1, 2)
    return repainted(view, view.frame * (gain[::-1] if side else gain))


def near_field(view: View, rng: Random) -> View:
    """Add bright bands below the probe's face."""
    inside, (x0, y0) = echoing(view), _apex(view, rng)
    reach = rng.uniform(0.06, 0.14) * view.size[0]
    bright, waves = rng.uniform(60, 130), rng.uniform(0.15, 0.4)
    distance = field(view.size, lambda x, y: np.hypot(x - x0, y - y0))
    lit = inside[::8, ::8] > 0.5
    face = np.percentile(distance[::8, ::8][lit], 2) if lit.any() else -y0
    depth = field(view.size, lambda x, y: np.clip(np.hypot(x - x0, y - y0) - face, 0, None) / reach)
    fade = np.exp(-np.square(depth)) * (1 - waves + waves * np.cos(9 * depth))
    return repainted(view, view.frame + np.float32(bright) * fade * inside)


def haze(view: View, rng: Random) -> View:
    """Lay an uneven grey veil over the echoes, as reverberation does."""
    inside = echoing(view)
    share, level = rng.uniform(0.35, 0.6), rng.uniform(50, 100)
    veil = resize(rng.uniform(0.6, 1.4, (4, 6)), view.size) * np.float32(share * level)
    return repainted(view, view.frame * np.float32(1 - 0.6 * share) + veil * inside)


def shadows(count: int) -> Make:
    """Darken wedges, from the probe's face or from the skull down, as ribs, bowel gas and bone do."""

    def make(view: View, rng: Random) -> View:
        x0, y0 = _apex(view, rng)
        outline = view.head.outline()
        slopes = (outline[:, 0] - x0) / (outline[:, 1] - y0)
        wedges: list[tuple[float, float]] = []
        shaded = np.zeros(len(outline), dtype=bool)
        for _ in range(40):
            if len(wedges) == count:
                break
            middle = rng.uniform(slopes.min() - 0.15, slopes.max() + 0.15)
            half = rng.uniform(0.02, 0.09)
            new = shaded | (np.abs(slopes - middle) < half)
            if new.mean() <= _MOST_SHADED:
                wedges, shaded = [*wedges, (middle, half)], new
        starts = [rng.choice([0.0, rng.uniform(0.1, 0.5)]) * view.size[0] for _ in wedges]
        darkness = [rng.uniform(0.55, 0.85) for _ in wedges]

        def gain(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
            out, slope = np.ones(np.broadcast_shapes(x.shape, y.shape)), (x - x0) / (y - y0)
            for (middle, half), start, dark in zip(wedges, starts, darkness, strict=True):
                edge = np.clip((half - np.abs(slope - middle)) / (0.35 * half) + 0.5, 0, 1)
                out *= 1 - dark * edge * np.clip((y - start) / 40 + 1, 0, 1)
            return out

        return repainted(view, view.frame * field(view.size, gain))

    return make


SHADING: dict[str, Look] = {
    "depth-dark": Look("shading", depth_gain(1.4, 0.3)),
    "near-dark": Look("shading", depth_gain(0.35, 1.5)),
    "depth-bands": Look("shading", banded),
    "side-dark": Look("shading", side_dark),
    "near-field": Look("shading", near_field),
    "haze": Look("shading", haze),
    **{f"shadows-{count}": Look("shadow", shadows(count)) for count in (1, 2, 3)},
}
