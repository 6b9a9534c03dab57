"""From a scanner's frame to the network's input. Training, calibration and the device all use this code.

All arithmetic is element-wise float32 in a fixed order, so a frame gives the same bytes on every machine. A matrix
product would be faster, but each BLAS library adds in its own order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError
from edge_runtime.frame.geometry import LETTERBOX, Box, Geometry, ResizeRule, find_geometry
from edge_runtime.frame.greys import Greys, count_greys
from edge_runtime.frame.resize import blend, find_taps, mean_of_samples, sample_places
from edge_runtime.frame.scratch import blocks, borrow, scratch

MIN_FRAME_SIDE = 32
"""In pixels. In a smaller frame, a head has too few pixels to be measured."""

MAX_FRAME_SIDE = 16384
"""In pixels. A larger frame is taken for a mistake."""

# ITU-R BT.601 luma in thousandths. The weights are integers, so equal channels give exactly their own value.
_LUMA = (299, 587, 114)


def check_frame(frame: object) -> NDArray[np.uint8]:
    """Check that an object is a valid frame.

    Args:
        frame: uint8 array, (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, each side 32 to 16384 pixels. It may
            have any strides, be read-only, and be in memory or in a file (``numpy.memmap``).

    Returns:
        The same array, or a plain view of it if it is a ``memmap``. The runtime never writes to it.

    Raises:
        InputError: It is not an array, is a subclass of array that carries more than pixels, has another dtype or
            another number of axes or channels, or has a side out of range.
    """
    if not isinstance(frame, np.ndarray):
        raise InputError(
            f"A frame must be a NumPy array, not {type(frame).__name__}. Convert it with numpy.asarray(frame)."
        )
    if type(frame) not in (np.ndarray, np.memmap):
        raise InputError(
            f"A frame must be a plain NumPy array, not {type(frame).__name__}. Anything it holds besides pixels, such "
            "as a mask, would be ignored. If that is what you want, convert it with numpy.asarray(frame)."
        )
    if frame.dtype != np.uint8:
        raise InputError(
            f"A frame must have dtype uint8 (0 to 255), not {frame.dtype}. Scale it to 8 bits the way your display "
            "does. The runtime does not guess a scale, because it changes what the network sees."
        )
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (1, 3, 4)):
        raise InputError(f"A frame must have shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {frame.shape}.")
    height, width = frame.shape[:2]
    if min(height, width) < MIN_FRAME_SIDE or max(height, width) > MAX_FRAME_SIDE:
        raise InputError(
            f"This frame is {height} high and {width} wide; each side must have {MIN_FRAME_SIDE} to {MAX_FRAME_SIDE} "
            "pixels."
        )
    return np.asarray(frame)


def check_part(part: Box | None, frame: NDArray[np.uint8]) -> None:
    """Check that the part of a frame to measure lies in it.

    Raises:
        InputError: It does not, or has a side below :data:`MIN_FRAME_SIDE`.
    """
    height, width = frame.shape[:2]
    if part is not None and not (part.within((height, width)) and min(part.size) >= MIN_FRAME_SIDE):
        raise InputError(
            f"The part of the frame to measure is rows {part.top} to {part.bottom} and columns {part.left} to "
            f"{part.right} of {height} x {width} pixels (height x width). It must lie in the frame, and each side must "
            f"have at least {MIN_FRAME_SIDE} pixels."
        )


def to_gray(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce a frame to one grey channel (ITU-R BT.601 luma). Alpha is ignored.

    Args:
        frame: A frame, as :func:`check_frame` accepts it.

    Returns:
        uint8 array (H, W).
    """
    frame = check_frame(frame)
    if frame.ndim == 2:
        return frame
    if frame.shape[2] == 1:
        return frame[:, :, 0]
    gray = np.empty(frame.shape[:2], dtype=np.uint8)
    for part in blocks(frame.shape[0], frame.shape[1]):
        red, green, blue = (frame[part, :, c].astype(np.int32) for c in range(3))
        luma = red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2] + 500
        gray[part] = luma // 1000
    return gray


