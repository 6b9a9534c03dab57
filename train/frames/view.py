"""Frames with their truth, and the moves of a frame that keep it: a resize, a new canvas, an affine map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.frame.preprocess import MIN_FRAME_SIDE
from edge_runtime.frame.resize import resize
from edge_runtime.head.ellipse import Ellipse
from train.frames.no_frames import Frame, Random, Size

WITHIN = 0.995
"""Minimum share of the head's outline that must stay inside the frame."""

LEAST_RADIUS = 12
"""Minimum semi-axis of a head that can plainly be seen, in pixels."""

LEAST_SHARE = 0.2
"""Minimum share of the frame's width or height that such a head takes."""

_USUAL_AREA = 540 * 800
"""Pixels in a frame of HC18. Sizes are given in pixels of such a frame."""


@dataclass(frozen=True)
class View:
    """A frame with its truth.

    Attributes:
        frame: uint8 (H, W), grey.
        head: The head in it, in its pixels; pixel centres are at integers.
        pixel_size_mm: Width and height of a pixel.
    """

    frame: Frame
    head: Ellipse
    pixel_size_mm: tuple[float, float]

    @property
    def hc_mm(self) -> float:
        """Head circumference in mm. No look changes it."""
        return self.head.scaled(*self.pixel_size_mm).perimeter

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return self.frame.shape[0], self.frame.shape[1]

    @property
    def unit(self) -> float:
        """Side of a pixel of an HC18 frame, in pixels of this frame, if both show the same: 1 at 800x540."""
        return float(np.sqrt(self.frame.size / _USUAL_AREA))

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the head, in pixels."""
        (left, top), (right, bottom) = (self.head.outline().min(axis=0), self.head.outline().max(axis=0))
        return float(left), float(top), float(right), float(bottom)

    def shows_head(self) -> bool:
        """Whether at least 99.5% of the head's outline lies inside the frame, and the head is not tiny."""
        height, width = self.size
        x, y = self.head.outline().T
        inside = np.mean((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1))
        share = max(np.ptp(x) / width, np.ptp(y) / height)
        return bool(inside >= WITHIN and self.head.semi_minor >= LEAST_RADIUS and share >= LEAST_SHARE)


Make = Callable[[View, Random], "View | None"]
"""Makes a look of a view; None where this one cannot be made of it."""


@dataclass(frozen=True)
class Look:
    """A kind of altered frame whose head can still be seen and measured.

    Attributes:
        family: What is altered, one of :data:`train.frames.looks.FAMILIES`.
        make: Alters a view.
    """

    family: str
    make: Make


def repainted(view: View, values: NDArray[np.generic]) -> View:
    """The same view with other greys: (H, W) of any real dtype, rounded and clipped to 0 to 255."""
    return replace(view, frame=np.clip(np.rint(values), 0, 255).astype(np.uint8))


def recoded(view: View, curve: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> View:
    """The same view with each grey replaced by a curve's value; the curve maps 0 to 1 to 0 to 1."""
    table = np.clip(np.rint(255 * curve(np.arange(256) / 255)), 0, 255).astype(np.uint8)
    return replace(view, frame=table[view.frame])


def field(
    size: Size, curve: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float32]:
    """Evaluate a smooth function on every eighth pixel, and interpolate: a tenth of the time.

    Args:
        size: Height and width, in pixels.
        curve: Takes x (1, m) and y (n, 1), in pixels, and returns (n, m).

    Returns:
        (height, width).
    """
    rows, columns = (max(2, n // 8) for n in size)
    y, x = ((np.arange(n) + 0.5) * full / n - 0.5 for n, full in ((rows, size[0]), (columns, size[1])))
    return resize(np.broadcast_to(curve(x[None, :], y[:, None]), (rows, columns)), size)


def resampled(view: View, size: Size) -> View:
    """The same view with another number of pixels, each side at least 32."""
    height, width = (max(MIN_FRAME_SIDE, n) for n in size)
    x, y = width / view.size[1], height / view.size[0]
    frame = np.rint(resize(view.frame, (height, width))).astype(np.uint8)
    shift = np.array([x - 1, y - 1]) / 2  # the border stays in place, half a pixel beyond the outermost centres
    head = view.head.mapped(np.diag([x, y]), shift)
    return View(frame, head, (view.pixel_size_mm[0] / x, view.pixel_size_mm[1] / y))


def placed(view: View, canvas: Frame, left: int, top: int) -> View:
    """The view laid on a canvas, uint8 (H, W), at a place; what leaves the canvas is cut off."""
    out = canvas.copy()
    height, width = view.size
    y1, y2, x1, x2 = max(0, top), min(canvas.shape[0], top + height), max(0, left), min(canvas.shape[1], left + width)
    if y1 < y2 and x1 < x2:
        out[y1:y2, x1:x2] = view.frame[y1 - top : y2 - top, x1 - left : x2 - left]
    head = view.head.mapped(np.eye(2), np.array([left, top], dtype=np.float64))
    return View(out, head, view.pixel_size_mm)


def blank(size: Size, level: int = 0) -> Frame:
    """A frame of one grey level."""
    return np.full(size, level, dtype=np.uint8)


def moved(view: View, linear: NDArray[np.float64], to: tuple[float, float], size: Size, level: int = 0) -> View:
    """The view after an affine map of its pixels about the head's centre.

    After a shear no width and height of a pixel are true in every direction: those along the axes are scaled until the
    head's circumference is.

    Args:
        view: The view.
        linear: (2, 2), for columns (x, y).
        to: Where the head's centre goes, x and y.
        size: Height and width of the new frame.
        level: Grey of what the frame does not show.
    """
    least = float(np.linalg.svd(linear, compute_uv=False).min())
    if least < 0.7:  # interpolation alone would skip pixels
        small = resampled(view, (round(view.size[0] * least), round(view.size[1] * least)))
        rest = linear @ np.diag([view.size[1] / small.size[1], view.size[0] / small.size[0]])
        return moved(small, rest, to, size, level)
    shift = np.array(to) - linear @ [view.head.center_x, view.head.center_y]
    inverse = np.linalg.inv(linear)
    offset = 0.5 - inverse @ (shift + 0.5)  # Pillow has pixel centres at half-integers
    data = [v for row, at in zip(inverse, offset, strict=True) for v in (*row, at)]
    image = require("PIL.Image").fromarray(view.frame)
    frame = np.asarray(image.transform(size[::-1], 0, data, resample=2, fillcolor=level))
    steps = np.hypot(*(np.array(view.pixel_size_mm)[:, None] * inverse))
    new = View(frame, view.head.mapped(linear, shift), (float(steps[0]), float(steps[1])))
    true = view.hc_mm / new.hc_mm
    return replace(new, pixel_size_mm=(new.pixel_size_mm[0] * true, new.pixel_size_mm[1] * true))
