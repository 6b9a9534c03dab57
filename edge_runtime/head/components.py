"""Connected regions of a binary mask, found from its runs in NumPy. The cost grows with the outline, not the area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CANDIDATE_SHARE = 0.15
"""A region smaller than this share of the largest is not taken for a head."""

CERTAIN = 8.0
"""Logit, relative to the threshold, from which more adds nothing to a region's certainty."""


def find_runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Find every horizontal run of True, in reading order.

    Args:
        mask: bool (H, W).

    Returns:
        Row, start and end (exclusive) of each run, as three arrays (N,).
    """
    height, width = mask.shape
    # With one False at the beginning and one after each row, starts and ends alternate along the flat array.
    flat = np.zeros(1 + height * (width + 1), dtype=bool)
    flat[1:].reshape(height, width + 1)[:, :width] = mask
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    rows, starts = np.divmod(edges[0::2], width + 1)
    return rows, starts, edges[1::2] - rows * (width + 1)


def _roots(rows: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp], reach: int) -> NDArray[np.intp]:
    """The first run of each run's region. ``reach`` is 1 if diagonal neighbours touch (8-connectivity), else 0."""
    # Runs are sorted by row and start, so the runs above that touch run i are a contiguous range.
    width = int(ends.max(initial=0)) + 2
    low = np.searchsorted(rows * width + ends, (rows - 1) * width + starts - reach, side="right")
    high = np.searchsorted(rows * width + starts, (rows - 1) * width + ends + reach, side="left")
    touching = high - low
    parent = np.where(touching > 0, low, np.arange(len(rows)))  # the first above, which joins most of them
    more = np.flatnonzero(touching > 1)
    count = touching[more] - 1
    below = np.repeat(more, count)
    above = np.arange(len(below)) + np.repeat((low + 1)[more] - np.cumsum(count) + count, count)
    while True:
        while ((grand := parent[parent]) != parent).any():  # until every run points at its root again
            parent = grand
        a, b = parent[above], parent[below]
        apart = a != b
        if not apart.any():
            return parent
        np.minimum.at(parent, np.maximum(a, b)[apart], np.minimum(a, b)[apart])


def label_runs(
    mask: NDArray[np.bool_],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Find every horizontal run of True and the 8-connected region that it belongs to.

    Args:
        mask: bool (H, W).

    Returns:
        Row, start and end (exclusive) of each run, and the index of its region's first run, as four arrays (N,).
    """
    rows, starts, ends = find_runs(mask)
    return rows, starts, ends, _roots(rows, starts, ends, reach=1)


def _paint(
    shape: tuple[int, ...], rows: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> NDArray[np.bool_]:
    height, width = shape
    step = np.zeros((height, width + 1), dtype=np.int8)
    step[rows, starts] = 1
    step[rows, ends] = -1
    return np.cumsum(step, dtype=np.int8).reshape(height, width + 1)[:, :width].astype(bool)


def _one_piece(rows: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp]) -> bool:
    """Whether there is one run per row and each touches the one above. Then they are one region without holes."""
    return bool(
        (rows[1:] - rows[:-1] == 1).all() and (starts[1:] <= ends[:-1]).all() and (starts[:-1] <= ends[1:]).all()
    )


def largest_region(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """Keep the largest 8-connected region of a mask, and fill its holes.

    Args:
        mask: bool (H, W).

    Returns:
        The region as bool (H, W), and the number of regions in the mask. The region is empty if the mask is.
    """
    rows, starts, ends = find_runs(mask)
    if len(rows) == 0:
        return np.zeros_like(mask), 0
    if _one_piece(rows, starts, ends):
        return mask.copy(), 1
    roots = _roots(rows, starts, ends, reach=1)
    area = np.bincount(roots, weights=ends - starts)
    keep = roots == int(np.argmax(area))
    rows, starts, ends = rows[keep], starts[keep], ends[keep]
    region = _paint(mask.shape, rows, starts, ends)
    if (rows[1:] == rows[:-1]).any():  # with one run per row there are no holes
        region = fill_holes(region)
    return region, int(np.count_nonzero(area))


@dataclass(frozen=True)
class Likeliest:
    """The region that is most likely the head.

    Attributes:
        region: bool (H, W), with its holes filled. Empty if there is none.
        regions: Number of regions.
        rival: Certainty of the second most certain region, relative to the first's, 0 to 1. Regions below
            :data:`CANDIDATE_SHARE` of the largest do not count: 0 if there is no other.
    """

    region: NDArray[np.bool_]
    regions: int
    rival: float


def likeliest_region(field: NDArray[np.float32]) -> Likeliest:
    """Choose the 8-connected region above 0 that the network is most certain of, and fill its holes.

    Not the largest: beside a head, a trunk may be larger. Certainty is the mean of the field in a region, each value
    counted up to :data:`CERTAIN`.

    Args:
        field: float32 (H, W), logits relative to the threshold.
    """
    mask = field > 0
    rows, starts, ends = find_runs(mask)
    if len(rows) == 0 or _one_piece(rows, starts, ends):
        return Likeliest(mask, min(len(rows), 1), 0.0)
    roots = _roots(rows, starts, ends, reach=1)
    area = np.bincount(roots, weights=ends - starts)
    candidates = np.flatnonzero(area >= CANDIDATE_SHARE * area.max())
    best, rival = int(candidates[0]), 0.0
    if len(candidates) > 1:
        total = np.concatenate([[0.0], np.cumsum(np.minimum(field, CERTAIN), dtype=np.float64)])
        first = rows * mask.shape[1]
        sums = np.bincount(roots, weights=total[first + ends] - total[first + starts])
        certainty = sums[candidates] / area[candidates]
        order = np.argsort(-certainty, kind="stable")
        best = int(candidates[order[0]])
        rival = float(certainty[order[1]] / certainty[order[0]])
    keep = roots == best
    rows, starts, ends = rows[keep], starts[keep], ends[keep]
    region = _paint(mask.shape, rows, starts, ends)
    if (rows[1:] == rows[:-1]).any():  # with one run per row there are no holes
        region = fill_holes(region)
    return Likeliest(region, int(np.count_nonzero(area)), rival)


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill the holes of a mask: background that no 4-connected path joins to the border.

    Args:
        mask: bool (H, W).

    Returns:
        bool (H, W).
    """
    rows, starts, ends = find_runs(~mask)
    roots = _roots(rows, starts, ends, reach=0)
    height, width = mask.shape
    at_border = (rows == 0) | (rows == height - 1) | (starts == 0) | (ends == width)
    outside = np.zeros(len(rows), dtype=bool)
    outside[roots[at_border]] = True
    hole = ~outside[roots]
    return mask | _paint(mask.shape, rows[hole], starts[hole], ends[hole])