@dataclass(frozen=True)
class Prepared:
    """A network's input, and where the frame lies in it.

    Attributes:
        image: uint8 (h, w). The network reads byte / 255. A ``full_int8`` model reads the bytes themselves.
        geometry: Where the frame lies in it.
    """

    image: NDArray[np.uint8]
    geometry: Geometry

    @property
    def seen(self) -> NDArray[np.uint8]:
        """The frame's content in it, uint8 (h', w'), a view."""
        return self.image[self.geometry.place.slices]

    @cached_property
    def greys(self) -> Greys:
        """The grey levels of its content, counted when first asked for."""
        return count_greys(self.seen)


def prepare(
    frame: NDArray[np.uint8],
    size: tuple[int, int],
    pixel_size_mm: tuple[float, float] | None = None,
    rule: ResizeRule = LETTERBOX,
    part: Box | None = None,
) -> Prepared:
    """Make the network's input from a frame.

    Args:
        frame: A frame, as :func:`check_frame` accepts it.
        size: (height, width) of the network's input, in pixels.
        pixel_size_mm: (x, y). Only their ratio matters. None for square pixels.
        rule: How the frame is fitted into the input. The model's manifest names it.
        part: The part of the frame to measure, as :func:`check_part` accepts it. None for all of it.
    """
    gray = to_gray(frame)
    return place(gray, find_geometry(gray, size, pixel_size_mm, rule, part))


def place(gray: NDArray[np.uint8], geometry: Geometry) -> Prepared:
    """Make the network's input from a grey frame whose geometry is known.

    Args:
        gray: uint8 (H, W).
        geometry: Of this frame.
    """
    image = np.zeros(geometry.network, dtype=np.uint8)
    out = image[geometry.place.slices]
    shrinks = all(many >= few for many, few in zip(geometry.content.size, out.shape, strict=True))
    if geometry.shrink == "samples" and shrinks:
        _by_samples(gray, geometry.content, out)
    else:
        _by_taps(np.ascontiguousarray(gray[geometry.content.slices]), out, geometry.shrink != "linear")
    return Prepared(image, geometry)


def _by_samples(gray: NDArray[np.uint8], content: Box, out: NDArray[np.uint8]) -> None:
    """Shrink a frame's content into ``out`` by the mean of samples, read from the frame itself: a copy takes longer."""
    (height, width), (out_height, out_width) = content.size, out.shape
    down = sample_places(height, out_height) + content.top
    across = sample_places(width, out_width) + content.left
    whole = gray.shape[1]
    for part in blocks(out_height, whole):
        shape = (part.stop - part.start, whole)
        gathered = scratch()[0].view(np.uint8)[: shape[0] * whole].reshape(shape)
        rows = scratch()[1].view(np.uint16)[: shape[0] * whole].reshape(shape)
        out[part] = mean_of_samples(gray, down[:, part], across, gathered, rows)


def _by_taps(seen: NDArray[np.uint8], out: NDArray[np.uint8], averages: bool) -> None:
    """Resize a frame's content into ``out``: each axis linearly, or by area average if it ``averages`` and shrinks."""
    (height, width), (out_height, out_width) = seen.shape, out.shape
    down, across = find_taps(height, out_height, averages), find_taps(width, out_width, averages).without_noise()
    for part in blocks(out_height, max(width, out_width)):
        tall, small = (part.stop - part.start, width), (part.stop - part.start, out_width)
        # The frame's bytes, gathered for one tap. They share an array with `sums` below, which is written after them.
        grey_rows = scratch()[2].view(np.uint8)[: tall[0] * width].reshape(tall)
        rows, sums = borrow(0, tall), borrow(1, small)
        blend(seen, down, part, 0, rows, borrow(1, tall), grey_rows)
        blend(rows, across, slice(None), 1, sums, borrow(2, small), borrow(2, small))
        out[part] = np.rint(sums, out=sums)


def to_unit(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The input of a network that reads floats: a prepared frame's bytes / 255, float32 in [0, 1], same shape."""
    return frame.astype(np.float32) / np.float32(255)
