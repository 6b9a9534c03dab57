"""Where a frame's content lies in the network's input, and the way back for masks, points and ellipses.

The content is the frame without its black or even margins. It is made of square pixels and letterboxed: scaled by one
factor until it fits the network's input, centred, with black beside it. Training, calibration, benchmark and device all
use this code. The search uses integers only, so every machine finds the same content.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.head.components import label_runs

ResizeRule = Literal["area-letterbox", "area-stretch", "sampled-letterbox", "linear-stretch"]
Shrink = Literal["area", "samples", "linear"]

LETTERBOX: ResizeRule = "area-letterbox"
"""The content keeps its proportions in mm."""

STRETCH: ResizeRule = "area-stretch"
"""Each axis of the whole frame is resized by itself, as the paper does. It is right for one aspect only."""

SAMPLED: ResizeRule = "sampled-letterbox"
"""As :data:`LETTERBOX`, but where a frame shrinks along both axes, a pixel is the mean of evenly spread samples of its
area (:func:`edge_runtime.frame.resize.mean_of_samples`). It is quicker."""

LINEAR: ResizeRule = "linear-stretch"
"""As :data:`STRETCH`, but interpolated linearly where an axis shrinks, too, as the paper's program does. It looks at
few of a large frame's pixels."""

RESIZE_RULES: tuple[ResizeRule, ...] = (LETTERBOX, STRETCH, SAMPLED, LINEAR)

_SHRINKS: dict[ResizeRule, Shrink] = {SAMPLED: "samples", LINEAR: "linear"}

LEAST_SIDE = 32
"""Smallest side of a content in pixels. A smaller one is taken for a mistake of the search, and nothing is cut."""

_SAMPLES = 128
"""The shorter side of a frame is searched at about this many samples."""

_CELL = 4
"""Samples along each side of a cell. A frame of 800x540 has 50x33 cells."""

_LEAST_RANGE = 3
"""Grey levels. A cell with less between its darkest and brightest sample is even: nothing is in it."""

_RANGE_SHARE = 24
"""The same, as a divisor of the range that the strongest tenth of the cells reach, so that gain does not matter."""

