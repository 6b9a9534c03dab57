"""Looks of the head in another place: turned, mirrored, nearer, farther, in a corner."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from train.frames.no_frames import Random
from train.frames.view import Look, Make, View, blank, moved, placed


def _swapped(view: View) -> View:
    """Rows become columns."""
    head = view.head.mapped(np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2))
    return View(np.ascontiguousarray(view.frame.T), head, view.pixel_size_mm[::-1])


def _mirrored(view: View, axis: int) -> View:
    """Reverse the columns (axis 1) or the rows (axis 0)."""
    linear, shift = np.eye(2), np.zeros(2)
    linear[1 - axis, 1 - axis], shift[1 - axis] = -1, view.frame.shape[axis] - 1
    return replace(view, frame=np.ascontiguousarray(np.flip(view.frame, axis)), head=view.head.mapped(linear, shift))


def mirrored(view: View, rng: Random) -> View:
    """Left and right swapped."""
    return _mirrored(view, 1)


def upside_down(view: View, rng: Random) -> View:
    """Top and bottom swapped, as with a probe shown from below."""
    return _mirrored(view, 0)


def half_turned(view: View, rng: Random) -> View:
    """Turned by 180 degrees."""
    return _mirrored(_mirrored(view, 0), 1)


def quarter_turned(view: View, rng: Random) -> View:
    """Turned by 90 degrees to either side."""
    return _mirrored(_swapped(view), int(rng.integers(2)))


def transposed(view: View, rng: Random) -> View:
    """Rows and columns swapped."""
    return _swapped(view)


def _inward(view: View, linear: NDArray[np.float64]) -> tuple[float, float]:
    """Where the head's centre must go so that the mapped head lies wholly in the frame, near its old place."""
    reach = np.ptp(view.head.mapped(linear, np.zeros(2)).outline(), axis=0) / 2 + 2
    room = np.array(view.size[::-1], dtype=np.float64) - 1
    at = np.clip([view.head.center_x, view.head.center_y], reach, np.maximum(reach, room - reach))
    return float(at[0]), float(at[1])


def turned(least: float, most: float) -> Make:
    """Turned by an angle in degrees, to either side, about the head; black behind. Reduced if the head is too large."""

    def make(view: View, rng: Random) -> View:
        angle = np.radians(rng.uniform(least, most)) * rng.choice([-1, 1])
        linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        extent = np.ptp(view.head.mapped(linear, np.zeros(2)).outline(), axis=0)
        linear = linear * min(1.0, 0.97 * float(np.min(np.array(view.size[::-1]) / extent)))
        return moved(view, linear, _inward(view, linear), view.size)

    return make


def zoomed(least: float, most: float) -> Make:
    """Magnified until the head's larger extent takes a share of the frame; black behind."""

    def make(view: View, rng: Random) -> View:
        left, top, right, bottom = view.extent
        height, width = view.size
        scale = rng.uniform(least, most) / max((right - left) / width, (bottom - top) / height)
        linear = scale * np.eye(2)
        return moved(view, linear, _inward(view, linear), view.size)

    return make


def cornered(view: View, rng: Random) -> View:
    """Shifted until the head touches a corner of the frame; black behind."""
    left, top, right, bottom = view.extent
    height, width = view.size
    dx, dy = rng.uniform(0.85, 0.98, 2)
    x = -dx * left if rng.random() < 0.5 else dx * (width - 1 - right)
    y = -dy * top if rng.random() < 0.5 else dy * (height - 1 - bottom)
    return placed(view, blank(view.size), int(x), int(y))


def trimmed(view: View, rng: Random) -> View:
    """Up to 70% of the room between the head and each side cut off."""
    left, top, right, bottom = view.extent
    height, width = view.size
    shares = rng.uniform(0.1, 0.7, 4)
    cut = [
        max(0, int(share * room))
        for share, room in zip(shares, (left, top, width - right, height - bottom), strict=True)
    ]
    size = height - cut[1] - cut[3], width - cut[0] - cut[2]
    return placed(view, blank(size), -cut[0], -cut[1])


TURNS: dict[str, Look] = {
    "mirrored": Look("turn", mirrored),
    "upside-down": Look("turn", upside_down),
    "transposed": Look("turn", transposed),
    "turned-any": Look("turn", turned(0, 180)),
    "turned-45": Look("turn", turned(40, 50)),
    "turned-90": Look("turn", quarter_turned),
    "turned-135": Look("turn", turned(130, 140)),
    "turned-180": Look("turn", half_turned),
    "zoomed-in": Look("zoom", zoomed(0.9, 0.97)),
    "zoomed-out": Look("zoom", zoomed(0.25, 0.35)),
    "cornered": Look("zoom", cornered),
    "trimmed": Look("zoom", trimmed),
}
