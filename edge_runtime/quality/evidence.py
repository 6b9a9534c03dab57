"""Figures that describe one result: how sharp the outline is, how sure the network is, how like ultrasound it looks.

They are read along the fitted ellipse or on a coarse grid, so all of them together cost a fraction of a millisecond.
At that scale the NumPy calls themselves are most of the time. That is why x and y share one array, why means are
``np.add.reduce``, and why grey levels stay bytes or int16, whose sums are also exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.geometry import GridWindow
from edge_runtime.frame.preprocess import Prepared
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.head.find_head import Head

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Shorts = NDArray[np.int16]

ANGLES = 64
"""Points along the outline. An eighth of them is still enough to average speckle away."""

SECTOR = ANGLES // 8
_T = np.linspace(0, 2 * math.pi, ANGLES, endpoint=False)
_COS, _SIN = np.cos(_T).astype(np.float32), np.sin(_T).astype(np.float32)
_SECTORS = (np.arange(ANGLES)[:, None] + np.arange(SECTOR)) % ANGLES
ACROSS = np.array([-0.2, -0.1, -0.04, 0.0, 0.04, 0.1, 0.2], dtype=np.float32)
"""Distances from the outline at which logits are read, relative to the head's radius; negative is inside the head."""

ALONG = np.array([0.66, 0.73, 0.80, 0.90, 0.95, 1.0, 1.05, 1.2, 1.28, 1.36], dtype=np.float32)
"""Radii at which the input is read, relative to the outline: 3 inside the head, 4 around the skull, 3 outside."""


@dataclass(frozen=True)
class Evidence:
    """Figures of one result. Lengths are relative to the head's radius, the geometric mean of its semi-axes.

    Attributes:
        sharpness: Fall of the logits across the outline, from 0.04 radii inside to 0.04 outside, in the eighth of the
            outline where it is smallest.
        core: 1st percentile of the logits inside the head. It is high where the network leaves no hole.
        softness: Distance between the logits 2 and -2 across the outline, relative to the head's radius.
        unsure: Number of pixels with logits between -2 and 2, divided by the head's area.
        stray: Number of pixels beyond 1.2 radii with logits above -2, divided by the head's area.
        outside: Share of the ellipse outside the frame's content, 0 to 1.
        skull: Share of the outline that is brighter than both of its sides, 0 to 1.
        skull_contrast: Brightness of the outline above its two sides, in standard deviations of the input.
        fine_x: Mean difference of neighbouring pixels along x, divided by that of pixels 4 apart. It describes the
            grain, for :mod:`edge_runtime.quality.look`, and is 0.25 in a smeared image.
        fine_y: The same along y.
    """

    sharpness: float
    core: float
    softness: float
    unsure: float
    stray: float
    outside: float
    skull: float
    skull_contrast: float
    fine_x: float
    fine_y: float


def gather_evidence(head: Head, prepared: Prepared, logits: Floats) -> Evidence | None:
    """Compute the figures of one result.

    Args:
        head: What was found.
        prepared: What the network saw.
        logits: float32 (h, w), what it answered.

    Returns:
        The figures; None without an ellipse.
    """
    if head.ellipse is None:
        return None
    seen = np.ascontiguousarray(prepared.seen)
    geometry, stride = prepared.geometry, prepared.geometry.stride_of(logits)
    in_image = _in_samples(head.ellipse, geometry.window())
    window = geometry.window(stride)
    answer, in_answer = np.ascontiguousarray(window.crop(logits)), _in_samples(head.ellipse, window)
    spokes = _spokes(in_image)
    step = 2 if stride == 1 else 1  # a quarter of 38,400 logits is enough; 2,400 are few
    return Evidence(
        **_outline(in_answer, spokes if stride == 1 else spokes * np.float32(1 / stride), answer),
        **_field(in_answer, answer, step),
        **_skull(in_image, spokes, seen, prepared.greys.deviation),
        **_grain(seen),
    )


def _in_samples(ellipse: Ellipse, window: GridWindow) -> Ellipse:
    """An ellipse in frame pixels as one in a window's samples."""
    (x, y), (across, down), content = window.first, window.step, window.content
    scaled = ellipse.scaled(1 / across, 1 / down)
    center_x, center_y = (ellipse.center_x - content.left - x) / across, (ellipse.center_y - content.top - y) / down
    return Ellipse(center_x, center_y, scaled.semi_major, scaled.semi_minor, scaled.angle_deg)


def _spokes(ellipse: Ellipse) -> Floats:
    """Vectors from the centre to :data:`ANGLES` points on the ellipse, float32 (2, 1, ANGLES): x, then y."""
    angle = math.radians(ellipse.angle_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[[cos], [sin]], [[-sin], [cos]]], dtype=np.float32)
    return np.asarray(ellipse.semi_major * _COS * turn[0] + ellipse.semi_minor * _SIN * turn[1])[:, None]


@lru_cache(maxsize=32)
def _pair(x: float, y: float) -> Floats:
    """A pair (x, y) that broadcasts over points, float32 (2, 1, 1). It is cached: do not write to it."""
    return np.array([[[x]], [[y]]], dtype=np.float32)


def _places(points: Floats, high: Floats) -> Floats:
    """Move points (2, N, ANGLES) that lie outside the frame onto its border, in place."""
    np.maximum(points, 0, out=points)
    return np.minimum(points, high, out=points)


