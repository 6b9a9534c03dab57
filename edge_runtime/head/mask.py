"""The head's mask at the size of the frame, without interpolating every pixel.

A frame has 430,000 pixels, and the network's output 2,400. Interpolating every pixel would take longer than the network
itself, and is needed only beside the outline.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.resize import Taps, blend, linear_taps
from edge_runtime.frame.scratch import blocks, borrow
from edge_runtime.head.components import find_runs

Axis = tuple[float, float]
"""Where the first sample along an axis lies in the result, and the pixels from one sample to the next."""


def _even(n_in: int, n_out: int) -> Axis:
    """The axis of samples that share the pixels evenly."""
    return 0.5 * n_out / n_in - 0.5, n_out / n_in


@lru_cache(maxsize=32)
def _cells(n_in: int, n_out: int, axis: Axis) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """For an axis that grows: which output samples lie between which input samples, and their weights.

    Cell c lies between the input samples c - 1 and c. The first and the last cell have the border sample on both sides.

    Returns:
        ``first`` (n_in + 2,): cell c holds the output samples from ``first[c]`` up to, not including, ``first[c + 1]``.
        Then the weights of the samples before and after, (K, n_in + 1) each, where K is the largest number of samples
        in a cell. Unused entries are 0.
    """
    weight = linear_taps(n_in, n_out, *axis).weight
    cell = np.floor((np.arange(n_out) - axis[0]) / axis[1]).astype(np.intp) + 1  # as in linear_taps
    cell = cell.clip(0, n_in)
    first = np.searchsorted(cell, np.arange(n_in + 2))
    count = first[1:] - first[:-1]
    place = np.arange(count.max())[:, None]
    held = place < count
    sample = np.where(held, first[:-1] + place, 0)
    before, after = (np.where(held, w[sample], np.float32(0)) for w in weight)
    return first, before, after


def positive_at(
    field: NDArray[np.float32], size: tuple[int, int], axes: tuple[Axis, Axis] | None = None
) -> NDArray[np.bool_]:
    """Find where a field is above 0 at the pixels of an image, interpolated linearly; beyond its samples it is even.

    Between two samples that are both inside or both outside, linear interpolation does not change sign. So the field is
    resized in height only. Along each row, only the pixels between an inside and an outside sample are computed.

    Args:
        field: float32 (h, w), finite.
        size: The wanted (H, W), in pixels.
        axes: How the samples lie among the pixels: down, then across. None if they share the image evenly.

    Returns:
        bool (H, W), a new array that belongs to the caller.
    """
    height, width = field.shape
    above = field > 0
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if len(rows) == 0:
        return np.zeros(size, dtype=bool)
    down, across = axes or (_even(height, size[0]), _even(width, size[1]))
    taps = linear_taps(height, size[0], *down)
    if min(down[1], across[1]) < 1:  # there are pixels without a sample beside them
        return _each(field, size, taps, linear_taps(width, size[1], *across))
    left, right = max(columns[0] - 1, 0), min(columns[-1] + 2, width)  # one sample more: the outline lies between
    seen = np.ascontiguousarray(field[:, left:right])
    top, bottom = np.searchsorted(taps.index[-1], rows[0]), np.searchsorted(taps.index[0], rows[-1], side="right")
    if bottom <= top:  # the region is between two rows of pixels, or beyond them
        return np.zeros(size, dtype=bool)
    edges = [np.zeros(1, dtype=np.intp)]
    for part in blocks(bottom - top, seen.shape[1]):
        part = slice(top + part.start, top + part.stop)
        shape = (part.stop - part.start, seen.shape[1])
        values, term = borrow(0, shape), borrow(1, shape)
        blend(seen, taps, part, 0, values, term, term)
        edges.append(_find_edges(values, left, width, size[1], across) + part.start * size[1])
    edges.append(np.full(1, size[0] * size[1]))
    # The flat mask consists of alternating runs of outside and inside, each from one edge to the next.
    where = np.concatenate(edges)
    inside = np.zeros(len(where) - 1, dtype=bool)
    inside[1::2] = True
    return inside.repeat(where[1:] - where[:-1]).reshape(size)


def _each(field: NDArray[np.float32], size: tuple[int, int], down: Taps, across: Taps) -> NDArray[np.bool_]:
    """The same, of every pixel, for images with fewer pixels than samples."""
    rows, term = np.empty((2, size[0], field.shape[1]), dtype=np.float32)
    blend(field, down, slice(None), 0, rows, term, term)
    values, term = np.empty((2, *size), dtype=np.float32)
    blend(rows, across, slice(None), 1, values, term, term)
    return np.asarray(values > 0)


def _find_edges(values: NDArray[np.float32], left: int, width: int, width_out: int, axis: Axis) -> NDArray[np.intp]:
    """Alternating starts and ends (exclusive) of runs of pixels above 0, as indices into the flat mask of these rows.

    Args:
        values: float32 (n, c), samples of n rows. Samples to their left and right are not above 0.
        left: Index of the first of the c samples among the ``width`` samples of a row.
        width: Number of samples in a row.
        width_out: Number of pixels in a row.
        axis: How the samples lie among them.
    """
    rows, starts, ends = find_runs(values > 0)
    first, before, after = _cells(width, width_out, axis)
    last = values.shape[1] - 1
    row = np.tile(rows * values.shape[1], 2)
    # Count the pixels that are inside, in the cell before each run's first sample and in the cell after its last.
    column = np.concatenate([starts, ends])
    a, b = (values.take(row + c.clip(0, last)) for c in (column - 1, column))
    column += left
    pixels = a * before.take(column, axis=1)
    pixels += b * after.take(column, axis=1)
    at_start, at_end = np.add.reduce(pixels > 0, axis=0, dtype=np.intp).reshape(2, -1)
    edges = np.empty((len(rows), 2), dtype=np.intp)
    edges[:, 0] = first[starts + left + 1] - at_start
    edges[:, 1] = first[ends + left] + at_end
    edges += (rows * width_out)[:, None]
    return edges.reshape(-1)
