"""Figures of one result, from the network's input and logits: how sharp, how certain, how like ultrasound.

Everything is taken along the fitted ellipse or on a coarse grid, so it costs a fraction of a millisecond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.ellipse import Ellipse
from edge_runtime.postprocess import Head

Floats = NDArray[np.float32]

ANGLES = 64
"""Places along the outline; a sector of an eighth of them still averages the grain of speckle away."""

SECTOR = ANGLES // 8
_T = np.linspace(0, 2 * math.pi, ANGLES, endpoint=False)
_COS, _SIN = np.cos(_T).astype(np.float32), np.sin(_T).astype(np.float32)
ACROSS_PX = np.array([-5, -2, 0, 2, 5], dtype=np.float32)
"""Distances from the outline at which the logits are read, in pixels of the network."""

ALONG = np.array([0.66, 0.73, 0.80, 0.90, 0.95, 1.0, 1.05, 1.2, 1.28, 1.36], dtype=np.float32)
"""Radii at which the input is read: inside the head, on the skull, outside, relative to the outline."""

_SEAM_FLOOR = 2.0
"""Grey levels: differences below this are no seam, whatever their neighbours."""

_LIT = 8.0
"""Grey level above which a pixel is not black."""


@dataclass(frozen=True)
class Evidence:
    """Figures of one result; lengths in pixels of the network, logits in its own unit.

    Attributes:
        sharpness: Slope of the logits across the outline in its least sharp eighth, logits a pixel.
        core: 1st percentile of the logits inside the head; a sure network leaves no hole.
        inner: 10th percentile of the logits 5 pixels within the outline.
        outer: 90th percentile of the logits 5 pixels beyond the outline.
        softness: Width between the logits -2 and 2, relative to the radius.
        unsure: Pixels with logits between -2 and 2, over the outline's length.
        stray: Pixels beyond 1.2 radii with logits above -2, over the head's.
        outside: Share of the ellipse beyond the frame, 0 to 1.
        skull: Share of the outline where the input is brighter than on both sides of it, 0 to 1.
        skull_contrast: Brightness of the outline above its two sides, in SDs of the input.
        fine_x: Mean difference of neighbours over that of pixels 4 apart, along x: 0.25 where the image is smeared.
        fine_y: The same along y.
        fine: The same, the least of the two axes and the two diagonals.
        tear: Largest share of a row, over the frame's width, that steps more than the rows around it, 0 to 1.
        seam_x: Largest step between columns within the head, over that of columns nearby.
        seam_y: The same between rows.
        seams: Sixth largest step between columns or rows of the whole frame, over the mean step.
        black: Share of the frame at its least grey level, 0 to 1.
        flat_head: Share of the head without any difference between neighbours, 0 to 1.
    """

    sharpness: float
    core: float
    inner: float
    outer: float
    softness: float
    unsure: float
    stray: float
    outside: float
    skull: float
    skull_contrast: float
    fine_x: float
    fine_y: float
    fine: float
    tear: float
    seam_x: float
    seam_y: float
    seams: float
    black: float
    flat_head: float


def gather_evidence(head: Head, network_input: NDArray[np.uint8], logits: Floats) -> Evidence | None:
    """Compute the figures of one result.

    Args:
        head: What was found.
        network_input: uint8 (h, w), what the network saw.
        logits: float32 (h, w), what it answered.

    Returns:
        The figures; None without an ellipse.
    """
    if head.ellipse is None:
        return None
    image = network_input.astype(np.float32)
    ellipse = _to_network(head.ellipse, head.mask.shape, image.shape)
    across, outside = _outline_logits(ellipse, logits)
    return Evidence(
        **across, outside=outside, **_field(ellipse, logits, image), **_skull(ellipse, image), **_texture(image),
        **_seams(ellipse, image),
    )  # fmt: skip


def _to_network(ellipse: Ellipse, frame: tuple[int, ...], size: tuple[int, ...]) -> Ellipse:
    scale_x, scale_y = size[1] / frame[1], size[0] / frame[0]
    scaled = ellipse.scaled(scale_x, scale_y)
    x, y = (ellipse.center_x + 0.5) * scale_x - 0.5, (ellipse.center_y + 0.5) * scale_y - 0.5
    return Ellipse(x, y, scaled.semi_major, scaled.semi_minor, scaled.angle_deg)


def _spokes(ellipse: Ellipse) -> tuple[Floats, Floats]:
    """From the centre to :data:`ANGLES` places on the ellipse, x and y, each float32 (ANGLES, 1)."""
    angle = math.radians(ellipse.angle_deg)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    u, v = np.float32(ellipse.semi_major) * _COS, np.float32(ellipse.semi_minor) * _SIN
    return (u * cos - v * sin)[:, None], (u * sin + v * cos)[:, None]


def _read(values: Floats, x: Floats, y: Floats) -> Floats:
    """Values between pixels, by linear interpolation; beyond the border those of the border."""
    height, width = values.shape
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    column, row = x.astype(np.intp), y.astype(np.intp)
    fx, fy = x - column, y - row
    at, flat = row * width + column, values.ravel()
    upper, lower = flat[at], flat[at + width]
    upper = upper + (flat[at + 1] - upper) * fx
    lower = lower + (flat[at + width + 1] - lower) * fx
    return np.asarray(upper + (lower - upper) * fy, dtype=np.float32)


def _outline_logits(ellipse: Ellipse, logits: Floats) -> tuple[dict[str, float], float]:
    dx, dy = _spokes(ellipse)
    height, width = logits.shape
    x, y = dx + np.float32(ellipse.center_x), dy + np.float32(ellipse.center_y)
    outside = float(np.mean((x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)))
    stretch = ACROSS_PX / np.sqrt(dx * dx + dy * dy)
    read = _read(logits, x + dx * stretch, y + dy * stretch)
    slope = (read[:, 1] - read[:, 3]) / 4
    around = np.cumsum(np.concatenate([[0], slope, slope[: SECTOR - 1]]))
    inner, outer = np.sort(read[:, 0]), np.sort(read[:, 4])
    mean = read.mean(axis=0)
    width_px = float(np.interp(2, -mean, ACROSS_PX) - np.interp(-2, -mean, ACROSS_PX))
    figures = {
        "sharpness": float((around[SECTOR:] - around[:-SECTOR]).min() / SECTOR),
        "inner": float(inner[ANGLES // 10]),
        "outer": float(outer[-ANGLES // 10]),
        "softness": width_px / math.sqrt(ellipse.semi_major * ellipse.semi_minor),
    }
    return figures, outside


def _field(ellipse: Ellipse, logits: Floats, image: Floats) -> dict[str, float]:
    """On every second pixel of every second row."""
    coarse = logits[::2, ::2]
    m = ellipse.matrix().astype(np.float32)
    x = np.arange(0, logits.shape[1], 2, dtype=np.float32) - np.float32(ellipse.center_x)
    y = (np.arange(0, logits.shape[0], 2, dtype=np.float32) - np.float32(ellipse.center_y))[:, None]
    radius = m[0, 0] * x * x + 2 * m[0, 1] * x * y + m[1, 1] * y * y  # squared
    inside = radius < 0.85**2
    core = np.sort(coarse[inside])
    area = max(1.0, math.pi * ellipse.semi_major * ellipse.semi_minor / 4)
    length = 2 * math.pi * math.sqrt(ellipse.semi_major * ellipse.semi_minor)
    dull = coarse > -2
    below = image[1::2, ::2]
    flat = inside[: len(below)] & (image[::2, ::2][: len(below)] == below)
    return {
        "core": float(core[len(core) // 100]) if len(core) else -10.0,
        "unsure": float(np.count_nonzero(dull & (coarse < 2)) * 4 / length),
        "stray": float(np.count_nonzero(dull & (radius > 1.2**2)) / area),
        "flat_head": float(np.count_nonzero(flat) / max(1, len(core))),
    }


def _skull(ellipse: Ellipse, image: Floats) -> dict[str, float]:
    dx, dy = _spokes(ellipse)
    height, width = image.shape
    x = np.clip(np.float32(ellipse.center_x + 0.5) + dx * ALONG, 0, width - 1).astype(np.intp)
    y = np.clip(np.float32(ellipse.center_y + 0.5) + dy * ALONG, 0, height - 1).astype(np.intp)
    read = image[y, x]
    within, wall, beyond = read[:, :3].mean(axis=1), read[:, 3:7].max(axis=1), read[:, 7:].mean(axis=1)
    side = np.maximum(within, beyond)
    spread = float(image[::4].std()) + 3.0
    return {
        "skull": float(np.count_nonzero(wall - side > 0.1 * (wall + side + 6)) / ANGLES),
        "skull_contrast": float(wall.mean() - 0.5 * (within.mean() + beyond.mean())) / spread,
    }


def _texture(image: Floats) -> dict[str, float]:
    """On every fourth row: differences of neighbours over those of pixels 4 apart (3 along each axis on diagonals)."""
    zeroth, first, third = image[:-4:4], image[1:-3:4], image[3:-1:4]
    pairs = (
        (zeroth[:, 1:], zeroth[:, :-1], zeroth[:, 4:], zeroth[:, :-4], 1.0),
        (first, zeroth, image[4::4], zeroth, 1.0),
        (first[:, 1:], zeroth[:, :-1], third[:, 3:], zeroth[:, :-3], 2**0.5),
        (first[:, :-1], zeroth[:, 1:], third[:, :-3], zeroth[:, 3:], 2**0.5),
    )
    fine = [_difference(a, b) / length / (_difference(c, d) + 0.3) for a, b, c, d, length in pairs]
    levels = np.sort(image[::4, ::4].ravel())
    black = np.searchsorted(levels, levels[len(levels) // 400] + 2.5) / len(levels)
    return {"fine_x": fine[0], "fine_y": fine[1], "fine": min(fine), "black": float(black)}


def _difference(a: Floats, b: Floats) -> float:
    """Mean absolute difference of the rows that both have."""
    rows = min(len(a), len(b))
    step = a[:rows] - b[:rows]
    np.abs(step, out=step)
    return float(step.sum() / step.size)


def _seams(ellipse: Ellipse, image: Floats) -> dict[str, float]:
    angle = math.radians(ellipse.angle_deg)
    a, b = ellipse.semi_major, ellipse.semi_minor
    reach_x = math.hypot(a * math.cos(angle), b * math.sin(angle))
    reach_y = math.hypot(a * math.sin(angle), b * math.cos(angle))
    height, width = image.shape

    def span(middle: float, reach: float, most: int) -> slice:
        return slice(int(min(max(middle - reach, 0), most)), int(min(max(middle + reach, 0), most)) + 1)

    narrow_x, wide_x = (span(ellipse.center_x, share * reach_x, width) for share in (0.6, 0.75))
    narrow_y, wide_y = (span(ellipse.center_y, share * reach_y, height) for share in (0.6, 0.75))
    by_column, by_row = image[::2], np.ascontiguousarray(image[:, ::2])
    across = np.abs(by_column[:, 2:] - by_column[:, :-2])
    down = np.abs(by_row[2:] - by_row[:-2])
    within_x = (
        across[wide_y.start // 2 : wide_y.stop // 2, narrow_x].mean(axis=0)
        if wide_y.stop > wide_y.start + 1
        else across[0, :0]
    )
    within_y = (
        down[narrow_y, wide_x.start // 2 : wide_x.stop // 2].mean(axis=1)
        if wide_x.stop > wide_x.start + 1
        else down[:0, 0]
    )
    return {
        "seam_x": _largest_step(within_x),
        "seam_y": _largest_step(within_y),
        "tear": _tear(by_row, down, span(ellipse.center_y, 0.8 * reach_y, height)),
        "seams": max(_sixth_step(across.mean(axis=0)), _sixth_step(down.mean(axis=1))),
    }


def _largest_step(steps: Floats) -> float:
    if len(steps) < 8:
        return 0.0
    beside = np.maximum(steps[:-6], steps[6:])
    return float((steps[3:-3] / (beside + _SEAM_FLOOR)).max())


def _sixth_step(steps: Floats) -> float:
    above = np.sort(steps[3:-3] - np.maximum(steps[:-6], steps[6:]))
    return float(above[-6] / (steps.mean() + 0.2)) if len(above) > 6 else 0.0


def _tear(image: Floats, down: Floats, rows: slice) -> float:
    """The largest share of a row's pixels, black ones apart, whose step down exceeds those three rows off."""
    first, last = max(rows.start, 3), min(rows.stop, len(down) - 3)
    if last - first < 4:
        return 0.0
    here = down[first:last]
    beside = np.maximum(down[first - 3 : last - 3], down[first + 3 : last + 3])
    lit = np.maximum(image[first:last], image[first + 2 : last + 2]) > _LIT
    count = np.count_nonzero(lit, axis=1)
    share = np.count_nonzero((here > beside + 1) & lit, axis=1) / np.maximum(count, 1)
    return float(np.where(count > 0.3 * image.shape[1], share, 0).max())
