"""The head's mask at the size of the frame, without interpolating every pixel.

A frame has 430,000 pixels, and the network's output 38,000. Interpolating every pixel would take longer than the
network itself, and is needed only beside the outline.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.resize import blend, find_taps, resize
from edge_runtime.frame.scratch import blocks, borrow
from edge_runtime.head.components import find_runs


@lru_cache(maxsize=32)
def _cells(n_in: int, n_out: int) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """For an axis that grows: which output samples lie between which input samples, and their weights.

    Cell c lies between the input samples c - 1 and c. The first and the last cell have the border sample on both sides.

    Returns:
        ``first`` (n_in + 2,): cell c holds the output samples from ``first[c]`` up to, not including, ``first[c + 1]``.
        Then the weights of the samples before and after, (K, n_in + 1) each, where K is the largest number of samples
        in a cell. Unused entries are 0.
    """
    weight = find_taps(n_in, n_out).weight
    cell = np.floor((np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5).astype(np.intp) + 1  # as in find_taps
    first = np.searchsorted(cell, np.arange(n_in + 2))
    count = first[1:] - first[:-1]
    place = np.arange(count.max())[:, None]
    held = place < count
    sample = np.where(held, first[:-1] + place, 0)
    before, after = (np.where(held, w[sample], np.float32(0)) for w in weight)
    return first, before, after


def positive_at(field: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Find where a resized field is above 0. The result has the same bytes as ``resize(field, size) > 0``.

    Between two samples that are both inside or both outside, linear interpolation does not change sign. So the field is
    resized in height only. Along each row, only the pixels between an inside and an outside sample are computed.

    Args:
        field: float32 (h, w), finite.
        size: The wanted (H, W), in pixels.

    Returns:
        bool (H, W), a new array that belongs to the caller.
    """
    height, width = field.shape
    above = field > 0
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if len(rows) == 0:
        return np.zeros(size, dtype=bool)
    if size[1] < width:  # an average over several samples, which may change sign anywhere
        return np.asarray(resize(field, size) > 0)
    left, right = max(columns[0] - 1, 0), min(columns[-1] + 2, width)  # one sample more: the outline lies between
    seen = np.ascontiguousarray(field[:, left:right])
    taps = find_taps(height, size[0])
    top, bottom = np.searchsorted(taps.index[-1], rows[0]), np.searchsorted(taps.index[0], rows[-1], side="right")
    edges = [np.zeros(1, dtype=np.intp)]
    for part in blocks(bottom - top, seen.shape[1]):
        part = slice(top + part.start, top + part.stop)
        shape = (part.stop - part.start, seen.shape[1])
        values, term = borrow(0, shape), borrow(1, shape)
        blend(seen, taps, part, 0, values, term, term)
        edges.append(_find_edges(values, left, width, size[1]) + part.start * size[1])
    edges.append(np.full(1, size[0] * size[1]))
    # The flat mask consists of alternating runs of outside and inside, each from one edge to the next.
    where = np.concatenate(edges)
    inside = np.zeros(len(where) - 1, dtype=bool)
    inside[1::2] = True
    return inside.repeat(where[1:] - where[:-1]).reshape(size)


def _find_edges(values: NDArray[np.float32], left: int, width: int, width_out: int) -> NDArray[np.intp]:
    """Alternating starts and ends (exclusive) of runs of pixels above 0, as indices into the flat mask of these rows.

    Args:
        values: float32 (n, c), samples of n rows. Samples to their left and right are not above 0.
        left: Index of the first of the c samples among the ``width`` samples of a row.
        width: Number of samples in a row.
        width_out: Number of pixels in a row.
    """
    rows, starts, ends = find_runs(values > 0)
    first, before, after = _cells(width, width_out)
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
