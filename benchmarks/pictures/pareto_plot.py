"""Speed against accuracy of the search's networks, with those that other images judge set apart below."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.pictures.elsewhere_plot import BLOCK_ROWS, draw_elsewhere
from benchmarks.pictures.labels import label
from benchmarks.pictures.plots import RC, STYLES, to_png, to_svg
from benchmarks.search.elsewhere import Published, Strategy
from benchmarks.search.front import Row, best, rows
from benchmarks.search.latency import UNIT, LatencyDocument
from benchmarks.search.trial import SETTINGS, Judged, TrialResult
from edge_runtime.common.optional import require
from edge_runtime.errors import ModelError, UsageError

Kind = Literal["svg", "png"]

WIDTH_IN = 8.6
_PANEL_IN = 3.0
_ROW_IN = 0.2
_PNG_DPI = 200
_TICKS = (1, 1.5, 2, 3, 5, 7)


@dataclass(frozen=True)
class _Family:
    """How networks of a family are drawn."""

    title: str
    color: str
    marker: str
    size: float = 7.5


FAMILIES = {
    "edge": _Family("our strategies", "#000000", "*", 13),
    "mobilenet": _Family("MobileNetV2", *STYLES[0]),
    "lite0": _Family("EfficientNet-Lite0", *STYLES[1]),
    "residual": _Family("residual", *STYLES[2]),
    "lean": _Family("lean", *STYLES[3], 6.5),
}
"""By the first word of a network's name."""

OTHER = _Family("others", *STYLES[4])


@dataclass(frozen=True)
class _Panel:
    """One of the two accuracies, in full int8."""

    key: str
    label: str
    value: Callable[[Judged], float]
    rank: Callable[[Judged], float]


PANELS = (
    _Panel("dice", "Dice (%), higher is better", lambda j: 100 * j.mean_dice, lambda j: j.mean_dice),
    _Panel("adf", "ADF (mm), lower is better", lambda j: j.adf_mm, lambda j: -j.adf_mm),
)


def family(name: str) -> _Family:
    """The family of a network by its name."""
    return FAMILIES.get(name.split("-")[0], OTHER)


def is_long(result: TrialResult) -> bool:
    """Whether a network was trained for more epochs than the search's own."""
    return int(result.config.get("epochs", 0)) > int(SETTINGS["epochs"])


