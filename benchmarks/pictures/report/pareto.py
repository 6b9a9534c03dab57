"""Dice against what it costs: which artifacts no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.pictures.labels import label
from benchmarks.pictures.plots import log_axis
from benchmarks.pictures.report.canvas import COLORS, FAINT, INK, MARKERS, MUTED, PAPER, canvas, to_themed_svg

_LOG_FROM = 6.0
"""An axis is logarithmic if its largest value is at least this many times the smallest."""

_SMALLEST, _LARGEST = 4.5, 13.0
"""Of markers, in points."""

_RECIPES = ("float32", "float16", "full_int8", "dynamic_int8")


@dataclass(frozen=True)
class Point:
    """One artifact.

    Attributes:
        name: What is written beside it.
        recipe: Its recipe, which has its own marker and colour.
        x: What it costs.
        dice: Mean Dice in %.
        dice_low: Lower end of its 95 % interval.
        dice_high: Its upper end.
        size: Size of its file in MB, which the marker grows with.
    """

    name: str
    recipe: str
    x: float
    dice: float
    dice_low: float
    dice_high: float
    size: float


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats: none is at most as costly and at least as good, and better in one of them."""

    def beaten(point: Point) -> bool:
        return any(
            other.x <= point.x and other.dice >= point.dice and (other.x, other.dice) != (point.x, point.dice)
            for other in points
        )

    return sorted((point for point in points if not beaten(point)), key=lambda point: (point.x, point.dice))


def draw(points: Sequence[Point], x_label: str, sized: bool) -> bytes:
    """Draw a trade-off as SVG.

    Args:
        points: At least one.
        x_label: The cost with its unit.
        sized: Whether markers grow with the files.
    """
    best = front(points)
    largest = max(point.size for point in points)
    with canvas(4.2) as (figure, (axes,)):
        for recipe in sorted({point.recipe for point in points}, key=_place):
            color, marker = COLORS[_place(recipe) % len(COLORS)], MARKERS[_place(recipe) % len(MARKERS)]
            for point in (point for point in points if point.recipe == recipe):
                axes.plot([point.x] * 2, [point.dice_low, point.dice_high], color=FAINT, linewidth=1.2, zorder=1)
                size = _SMALLEST + (_LARGEST - _SMALLEST) * (point.size / largest) ** 0.5 if sized else 8
                face = color if point in best else PAPER
                axes.plot(
                    [point.x], [point.dice], marker, color=face, markeredgecolor=color, markeredgewidth=1.5,
                    markersize=size, zorder=3,
                )  # fmt: skip
            axes.plot([], [], marker, color=color, markersize=7, label=recipe)
        stairs = _stairs(best)
        axes.plot(*zip(*stairs, strict=True), color=INK, linewidth=1, linestyle="--", zorder=2, label="Pareto front")
        values = [point.x for point in points]
        if min(values) > 0 and max(values) / min(values) >= _LOG_FROM:
            axes.set_xlim(min(values) / 1.5, max(values) * 1.5)
            log_axis(axes)
        else:
            axes.set_xlim(0, max(values) * 1.15)
        axes.margins(y=0.12)
        axes.set_xlabel(x_label)
        axes.set_ylabel("Dice (%), mean and 95 % interval")
        figure.legend(loc="outside upper center", ncols=3, handletextpad=0.3, columnspacing=1.2)
        figure.canvas.draw()
        figure.set_layout_engine("none")
        named = _named(points, best)
        label(axes, [p.name for p in named], [(p.x, p.dice) for p in named], [(p.x, p.dice) for p in points], stairs)
        for text in axes.texts:
            text.set_color(INK if text.get_text() in {p.name for p in best} else MUTED)
        return to_themed_svg(figure)


def _stairs(best: Sequence[Point]) -> list[tuple[float, float]]:
    """Corners of the line along the front, which is level up to the next point."""
    corners = [(best[0].x, best[0].dice)]
    for before, after in pairwise(best):
        corners += [(after.x, before.dice), (after.x, after.dice)]
    return corners


def _place(recipe: str) -> int:
    """A recipe's marker and colour are the same in all pictures; what has none of its own takes the last."""
    return _RECIPES.index(recipe) if recipe in _RECIPES else len(_RECIPES)


def _named(points: Sequence[Point], best: Sequence[Point]) -> list[Point]:
    """What gets its name: one point of each name, on the front if one is there, else the best."""
    ordered = sorted(points, key=lambda point: (point not in best, -point.dice))
    first: dict[str, Point] = {}
    for point in ordered:
        first.setdefault(point.name, point)
    return list(first.values())
