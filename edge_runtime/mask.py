"""The head's mask at the frame's size, without interpolating every pixel of the frame."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_runtime.components import find_runs
from edge_runtime.preprocess import find_taps, resize, resize_rows

_MANY_RUNS = 16
"""Runs a row, on average, above which interpolating every pixel takes less time; a head has one."""


@lru_cache(maxsize=8)
def _cells(n_in: int, n_out: int) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """Which output samples lie between which input samples along an axis that grows, and their weights.

    Cell c lies between input samples c - 1 and c; the first and the last have the border's sample on both sides.

    Returns:
        ``first`` (n_in + 2,): cell c holds the output samples from ``first[c]`` to ``first[c + 1]``, exclusive; and the
        weights of the sample before and after, (n_in + 1, K) each, with zeros where a cell holds fewer than K.
    """
    weight = find_taps(n_in, n_out)[1]
    cell = np.floor((np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5).astype(np.intp) + 1  # as find_taps has it
    first = np.searchsorted(cell, np.arange(n_in + 2))
    count = first[1:] - first[:-1]
    place = np.arange(count.max())
    held = place < count[:, None]
    sample = np.where(held, first[:-1, None] + place, 0)
    before, after = (np.where(held, w[sample], np.float32(0)) for w in weight)
    return first, before, after


def positive_at(field: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a field, resized, is above 0: the bytes of ``resize(field, size) > 0``.

    Along a row that is interpolated linearly, the sign changes only where it does between two samples. So the samples'
    rows are resized in height, and only the pixels between a sample inside and one outside are computed.

    Args:
        field: float32 (h, w), finite.
        size: (H, W) wanted, in pixels.

    Returns:
        bool (H, W), a new array that nothing else holds.
    """
    height, width = field.shape
    above = field > 0
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if len(rows) == 0:
        return np.zeros(size, dtype=bool)
    if size[1] < width:  # an average over several samples, which may change sign anywhere
        return np.asarray(resize(field, size) > 0)
    left, right = max(columns[0] - 1, 0), min(columns[-1] + 2, width)
    index = find_taps(height, size[0])[0]
    top, bottom = np.searchsorted(index[-1], rows[0]), np.searchsorted(index[0], rows[-1], side="right")
    values = resize_rows(field[:, left:right], size[0], slice(top, bottom))
    rows, starts, ends = find_runs(values > 0)
    if len(rows) > _MANY_RUNS * len(values):
        return np.asarray(resize(field, size) > 0)
    first, before, after = _cells(width, size[1])

    def inside(column: NDArray[np.intp]) -> NDArray[np.intp]:
        """How many pixels are inside of those between the samples before and at a column of ``values``."""
        a, b = values[rows, np.maximum(column - 1, 0)], values[rows, np.minimum(column, values.shape[1] - 1)]
        pixels = a[:, None] * before[column + left]
        pixels += b[:, None] * after[column + left]
        return np.asarray((pixels > 0).sum(axis=1))

    origin = (rows + top) * size[1]
    starts, ends = (origin + first[starts + left + 1] - inside(starts), origin + first[ends + left] + inside(ends))
    out = np.zeros(size, dtype=bool)
    flat = out.reshape(-1)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        flat[start:end] = True
    return out
