"""Latency, clock and temperature of one artifact over minutes, and whether the device throttled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine.state import all_flags, throttled_meanwhile
from benchmarks.machine.watch import Reading
from benchmarks.suite.rounds import Point, Sustained

MOST_POINTS = 60
"""Of ten minutes, each is 10 s long."""

LEAST_S = 1.0
"""Shorter stretches hold too few frames."""

SLOWER, LOWER = 0.1, 0.1
"""Shares by which the median may rise and the clock may fall before it is said."""


def summarize(
    at_s: NDArray[np.float32],
    total_ms: NDArray[np.float32],
    seconds: float,
    readings: Sequence[Reading],
    started_s: float,
) -> Sustained:
    """Summarize a run.

    Args:
        at_s: When each frame began, in s from the first.
        total_ms: The time of each frame, in ms.
        seconds: The time of all, in s.
        readings: The machine meanwhile.
        started_s: When the first frame began, by the clock of the readings.
    """
    length = max(LEAST_S, seconds / MOST_POINTS)
    # a rest that is shorter than a stretch belongs to the last
    edges = [i * length for i in range(max(1, int(seconds / length)))]
    points = []
    for start, stop in zip(edges, [*edges[1:], np.inf], strict=True):
        chosen = total_ms[(at_s >= start) & (at_s < stop)]
        seen = [reading for reading in readings if start <= reading.at_s - started_s < stop]
        if len(chosen):
            points.append(_point(start, chosen, seen))
    part = max(1, len(points) // 5)
    medians = _means([point.p50_ms for point in points], part)
    slowest = int(np.argmax(medians))
    flags = [reading.state.throttled for reading in readings if reading.state]
    throttled, findings = _throttled(points, part, flags)
    if medians[slowest] > (1 + SLOWER) * medians[0]:
        when = f"{medians[-1]:.2f} ms at last"
        if medians[slowest] > (1 + SLOWER) * medians[-1]:
            when = f"{medians[slowest]:.2f} ms from {points[slowest].start_s:.0f} s on, {when}"
        findings = [f"frames became slower: median {medians[0]:.2f} ms at first, {when}", *findings]
    return Sustained(tuple(points), float(medians[-1] / medians[0] - 1), throttled, tuple(findings))


def _means(values: Sequence[float], part: int) -> NDArray[np.float64]:
    """Means of ``part`` neighbours each, from the first to the last."""
    return np.convolve(values, np.full(part, 1 / part), mode="valid")


def _point(start: float, total_ms: NDArray[np.float32], readings: Sequence[Reading]) -> Point:
    states = [reading.state for reading in readings if reading.state]
    clocks = [state.frequency_mhz for state in states if state.frequency_mhz is not None]
    p50, p90 = np.percentile(total_ms, [50, 90])
    return Point(
        start_s=round(start, 3),
        frames=len(total_ms),
        p50_ms=float(p50),
        p90_ms=float(p90),
        max_ms=float(total_ms.max()),
        frequency_mhz=float(np.mean(clocks)) if clocks else None,
        temperature_c=max((s.temperature_c for s in states if s.temperature_c is not None), default=None),
        throttled=all_flags(state.throttled for state in states),
    )


def _throttled(points: Sequence[Point], part: int, flags: Sequence[str | None]) -> tuple[bool | None, list[str]]:
    """Whether the device lowered its clock, by its own word or by its clock; and what tells so."""
    clocks = [point.frequency_mhz for point in points if point.frequency_mhz is not None]
    said = throttled_meanwhile(*flags)
    findings = [f"the firmware says: {said}"] if said else []
    if len(clocks) > 1:
        means = _means(clocks, min(part, len(clocks)))
        if means.min() < (1 - LOWER) * means[0]:
            findings.append(f"the clock fell from {means[0]:.0f} to {means.min():.0f} MHz")
    return (bool(findings) if any(flags) or clocks else None), findings


def sustained_text(name: str, found: Sustained) -> str:
    """A run in a few lines."""
    first, last = found.points[0], found.points[-1]
    hottest = max((p.temperature_c for p in found.points if p.temperature_c is not None), default=None)
    lines = [
        f"{name}: median {first.p50_ms:.2f} ms in the first {found.points[1].start_s:.0f} s, "
        f"{last.p50_ms:.2f} ms in the last"
        if len(found.points) > 1
        else f"{name}: median {first.p50_ms:.2f} ms"
    ]
    clock = "clock unknown" if last.frequency_mhz is None else f"clock {last.frequency_mhz:.0f} MHz at the end"
    heat = "temperature unknown" if hottest is None else f"at most {hottest:.1f} degrees C"
    said = {True: "throttled", False: "not throttled", None: "the device does not tell whether it throttled"}
    lines.append(f"  {clock}, {heat}; {said[found.throttled]}")
    return "\n".join([*lines, *(f"  {finding}" for finding in found.findings)])
