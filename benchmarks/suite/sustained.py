"""Latency, clock and temperature of one artifact over minutes, and whether the device throttled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine.state import throttled_now
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
    first, last = (float(np.median([point.p50_ms for point in some])) for some in (points[:part], points[-part:]))
    throttled, findings = _throttled(points, part)
    slowdown = last / first - 1
    if slowdown > SLOWER:
        findings = [f"frames became slower: median {first:.2f} ms at first, {last:.2f} ms at last", *findings]
    return Sustained(tuple(points), slowdown, throttled, tuple(findings))


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
        throttled=states[-1].throttled if states else None,
    )


def _throttled(points: Sequence[Point], part: int) -> tuple[bool | None, list[str]]:
    """Whether the device lowered its clock, by its own word or by its clock; and what tells so."""
    flags = [point.throttled for point in points if point.throttled is not None]
    clocks = [point.frequency_mhz for point in points if point.frequency_mhz is not None]
    said = throttled_now(*flags)
    findings = [f"the firmware says: {said}"] if said else []
    if len(clocks) > 1:
        first, last = float(np.mean(clocks[:part])), float(np.mean(clocks[-part:]))
        if last < (1 - LOWER) * first:
            findings.append(f"the clock fell from {first:.0f} to {last:.0f} MHz")
    return (bool(findings) if flags or clocks else None), findings


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
