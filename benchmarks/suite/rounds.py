"""What a result file says of an artifact's rounds, and of its latency over time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import final

from edge_runtime.common.record import LEFT_OUT

TIMES = ("total_p50_ms", "total_mean_ms", "total_p90_ms", "total_p99_ms", "time_to_first_result_ms", "load_ms")
"""Fields of a round that are times."""

LEAST, MOST = 1e-9, 1e15
"""What a time in ms, a memory in bytes or an energy in joules can be. Ratios of such can be computed."""


@dataclass(frozen=True)
class Round:
    """One round of one artifact, in a process of its own, or in a browser's page.

    Attributes:
        total_p50_ms: Median time of a frame, in ms; None, as the next two, where only the network was timed.
        time_to_first_result_ms: Time to load the model and measure one frame, in ms.
        process_start_to_first_result_ms: The same from the start of the process, in ms.
        load_ms: Time to load the model, in ms.
        peak_memory_bytes: Peak resident memory of the process, in bytes; None where the system does not tell.
        frequency_mhz: Frequency of the first core after the round, in MHz; None likewise.
        temperature_c: Temperature after the round, in degrees Celsius; None likewise.
        throttled: A Raspberry Pi's throttling flags after the round; None elsewhere.
        frames: Frames that were timed; left out, as all that follow, in results older than this field.
        seconds: Time that they took, in s.
        total_mean_ms: Mean time of a frame, in ms.
        total_p90_ms: 90th percentile, in ms.
        total_p99_ms: 99th percentile, in ms.
        steps_p50_ms: Median time of each step, in ms, by its name in :data:`edge_runtime.stages.STEPS`.
        joules_per_frame: Energy of a frame; None where the device does not tell, or the round was too short.
    """

    total_p50_ms: float | None
    time_to_first_result_ms: float | None
    process_start_to_first_result_ms: float | None
    load_ms: float
    peak_memory_bytes: int | None
    frequency_mhz: float | None
    temperature_c: float | None
    throttled: str | None
    frames: int | None = field(default=None, metadata=LEFT_OUT)
    seconds: float | None = field(default=None, metadata=LEFT_OUT)
    total_mean_ms: float | None = field(default=None, metadata=LEFT_OUT)
    total_p90_ms: float | None = field(default=None, metadata=LEFT_OUT)
    total_p99_ms: float | None = field(default=None, metadata=LEFT_OUT)
    steps_p50_ms: dict[str, float] | None = field(default=None, metadata=LEFT_OUT)
    joules_per_frame: float | None = field(default=None, metadata=LEFT_OUT)

    def __post_init__(self) -> None:
        _check_flags(self.throttled)
        figures = {name: getattr(self, name) for name in (*TIMES, "peak_memory_bytes", "joules_per_frame")}
        figures |= {f"steps_p50_ms.{name}": value for name, value in (self.steps_p50_ms or {}).items()}
        for name, value in figures.items():
            if value is not None and not LEAST <= value <= MOST:
                raise ValueError(f"'{name}' is {value}; it must be between {LEAST:g} and {MOST:g}")


def _check_flags(flags: str | None) -> None:
    if flags is not None and not re.fullmatch("0x[0-9a-f]{1,8}", flags):
        raise ValueError(f"'throttled' is {flags!r:.20}; it must be hexadecimal, as 0x50000")


@dataclass(frozen=True)
class Point:
    """A stretch of a sustained run.

    Attributes:
        start_s: When it began, in s from the first timed frame.
        frames: Frames in it.
        p50_ms: Median time of a frame, in ms.
        p90_ms: 90th percentile, in ms.
        max_ms: The slowest frame, in ms.
        frequency_mhz: Mean clock of the fastest core, in MHz; None where the system does not tell.
        temperature_c: Highest temperature, in degrees Celsius; None likewise.
        throttled: Every throttling flag of a Raspberry Pi that was set in it; None elsewhere.
    """

    start_s: float
    frames: int
    p50_ms: float
    p90_ms: float
    max_ms: float
    frequency_mhz: float | None
    temperature_c: float | None
    throttled: str | None

    def __post_init__(self) -> None:
        _check_flags(self.throttled)


@final
@dataclass(frozen=True)
class Sustained:
    """An artifact under load for minutes.

    Attributes:
        points: Stretches of equal length, in order.
        slowdown: Median time of a frame in the last fifth over that in the first, minus 1. Slower times between
            these are among the findings.
        throttled: Whether the device lowered its clock; None where neither clock nor flags are told.
        findings: What was noticed, in words; empty if nothing.
    """

    points: tuple[Point, ...]
    slowdown: float
    throttled: bool | None
    findings: tuple[str, ...]
