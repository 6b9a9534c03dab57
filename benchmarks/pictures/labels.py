"""Labels beside points that cover neither each other nor a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DISTANCES_PT = (6.5, 11.0, 17.0, 26.0, 37.0, 50.0, 66.0, 84.0, 104.0)
_DIRECTIONS = 24
_TRIED, _ORDERS, _ROUNDS = 90, 8, 4
"""Places of each label that are tried, orders that labels are placed in, and times that each may move."""
_GAP_PT = 1.5
_LEADER_FROM_PT = 10.0
"""From this distance on, a line ties a label to its point."""

_OUTSIDE, _LABEL, _POINT, _CROSSED, _LINE = 1e4, 3e3, 6e2, 6e2, 4.0
"""What is paid for leaving the axes, for each label covered, point covered and leader crossed, and for each point of a
line that is covered; a distance costs its length in points, and a long one more."""


@dataclass(frozen=True)
class _Place:
    """A label's box in points (left, bottom, right, top), and the leader's ends."""

    box: tuple[float, float, float, float]
    distance: float
    start: tuple[float, float]
    end: tuple[float, float]


def label(
    axes: Any, names: Sequence[str], at: Sequence[tuple[float, float]], avoid: Sequence[tuple[float, float]],
    line: Sequence[tuple[float, float]] = (), size_pt: float = 8.0,
) -> None:  # fmt: skip
    """Write each name beside its point. The limits of the axes and the figure's layout must be final.

    Args:
        axes: Where to write.
        names: The labels.
        at: Of each, its point in data coordinates.
        avoid: All points that no label may cover, in data coordinates.
        line: Corners of a line that labels had better not cover.
        size_pt: Size of the letters.
    """
    renderer = axes.figure.canvas.get_renderer()
    unit = 72 / axes.figure.dpi  # points of a pixel

    def in_points(values: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        found = axes.transData.transform(np.array(values, np.float64).reshape(-1, 2)) * unit
        return np.asarray(found, np.float64)

    points, taken, corners = in_points(at), in_points(avoid), in_points(line)
    steps = [np.linspace(a, b, 40) for a, b in pairwise(corners)]
    covered = np.concatenate(steps) if steps else np.empty((0, 2))
    window = [edge * unit for edge in axes.get_window_extent(renderer).extents]
    sizes = []
    for name in names:
        text = axes.text(0, 0, name, fontsize=size_pt)
        box = text.get_window_extent(renderer)
        sizes.append((box.width * unit, box.height * unit))
        text.remove()
    candidates = [_candidates(point, size) for point, size in zip(points, sizes, strict=True)]
    fixed = [
        np.array([_fixed_cost(place, window, taken, points[i], covered) for place in candidates[i]])
        for i in range(len(names))
    ]
    chosen = _arrange(candidates, fixed)
    for name, point, place in zip(names, points, chosen, strict=True):
        left, bottom, _, _ = place.box
        tied = place.distance >= _LEADER_FROM_PT
        if tied:
            ends = axes.transData.inverted().transform(np.array([place.start, place.end]) / unit)
            axes.plot(*ends.T, color="#777777", linewidth=0.6, zorder=2)
        offset = (left - point[0], bottom - point[1])
        where = axes.transData.inverted().transform(point / unit)
        axes.annotate(
            name, where, offset, textcoords="offset points", fontsize=size_pt, va="bottom", ha="left", zorder=6,
            annotation_clip=False,
        )  # fmt: skip


def _arrange(candidates: Sequence[Sequence[_Place]], fixed: Sequence[NDArray[np.float64]]) -> list[_Place]:
    """A place for each label: labels move to their cheapest, one by one; the cheapest of several orders is kept."""
    order = [np.argsort(costs, kind="stable")[:_TRIED] for costs in fixed]
    rng = np.random.default_rng(0)  # the same picture every time
    found: list[tuple[float, list[int]]] = []
    for _ in range(_ORDERS):
        chosen = [-1] * len(fixed)

        def costs_of(i: int, taken: Sequence[int]) -> list[float]:
            others = [candidates[j][place] for j, place in enumerate(taken) if place >= 0 and j != i]
            return [fixed[i][k] + sum(_shared_cost(candidates[i][k], other) for other in others) for k in order[i]]

        for turn in rng.permuted(np.tile(np.arange(len(fixed)), (_ROUNDS, 1)), axis=1):
            for i in turn:
                chosen[i] = int(order[i][int(np.argmin(costs_of(i, chosen)))])
        total = sum(
            fixed[i][k] + sum(_shared_cost(candidates[i][k], candidates[j][chosen[j]]) for j in range(i))
            for i, k in enumerate(chosen)
        )
        found.append((float(total), chosen))
    return [candidates[i][k] for i, k in enumerate(min(found)[1])]


def _candidates(point: NDArray[np.float64], size: tuple[float, float]) -> list[_Place]:
    """Places all around a point, at several distances; right of it comes first."""
    (x, y), (width, height) = point, size
    found = []
    for distance in _DISTANCES_PT:
        for turn in range(_DIRECTIONS):
            angle = 2 * math.pi * turn / _DIRECTIONS
            dx, dy = math.cos(angle), math.sin(angle)
            centre = (x + dx * (distance + width / 2), y + dy * (distance + height / 2))
            box = (centre[0] - width / 2, centre[1] - height / 2, centre[0] + width / 2, centre[1] + height / 2)
            end = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
            length = math.dist((x, y), end)
            if length < _DISTANCES_PT[0] - 1e-9:
                continue
            start = (x + (end[0] - x) * 4 / length, y + (end[1] - y) * 4 / length)
            found.append(_Place(box, length, start, end))
    return found


def _fixed_cost(
    place: _Place, window: Sequence[float], taken: NDArray[np.float64], own: NDArray[np.float64],
    covered: NDArray[np.float64],
) -> float:  # fmt: skip
    """What a place costs whatever the other labels do."""
    left, bottom, right, top = place.box
    outside = left < window[0] or bottom < window[1] or right > window[2] or top > window[3]
    around = 4.5  # half a marker, in points
    others = taken[np.abs(taken - own).max(axis=1) > 1e-6] if len(taken) else taken
    cost = place.distance * (1 + place.distance / 30) + _OUTSIDE * outside + _POINT * _inside(place.box, others, around)
    if place.distance >= _LEADER_FROM_PT:
        path = np.linspace(place.start, place.end, 20)
        cost += _CROSSED * sum(bool((np.hypot(*(path - other).T) < around).any()) for other in others)
    return cost + _LINE * _inside(place.box, covered, _GAP_PT)


def _inside(box: tuple[float, float, float, float], points: NDArray[np.float64], gap: float) -> int:
    """How many points lie in a box that is larger by a gap all around."""
    if not len(points):
        return 0
    x, y = points.T
    left, bottom, right, top = box
    return int(((x > left - gap) & (x < right + gap) & (y > bottom - gap) & (y < top + gap)).sum())


def _shared_cost(one: _Place, other: _Place) -> float:
    """What two labels' places cost together."""
    a, b = one.box, other.box
    apart = a[2] + _GAP_PT < b[0] or b[2] + _GAP_PT < a[0] or a[3] + _GAP_PT < b[1] or b[3] + _GAP_PT < a[1]
    cost = 0.0 if apart else _LABEL
    for mine, theirs in ((one, other), (other, one)):
        if mine.distance >= _LEADER_FROM_PT:
            cost += _CROSSED * _passes(mine, theirs.box)
    if min(one.distance, other.distance) >= _LEADER_FROM_PT and _cross(one, other):
        cost += _CROSSED
    return cost


def _passes(place: _Place, box: tuple[float, float, float, float]) -> bool:
    """Whether a place's leader passes through a box."""
    (x, y), (to_x, to_y) = place.start, place.end
    steps = [step / 15 for step in range(16)]
    return any(box[0] < x + s * (to_x - x) < box[2] and box[1] < y + s * (to_y - y) < box[3] for s in steps)


def _cross(one: _Place, other: _Place) -> bool:
    """Whether two leaders cross."""

    def side(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0

    a, b, c, d = one.start, one.end, other.start, other.end
    return side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)