_AREA_SHARE = 100
"""Groups of cells below a hundredth of the frame are specks, short texts or rulers, and not kept. Longer ones are: they
could be an arc of a skull in a dark frame."""


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: rows ``top`` to ``bottom`` and columns ``left`` to ``right``, ends exclusive."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing an array (H, W)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def moved(self, down: int, right: int) -> Box:
        """The same rectangle, some pixels further down and to the right."""
        return Box(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def within(self, size: tuple[int, int]) -> bool:
        """Whether it holds pixels, all of them in a frame of this (height, width)."""
        return 0 <= self.top < self.bottom <= size[0] and 0 <= self.left < self.right <= size[1]


@dataclass(frozen=True)
class GridWindow:
    """The samples of a grid over the network's input that show the content, and where they lie in the frame.

    Attributes:
        box: Which samples: those whose centre is in the content.
        content: The part of the frame that the network sees.
        first: (x, y) of the first of them, in pixels of the content. Pixel centres are at integers.
        step: (x, y), pixels from one to the next.
    """

    box: Box
    content: Box
    first: tuple[float, float]
    step: tuple[float, float]

    def crop(self, field: NDArray[np.float32]) -> NDArray[np.float32]:
        """The part of a field (h, w) that shows the content, a view."""
        return field[self.box.slices]

    def to_frame(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map points (N, 2), columns x and y in samples of :meth:`crop`, to pixels of the frame, float64 (N, 2)."""
        corner = self.first[0] + self.content.left, self.first[1] + self.content.top
        return np.asarray(points * np.array(self.step) + np.array(corner))


@dataclass(frozen=True)
class Geometry:
    """Where a frame lies in the network's input.

    Attributes:
        frame: (H, W) of the frame, in pixels.
        content: The part of the frame that the network sees.
        network: (h, w) of the network's input, in pixels.
        place: Where the content lies in the network's input. The rest is black.
        shrink: How it shrinks: by the average of areas, of samples in them (:data:`SAMPLED`), or linearly
            (:data:`LINEAR`).
        part: The part of the frame that was given to be measured. None for all of it.
    """

    frame: tuple[int, int]
    content: Box
    network: tuple[int, int]
    place: Box
    shrink: Shrink = "area"
    part: Box | None = None

    def window(self, stride: int = 1) -> GridWindow:
        """The samples of a grid that show the content.

        Args:
            stride: Network pixels from one sample to the next, at least 1. A sample is at the centre of its pixels.
        """
        place, (height, width) = self.place, self.content.size
        x = _span(stride, place.left, place.right, width)
        y = _span(stride, place.top, place.bottom, height)
        return GridWindow(Box(y[0], y[1], x[0], x[1]), self.content, (x[2], y[2]), (x[3], y[3]))

    def window_of(self, field: NDArray[np.generic]) -> GridWindow:
        """The same for the network's output (h, w), whose sides are those of the input or a part of them."""
        return self.window(self.stride_of(field))

    def stride_of(self, field: NDArray[np.generic]) -> int:
        """Network pixels from one sample of the network's output (h, w) to the next."""
        return self.network[0] // field.shape[0]


def find_geometry(
    gray: NDArray[np.uint8],
    network: tuple[int, int],
    pixel_size_mm: tuple[float, float] | None = None,
    rule: ResizeRule = LETTERBOX,
    part: Box | None = None,
) -> Geometry:
    """Find where a frame lies in the network's input.

    Args:
        gray: uint8 (H, W).
        network: (h, w) of the network's input, in pixels.
        pixel_size_mm: (x, y). Only their ratio matters. None for square pixels.
        rule: How the frame is fitted.
        part: The part of the frame to measure. What is outside it is not looked at. None for all of it.
    """
    frame = (gray.shape[0], gray.shape[1])
    shrink = _SHRINKS.get(rule, "area")
    seen = part or Box(0, frame[0], 0, frame[1])
    if rule in (STRETCH, LINEAR):
        return Geometry(frame, seen, network, Box(0, network[0], 0, network[1]), shrink, part)
    content = find_content(gray[seen.slices]).moved(seen.top, seen.left)
    across, down = pixel_size_mm or (1.0, 1.0)
    height, width = content.size[0] * down, content.size[1] * across
    scale = min(network[0] / height, network[1] / width)
    h, w = (min(max(1, round(side * scale)), most) for side, most in zip((height, width), network, strict=True))
    top, left = (network[0] - h) // 2, (network[1] - w) // 2
    return Geometry(frame, content, network, Box(top, top + h, left, left + w), shrink, part)


def find_content(gray: NDArray[np.uint8]) -> Box:
    """Find the part of a frame that shows something. Even margins are left out, with specks and short texts in them.

    A margin is even if its grey levels vary by 2 or less from place to place.

    Args:
        gray: uint8 (H, W).

    Returns:
        The content. The whole frame if nothing stands out, or if what does is smaller than :data:`LEAST_SIDE`.
    """
    height, width = gray.shape
    step = max(1, min(height, width) // _SAMPLES)
    rows = np.ascontiguousarray(gray[::step])  # two copies of neighbours are quicker than one of everything
    most = _ranges(np.ascontiguousarray(rows[:, ::step]))
    strong = most.size - 1 - most.size // 10
    least = max(_LEAST_RANGE, int(np.partition(most.reshape(-1), strong)[strong]) // _RANGE_SHARE)
    run, start, end, group = label_runs(most >= least)
    whole = Box(0, height, 0, width)
    if not len(run):
        return whole
    kept = np.bincount(group, weights=end - start)[group] * _AREA_SHARE >= most.size
    if not kept.any():
        return whole
    side = step * _CELL
    # One cell more on each side, and no sliver left: what is beyond the last whole cell was not looked at.
    top, bottom = _reach(int(run[kept].min()), int(run[kept].max()) + 1, side, height)
    left, right = _reach(int(start[kept].min()), int(end[kept].max()), side, width)
    found = Box(top, bottom, left, right)
    return found if min(found.size) >= min(LEAST_SIDE, height, width) else whole


def _span(stride: int, low: int, high: int, length: int) -> tuple[int, int, float, float]:
    """A window along one axis: first and last (exclusive) sample; where the first is in the content; and the step.

    Args:
        stride: As in :meth:`Geometry.window`.
        low: Where the content starts in the network's input.
        high: Where it ends there.
        length: Its length in the frame.
    """
    first, last = -((stride // 2 - low) // stride), (high - (stride + 1) // 2) // stride + 1
    last = max(last, first + 1)  # a content so thin that it has no centre in it is refused later
    scale = length / (high - low)
    return first, last, (first * stride + stride / 2 - low) * scale - 0.5, stride * scale


def _ranges(sampled: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The range of grey levels in each cell of 4x4 samples, uint8 (H // 4, W // 4). Slices are quicker here."""
    height, width = (side // _CELL * _CELL for side in sampled.shape)
    rows = [sampled[k:height:_CELL, :width] for k in range(_CELL)]
    most, least = reduce(np.maximum, rows), reduce(np.minimum, rows)
    most = reduce(np.maximum, [most[:, k::_CELL] for k in range(_CELL)])
    most -= reduce(np.minimum, [least[:, k::_CELL] for k in range(_CELL)])
    return most


def _reach(first: int, end: int, side: int, length: int) -> tuple[int, int]:
    """From cells to pixels along an axis, one cell wider on each side."""
    low, high = (first - 1) * side, (end + 1) * side
    return max(low, 0), length if high > length - 2 * side else high
