"""An artifact under load for minutes: latency, clock and temperature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.machine.state import throttled_meanwhile
from benchmarks.pictures.report.canvas import COLORS, INK, MUTED, canvas, to_themed_svg
from benchmarks.suite.rounds import Point, Sustained

_MINUTES_FROM_S = 180.0


def draw(run: Sustained) -> bytes:
    """Latency over time, and below it clock and temperature where the device tells them, as SVG."""
    panels: list[tuple[str, Callable[[Point], float | None]]] = [
        ("clock (MHz)", lambda point: point.frequency_mhz),
        ("temperature\n(degrees C)", lambda point: point.temperature_c),
    ]
    told = [(name, value) for name, value in panels if any(value(point) is not None for point in run.points)]
    in_minutes = run.points[-1].start_s >= _MINUTES_FROM_S
    at = [point.start_s / (60 if in_minutes else 1) for point in run.points]
    with canvas(3.2 + 1.3 * len(told), 1 + len(told)) as (figure, axes):
        latency = axes[0]
        latency.plot(at, [point.p50_ms for point in run.points], color=COLORS[0], linewidth=2, label="median")
        latency.plot(at, [point.p90_ms for point in run.points], color=COLORS[3], linestyle="--", label="90 %")
        latency.plot(at, [point.max_ms for point in run.points], "x", color=MUTED, markersize=4, label="slowest frame")
        latency.set_ylabel("latency (ms)")
        latency.set_ylim(bottom=0)
        for below, (name, value) in zip(axes[1:], told, strict=True):
            known = [(x, y) for x, point in zip(at, run.points, strict=True) if (y := value(point)) is not None]
            below.plot(*zip(*known, strict=True), color=INK, linewidth=1.5)
            below.set_ylabel(name)
            below.margins(y=0.2)
        _mark_throttling(axes, at, run.points)
        axes[-1].set_xlabel("time under load (minutes)" if in_minutes else "time under load (s)")
        figure.legend(loc="outside upper center", ncols=3, handletextpad=0.4, columnspacing=1.2)
        figure.align_ylabels(axes)
        return to_themed_svg(figure)


def _mark_throttling(axes: Sequence[Any], at: Sequence[float], points: Sequence[Point]) -> None:
    """Shade the stretches in which the firmware said that it throttles, and name the first."""
    ends = [*at[1:], at[-1] + (at[-1] - at[-2] if len(at) > 1 else 1)]
    flagged = [i for i, point in enumerate(points) if point.throttled and throttled_meanwhile(point.throttled)]
    for panel in axes:
        for i in flagged:
            panel.axvspan(at[i], ends[i], facecolor=COLORS[1], alpha=0.25, linewidth=0, zorder=0)
    if flagged:
        axes[0].text(
            at[flagged[0]], 0.03, " throttled", fontsize=9, va="bottom", transform=axes[0].get_xaxis_transform()
        )
