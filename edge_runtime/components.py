"""Connected regions of a binary mask, in numpy, by runs and union-find."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Row, start and end (exclusive) of every horizontal run of True, in reading order."""
    edges = np.diff(mask.astype(np.int8), axis=1, prepend=0, append=0)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    return rows, starts, ends


def _roots(rows: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp], reach: int) -> NDArray[np.intp]:
    """Component of each run; ``reach`` is 1 where diagonal neighbours touch (8-connectivity), else 0."""
    parent = list(range(len(rows)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    # Runs are sorted by (row, start): the runs above that touch run i are a contiguous range.
    width = int(ends.max(initial=0)) + 2
    key_end = rows * width + ends
    key_start = rows * width + starts
    low = np.searchsorted(key_end, (rows - 1) * width + starts - reach, side="right")
    high = np.searchsorted(key_start, (rows - 1) * width + ends + reach, side="left")
    for i in range(len(rows)):
        for j in range(low[i], high[i]):
            a, b = find(i), find(j)
            if a != b:
                parent[max(a, b)] = min(a, b)
    return np.array([find(i) for i in range(len(rows))], dtype=np.intp)


def _paint(
    shape: tuple[int, ...], rows: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> NDArray[np.bool_]:
    out = np.zeros(shape, dtype=bool)
    for row, start, end in zip(rows, starts, ends, strict=True):
        out[row, start:end] = True
    return out


def largest_region(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """Keep the largest 8-connected region of a mask, its holes filled.

    Args:
        mask: bool (H, W).

    Returns:
        The region as bool (H, W), empty where the mask is, and the number of regions the mask had.
    """
    rows, starts, ends = _runs(mask)
    if len(rows) == 0:
        return np.zeros_like(mask), 0
    roots = _roots(rows, starts, ends, reach=1)
    area = np.bincount(roots, weights=ends - starts)
    keep = roots == int(np.argmax(area))
    region = _paint(mask.shape, rows[keep], starts[keep], ends[keep])
    return fill_holes(region), int(np.count_nonzero(np.bincount(roots)))


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill what the mask encloses: background that no 4-connected path joins to the border.

    Args:
        mask: bool (H, W).

    Returns:
        bool (H, W).
    """
    rows, starts, ends = _runs(~mask)
    if len(rows) == 0:
        return mask.copy()
    roots = _roots(rows, starts, ends, reach=0)
    height, width = mask.shape
    at_border = (rows == 0) | (rows == height - 1) | (starts == 0) | (ends == width)
    hole = ~np.isin(roots, roots[at_border])
    return mask | _paint(mask.shape, rows[hole], starts[hole], ends[hole])