def _read(values: Floats, points: Floats) -> Floats:
    """Read a field at points between pixels, by bilinear interpolation: (2, N, ANGLES) to (N, ANGLES)."""
    height, width = values.shape
    points = _places(points, _pair(width - 1.001, height - 1.001))  # short of the last pixel: it has no neighbour
    corner = points.astype(np.intp)
    x, y = points - corner
    at = corner[1] * width + corner[0]
    # upper left, lower left, upper right, lower right
    around = values.reshape(-1).take(np.array([[[0]], [[width]], [[1]], [[width + 1]]]) + at)
    left = around[:2]
    upper, lower = left + (around[2:] - left) * x
    return np.asarray(upper + (lower - upper) * y, dtype=np.float32)


def _outline(ellipse: Ellipse, spokes: Floats, logits: Floats) -> dict[str, float]:
    """Figures of the logits across the outline."""
    height, width = logits.shape
    places = spokes + np.array([[[ellipse.center_x]], [[ellipse.center_y]]], dtype=np.float32)
    beyond = np.minimum(np.maximum(places, -0.5), _pair(width - 0.5, height - 0.5)) != places
    squares = spokes * spokes
    size = math.sqrt(ellipse.semi_major * ellipse.semi_minor)
    read = _read(logits, places + spokes * (size * ACROSS[:, None] / np.sqrt(squares[0] + squares[1])))
    fall = read[2] - read[4]
    mean = np.add.reduce(read, axis=1) / -ANGLES  # np.interp wants rising values, and logits fall outwards
    return {
        "sharpness": float(np.add.reduce(fall.take(_SECTORS), axis=1, dtype=np.float64).min()) / SECTOR,
        "softness": float(np.interp(2, mean, ACROSS) - np.interp(-2, mean, ACROSS)),
        "outside": np.count_nonzero(beyond[0] | beyond[1]) / ANGLES,
    }


def _field(ellipse: Ellipse, logits: Floats, step: int) -> dict[str, float]:
    """Figures of the whole field of logits, on every ``step``-th pixel of every ``step``-th row."""
    coarse = np.ascontiguousarray(logits[::step, ::step])
    (xx, xy), (_, yy) = ellipse.matrix().astype(np.float32)
    x = np.arange(0, logits.shape[1], step, dtype=np.float32) - np.float32(ellipse.center_x)
    y = (np.arange(0, logits.shape[0], step, dtype=np.float32) - np.float32(ellipse.center_y))[:, None]
    radius = 2 * xy * x * y  # squared
    radius += xx * x * x
    radius += yy * y * y
    core = coarse[radius < 0.85**2]  # well within the skull: the skull itself is often broken
    area = max(1.0, math.pi * ellipse.semi_major * ellipse.semi_minor / step**2)
    dull = coarse > -2
    least = len(core) // 100
    return {
        "core": float(np.partition(core, least)[least]) if len(core) else -10.0,
        "unsure": np.count_nonzero(dull & (coarse < 2)) / area,
        "stray": np.count_nonzero(dull & (radius > 1.2**2)) / area,
    }


def _skull(ellipse: Ellipse, spokes: Floats, image: Bytes, deviation: float) -> dict[str, float]:
    """Figures of the skull: a bright line along the outline, darker on both sides."""
    height, width = image.shape
    middle = np.array([[[ellipse.center_x + 0.5]], [[ellipse.center_y + 0.5]]], dtype=np.float32)
    x, y = _places(middle + spokes * ALONG[:, None], _pair(width - 1, height - 1)).astype(np.intp)
    read = image.reshape(-1).take(y * width + x).astype(np.float32)
    within, beyond = np.add.reduce(read[:3]) / 3, np.add.reduce(read[7:]) / 3
    wall, side = np.maximum.reduce(read[3:7]), np.maximum(within, beyond)  # the skull may lie a little off the outline
    lift = float(np.add.reduce(wall)) - 0.5 * float(np.add.reduce(within) + np.add.reduce(beyond))
    return {
        # relative to the brightness, so that gain does not matter; 6 grey levels keep noise in the dark from counting
        "skull": np.count_nonzero(wall - side > 0.1 * (wall + side + 6)) / ANGLES,
        "skull_contrast": lift / ANGLES / (deviation + 3.0),
    }


def _grain(image: Bytes) -> dict[str, float]:
    """Figures of the grain along each axis, on every eighth row. They compare neighbours with pixels 4 apart."""
    height = len(image)
    zeroth, first, fourth = (image[k : height - 4 + k : 8] for k in (0, 1, 4))
    near_x, far_x = _step(zeroth[:, 1:], zeroth[:, :-1]), _step(zeroth[:, 4:], zeroth[:, :-4])
    near_y, far_y = _step(first, zeroth), _step(fourth, zeroth)
    return {"fine_x": near_x / (far_x + 0.3), "fine_y": near_y / (far_y + 0.3)}


def _step(one: Bytes, other: Bytes) -> float:
    """Mean absolute difference, from an exact sum."""
    if not one.size:
        return 0.0
    # one - other itself does not fit a byte
    return int((np.maximum(one, other) - np.minimum(one, other)).sum(dtype=np.uint32)) / one.size
