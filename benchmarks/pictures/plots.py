"""Pictures of results, as SVG: size and latency against Dice, and what each recipe costs.

Colours are Okabe and Ito's, which colour-blind people can tell apart; every recipe also has its own marker.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.common.scores import Scores
from benchmarks.common.tables import NOT_MEASURED
from benchmarks.suite.accuracy import find_reference, shifts
from benchmarks.suite.columns import title
from benchmarks.suite.document import Result
from edge_runtime.common.optional import require

STYLES = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"), ("#D55E00", "D"), ("#CC79A7", "v"), ("#56B4E9", "P"))
RC = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "svg.hashsalt": "fetal-head-edge",  # the same result gives the same file
}
_LABEL_GAP_PT = 12.0
"""Distance between two labels at the margin, from baseline to baseline, in points."""

LOG_FROM = 4.0
"""An axis is logarithmic if its largest value is at least this many times the smallest."""


@dataclass(frozen=True)
class Point:
    """One artifact in a trade-off plot; Dice in %, x in the plot's unit."""

    strategy: str
    recipe: str
    x: float
    x_high: float
    dice: float
    dice_low: float
    dice_high: float


def size_points(results: Sequence[Result]) -> list[Point]:
    """Size in MB against Dice, of the results that have both."""
    found = [(r, 1e-6 * r.size_bytes, r.accuracy) for r in results if r.size_bytes and r.accuracy]
    return [_point(result, size, size, accuracy) for result, size, accuracy in found]


def latency_points(results: Sequence[Result]) -> list[Point]:
    """Median latency of a frame in ms (up to its 90th percentile) against Dice, of the results that have both."""
    found = [(r, r.latency_ms.total, r.accuracy) for r in results if r.latency_ms and r.accuracy]
    return [_point(result, total.p50, total.p90, accuracy) for result, total, accuracy in found]


def _point(result: Result, x: float, x_high: float, accuracy: Scores) -> Point:
    dice = accuracy.dice
    mean = dice.mean or 0.0  # not None: accuracy is over at least one image
    low = mean if dice.ci95_low is None else dice.ci95_low
    high = mean if dice.ci95_high is None else dice.ci95_high
    return Point(str(result.strategy), str(result.recipe), x, x_high, 100 * mean, 100 * low, 100 * high)


def tradeoff(points: Sequence[Point], x_label: str) -> bytes:
    """Dice over a cost: a marker for each artifact, a line for each strategy, with its name at the right margin.

    Args:
        points: At least one.
        x_label: The cost with its unit.

    Returns:
        An SVG file.
    """
    with require("matplotlib").rc_context(RC):
        height = max(4.6, 2.0 + 0.33 * len({p.strategy for p in points}))
        figure, axes = figure_and_axes(8.6, height)
        for strategy in dict.fromkeys(p.strategy for p in points):
            line = sorted((p.x, p.dice) for p in points if p.strategy == strategy)
            axes.plot(*zip(*line, strict=True), color="#999999", linewidth=0.8, zorder=1)
        for recipe, (color, marker) in _styles([p.recipe for p in points]).items():
            of = [p for p in points if p.recipe == recipe]
            x, y = [p.x for p in of], [p.dice for p in of]
            across = [[0.0] * len(of), [p.x_high - p.x for p in of]]
            up = [[p.dice - p.dice_low for p in of], [p.dice_high - p.dice for p in of]]
            axes.errorbar(x, y, xerr=across, yerr=up, fmt="none", ecolor=color, elinewidth=1, capsize=2)
            axes.plot(x, y, marker, color=color, markersize=8, markeredgecolor="white", label=recipe)
        _scale(axes, [v for p in points for v in (p.x, p.x_high)])
        axes.set_xlabel(x_label)
        axes.set_ylabel("Dice (%), mean and 95 % interval")
        figure.legend(loc="upper center", bbox_to_anchor=(0.45, 1.0), ncols=6, frameon=False)
        figure.subplots_adjust(left=0.09, right=0.80, bottom=0.6 / height, top=1 - 0.5 / height)
        _name_strategies(figure, axes, points)
        return to_svg(figure)