def draw(
    results: Sequence[TrialResult], latency: LatencyDocument, here: Sequence[Strategy],
    published: Sequence[Published], kind: Kind = "svg",
) -> bytes:  # fmt: skip
    """Dice and ADF over speed, a marker for each network; below them, those that other images judge.

    Every marker of the search is a group ``dice:NAME`` or ``adf:NAME`` of the SVG.

    Args:
        results: The search's, all judged on the same images.
        latency: Their speeds; results without one are left out.
        here: The paper's strategies as trained here.
        published: What others published.
        kind: Format of the file.

    Returns:
        The file's bytes, on a white background.

    Raises:
        UsageError: No result has a speed.
        ModelError: Results are of different images.
    """
    found = rows(results, latency)
    if not found:
        raise UsageError("No result has a speed. Measure the speeds: python -m benchmarks pareto --latency --overwrite")
    if len({result.images for result, _ in found}) > 1:
        raise ModelError("The results are of different images, so one picture cannot show them.")
    with require("matplotlib").rc_context({**RC, "font.size": 9}):
        below = _ROW_IN * (len(here) + len(published) + BLOCK_ROWS)
        note = textwrap.wrap(_caption(found, latency), 138)
        heights = {"top": 0.95, "gap": 0.14, "axis": 0.5, "note": 0.1 + 0.155 * len(note), "below": below, "end": 0.12}
        height = sum(heights.values()) + 2 * _PANEL_IN
        figure = require("matplotlib.figure").Figure(figsize=(WIDTH_IN, height), facecolor="white")
        require("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)

        def y(inches: float) -> float:
            return 1 - inches / height

        axes: list[Any] = []
        top = heights["top"]
        for panel in PANELS:
            left, width = 0.78 / WIDTH_IN, 1 - 0.94 / WIDTH_IN
            made = figure.add_axes(
                (left, y(top + _PANEL_IN), width, _PANEL_IN / height), sharex=axes[0] if axes else None
            )
            axes.append(made)
            _points(made, panel, found)
            top += _PANEL_IN + heights["gap"]
        _speed_axes(axes, found, latency)
        figure.text(
            0.1 / WIDTH_IN, y(0.22), "Speed against accuracy, all networks in full int8", fontsize=11.5, weight="bold"
        )
        _legend(figure, found)
        top += heights["axis"] - heights["gap"]
        for i, line in enumerate(note):
            figure.text(0.1 / WIDTH_IN, y(top + 0.15 + 0.155 * i), line, fontsize=8, color="#333333")
        top += heights["note"] + heights["gap"]
        draw_elsewhere(figure, here, published, (y(top + below), below / height))
        for made, panel in zip(axes, PANELS, strict=True):
            _names(made, panel, found)
        return to_svg(figure) if kind == "svg" else to_png(figure, dpi=_PNG_DPI, metadata={"Software": None})


def _points(axes: Any, panel: _Panel, found: Sequence[Row]) -> None:
    """The front as a staircase, and a marker for each network."""
    kept = best(found, panel.rank)[::-1]
    axes.plot(*_stairs(panel, kept), color="#888888", linewidth=1.2, zorder=1, gid=f"{panel.key}-front")
    for result, speed in reversed(found):
        value = panel.value(result.int8)
        if not np.isfinite(value):
            continue
        style = family(result.name)
        axes.plot(
            [speed.times_faster], [value], style.marker, markersize=style.size, markeredgecolor=style.color,
            markerfacecolor=style.color if is_long(result) or style.marker == "*" else "white", markeredgewidth=1.4,
            zorder=4 if style.marker == "*" else 3, gid=f"{panel.key}:{result.name}",
        )  # fmt: skip
    axes.set_ylabel(panel.label)
    low, high = axes.get_ylim()
    room = 0.10 * (high - low)
    axes.set_ylim(low - room, high + room)


def _stairs(panel: _Panel, kept: Sequence[Row]) -> tuple[list[float], list[float]]:
    """Corners of a front, the slowest first: what is had at each speed or a higher one."""
    x = [speed.times_faster for _, speed in kept]
    y = [panel.value(result.int8) for result, _ in kept]
    corners = [(x[0], y[0])]
    for i in range(1, len(kept)):
        corners += [(x[i - 1], y[i]), (x[i], y[i])]
    return [corner[0] for corner in corners], [corner[1] for corner in corners]


def _names(axes: Any, panel: _Panel, found: Sequence[Row]) -> None:
    """The names of the front, and of our strategies wherever they lie."""
    kept = best(found, panel.rank)
    named = [row for row in found if row in kept or family(row[0].name) is FAMILIES["edge"]]

    def at(chosen: Sequence[Row]) -> list[tuple[float, float]]:
        places = [(speed.times_faster, panel.value(result.int8)) for result, speed in chosen]
        return [place for place in places if np.isfinite(place[1])]

    named = [row for row in named if np.isfinite(panel.value(row[0].int8))]
    line = list(zip(*_stairs(panel, kept[::-1]), strict=True))
    label(axes, [result.name for result, _ in named], at(named), at(found), line)


def _speed_axes(axes: Sequence[Any], found: Sequence[Row], latency: LatencyDocument) -> None:
    """The shared logarithmic axis: times faster below, milliseconds above."""
    ticker = require("matplotlib.ticker")
    fastest, slowest = found[0][1].times_faster, found[-1][1].times_faster
    room = (fastest / slowest) ** 0.09 * 1.06
    for made in axes:
        made.set_xscale("log")
        made.set_xlim(slowest / room, fastest * room)
        made.xaxis.set_major_locator(ticker.LogLocator(subs=_TICKS))
        made.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:.10g}x"))
        made.xaxis.set_minor_locator(ticker.NullLocator())
    axes[0].tick_params(labelbottom=False)
    axes[-1].set_xlabel("times faster than the paper's network in full int8")
    unit = latency.by_name()[UNIT].ms

    def swap(values: Any) -> Any:
        with np.errstate(divide="ignore"):  # matplotlib tries 0
            return unit / np.asarray(values, np.float64)

    above = axes[0].secondary_xaxis("top", functions=(swap, swap))
    above.spines["top"].set_visible(True)
    above.xaxis.set_major_locator(ticker.LogLocator(subs=_TICKS))
    above.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:.10g}"))
    above.xaxis.set_minor_locator(ticker.NullLocator())
    above.set_xlabel("ms a frame", labelpad=3)


