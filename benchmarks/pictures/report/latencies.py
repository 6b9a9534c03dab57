"""How long a frame takes: percentiles, and the steps that it goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.pictures.plots import log_axis
from benchmarks.pictures.report.canvas import (
    COLORS,
    HATCHES,
    INK,
    MUTED,
    PAPER,
    canvas,
    name_rows,
    rows_height,
    to_themed_svg,
)
from edge_runtime.timing.bench import Percentiles

_LOG_FROM = 30.0
"""An axis is logarithmic if its largest value is at least this many times the smallest."""


@dataclass(frozen=True)
class Times:
    """Times of one artifact.

    Attributes:
        name: Its name.
        total: Of a frame, in ms.
        parts: Median of each part of a frame, in ms, by name.
    """

    name: str
    total: Percentiles
    parts: dict[str, float]


def percentiles(times: Sequence[Times]) -> bytes:
    """Median, 90th and 99th percentile and maximum, a row each, as SVG."""
    with canvas(rows_height(len(times))) as (figure, (axes,)):
        for row, total in enumerate(of.total for of in times):
            longest = total.p99 if total.max is None else total.max
            axes.plot([total.min, longest], [row, row], color=MUTED, linewidth=1, zorder=1)
            axes.plot([total.p50, total.p99], [row, row], color=COLORS[0], linewidth=5, solid_capstyle="butt", zorder=2)
        for name, marker, size, color, values in (
            ("median", "o", 7, INK, [of.total.p50 for of in times]),
            ("90 %", "|", 12, INK, [of.total.p90 for of in times]),
            ("99 %", "D", 5, COLORS[0], [of.total.p99 for of in times]),
            ("maximum", "x", 6, MUTED, [of.total.max for of in times]),
        ):
            known = [(value, row) for row, value in enumerate(values) if value is not None]
            if known:
                axes.plot(
                    *zip(*known, strict=True), marker, color=color, markersize=size,
                    markeredgewidth=1.6 if marker in "|x" else 0, label=name, zorder=3,
                )  # fmt: skip
        ends = [value for of in times for value in (of.total.min, of.total.max or of.total.p99)]
        if min(ends) > 0 and max(ends) / min(ends) >= _LOG_FROM:
            axes.set_xlim(min(ends) / 1.2, max(ends) * 1.6)
            log_axis(axes)
        else:
            axes.set_xlim(0, max(ends) * 1.05)
        name_rows(axes, [f"{of.name}, {of.total.p50:.1f} ms" for of in times])
        axes.set_xlabel("latency of a frame (ms)")
        figure.legend(loc="outside upper center", ncols=4, handletextpad=0.3, columnspacing=1.2)
        return to_themed_svg(figure)


def parts(times: Sequence[Times]) -> bytes:
    """The median of each part of a frame, stacked, a row for each artifact, as SVG."""
    names = list(dict.fromkeys(name for of in times for name in of.parts))
    with canvas(rows_height(len(times))) as (figure, (axes,)):
        left = [0.0] * len(times)
        for name, color, hatch in zip(names, COLORS, HATCHES, strict=False):
            widths = [of.parts.get(name, 0.0) for of in times]
            axes.barh(
                range(len(times)),
                widths,
                0.42,
                left,
                color=color,
                hatch=hatch,
                edgecolor=PAPER,
                linewidth=0.4,
                label=name,
            )
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.set_xlim(0, max(left) * 1.05)
        name_rows(axes, [of.name for of in times])
        axes.set_xlabel("median of each part (ms)")
        figure.legend(loc="outside upper center", ncols=3, handletextpad=0.4, columnspacing=1.2)
        return to_themed_svg(figure)