def recipe_costs(results: Sequence[Result]) -> bytes | None:
    """Paired differences from float32, image by image: a box (quartiles; whiskers at 5 and 95 %), and every image.

    Returns:
        An SVG file; None where no result has a float32 beside it.
    """
    rows = []
    for result in results:
        reference, _ = find_reference(result, results)
        if reference is not None and result.images:
            rows.append((result, shifts(result, reference)))
    if not rows:
        return None
    one = len({result.strategy for result, _ in rows}) == 1
    labels = [str(result.recipe if one else title(result)) for result, _ in rows]
    styles = _styles([result.recipe for result in results])
    colors = [styles[result.recipe][0] for result, _ in rows]
    with require("matplotlib").rc_context(RC):
        figure, (left, right) = figure_and_axes(8.6, 1.1 + 0.34 * len(rows), columns=2)
        for axes, values, heading in (
            (left, [s.dice_points for _, s in rows], "Dice difference (percentage points)"),
            (right, [s.hc_mm for _, s in rows], "HC shift (mm)"),
        ):
            axes.locator_params(axis="x", nbins=6)
            axes.set_xlabel(heading)
            _strips(axes, values, colors)
        left.set_yticks(range(len(rows)), labels)
        left.set_ylim(len(rows) - 0.4, -0.6)
        right.sharey(left)
        right.tick_params(labelleft=False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)


def _strips(axes: Any, values: Sequence[Sequence[float]], colors: Sequence[str]) -> None:
    if not any(values):
        axes.text(0.5, 0.5, NOT_MEASURED, transform=axes.transAxes, ha="center", va="center")
        axes.set_xticks([])
        return
    rng = np.random.default_rng(0)  # jitter only
    axes.axvline(0, color="#444444", linewidth=1)
    for row, (data, color) in enumerate(zip(values, colors, strict=True)):
        if not data:
            continue
        height = row + rng.uniform(-0.17, 0.17, len(data))
        axes.plot(data, height, "o", markersize=3, color=color, alpha=0.45, markeredgewidth=0)
        axes.boxplot(
            [data], positions=[row], orientation="horizontal", widths=0.55, whis=(5, 95), showfliers=False,
            showmeans=True, manage_ticks=False, medianprops={"color": "black"},
            meanprops={"marker": "D", "markerfacecolor": "black", "markeredgecolor": "white", "markersize": 5},
        )  # fmt: skip


def _styles(recipes: Sequence[str | None]) -> dict[str | None, tuple[str, str]]:
    """Colour and marker of each recipe, in order of appearance."""
    return {recipe: STYLES[i % len(STYLES)] for i, recipe in enumerate(dict.fromkeys(recipes))}


def figure_and_axes(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """A figure in inches and its axes, without pyplot's global state."""
    figure = require("matplotlib.figure").Figure(figsize=(width, height))
    return figure, figure.subplots(1, columns)


def _scale(axes: Any, values: Sequence[float]) -> None:
    """Start the axis at 0 where the values lie close together; else make it logarithmic, with plain numbers."""
    if min(values) <= 0 or max(values) / min(values) < LOG_FROM:
        axes.set_xlim(0, max(values) * 1.08)
        return
    axes.set_xlim(min(values) / 1.3, max(values) * 1.3)
    log_axis(axes)


def log_axis(axes: Any) -> None:
    """A logarithmic x axis with plain numbers."""
    ticker = require("matplotlib.ticker")
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    subs = (1, 2, 5) if high < 100 * low else (1,)  # over more decades their labels would overlap
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:,.10g}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())


def _name_strategies(figure: Any, axes: Any, points: Sequence[Point]) -> None:
    """A strategy's name at the right margin, tied to its rightmost point; names never overlap."""
    low, high = axes.get_ylim()
    ends = [max((p for p in points if p.strategy == s), key=lambda p: p.x) for s in {p.strategy for p in points}]
    ends.sort(key=lambda p: (p.dice, p.strategy))
    gap = _LABEL_GAP_PT / (72 * figure.get_figheight() * axes.get_position().height)
    for end, y in zip(ends, _apart([(p.dice - low) / (high - low) for p in ends], gap), strict=True):
        axes.annotate(
            end.strategy, xy=(end.x, end.dice), xytext=(1.03, y), textcoords="axes fraction", va="center",
            annotation_clip=False, arrowprops={"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.7, "shrinkB": 5},
        )  # fmt: skip


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Sorted heights (0 to 1), moved up until neighbours are a gap apart, then down where they passed the top."""
    moved = list(heights)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    top = 1.0
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], top)
        top = moved[i] - gap
    return moved


def to_svg(figure: Any) -> bytes:
    """The figure as an SVG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