def _legend(figure: Any, found: Sequence[Row]) -> None:
    """Families that are there, and what a filled marker and the line mean."""
    lines = require("matplotlib.lines")

    def sign(style: _Family, title: str, face: str) -> Any:
        return lines.Line2D(
            [], [], linestyle="none", marker=style.marker, markersize=style.size, markeredgecolor=style.color,
            markerfacecolor=face, markeredgewidth=1.4, label=title,
        )  # fmt: skip

    there = {family(result.name).title for result, _ in found}
    shown = [style for style in (*FAMILIES.values(), OTHER) if style.title in there]
    handles = [sign(style, style.title, style.color if style.marker == "*" else "white") for style in shown]
    common: dict[str, Any] = {
        "frameon": False, "fontsize": 8.5, "handletextpad": 0.3, "columnspacing": 1.2, "borderaxespad": 0.2,
    }  # fmt: skip
    height = figure.get_figheight()
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.02 / WIDTH_IN, 1 - 0.28 / height),
        ncols=len(handles),
        **common,
    )
    meaning = [lines.Line2D([], [], color="#888888", linewidth=1.2, label="front: nothing faster is as good")]
    if any(is_long(result) for result, _ in found):
        meaning.insert(0, sign(_Family("", "#555555", "o"), "filled: trained longer", "#555555"))
    figure.legend(
        handles=meaning, loc="upper right", bbox_to_anchor=(1 - 0.1 / WIDTH_IN, 1 - 0.08 / height), ncols=2, **common
    )


def _caption(found: Sequence[Row], latency: LatencyDocument) -> str:
    """What the points have in common, in words."""
    first = found[0][0]
    n = len(first.images)
    dice = np.median([1.96 * 100 * np.std(r.int8.dice, ddof=1) / np.sqrt(n) for r, _ in found]) if n > 1 else 0.0
    errors = [[abs(mm) for mm in r.int8.hc_difference_mm if mm is not None] for r, _ in found]
    adf = np.median([1.96 * np.std(e, ddof=1) / np.sqrt(len(e)) for e in errors if len(e) > 1] or [0.0])
    split = str(first.config.get("split", "")).replace("-", " ")
    where = f" of {split}, whose exams none of them was trained on" if split.startswith("fold") else ""
    instructions = ", ".join(latency.device.int8_instructions or ()) if latency.device else ""
    cpu = (latency.device.cpu or "unknown CPU").replace("(R)", "") if latency.device else "unknown CPU"
    threads = f", {latency.threads} thread{'s' * (latency.threads != 1)}" if latency.threads else ""
    fewest = min(map(len, errors))
    refused = f"ADF is over the images measured, at least {fewest}. " if fewest < n else ""
    return (
        f"Each point is one network, trained once, judged on the same {n} images{where}. The 95% interval of a mean "
        f"over these images is about ±{dice:.2f} points of Dice and ±{adf:.2f} mm. {refused}"
        "Times: the network alone, in turns "
        f"with the paper's (1x = {latency.by_name()[UNIT].ms:.1f} ms), on {cpu}"
        f"{f' ({instructions})' if instructions else ''}{threads}."
    )
