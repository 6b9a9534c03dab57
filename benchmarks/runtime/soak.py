"""Whether the runtime stays the same over very many frames: memory, time and answers."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from benchmarks.runtime.soak_frames import SoakFrame, Way
from edge_runtime.common.cli import clock, say
from edge_runtime.errors import FetalHeadError
from edge_runtime.measurement import Measurement

SCHEMA_VERSION = 1

GOAL_RISE_BYTES = 1_000_000
"""Most that resident memory may rise from the end of the warm-up to the end."""

WARMUP_CYCLES = 50
"""Runs of every frame before memory is compared (1,000 frames): the allocator needs them to settle."""

POINTS = 200
"""Most rows of the record. They suffice for the plot, and are allocated before the first frame."""

COLUMNS = ("frame", "rss_bytes", "p50_ms", "p90_ms", "p99_ms", "max_ms")
TRACED_CYCLES = 100

Row = tuple[float, float, float | None, float | None, float | None, float | None]
"""Values of :data:`COLUMNS`; the first row, at the end of the warm-up, has no latencies."""

Answer = tuple[float | None, str | None]
"""Head circumference in mm, and why there is none or which error was raised."""


@dataclass(frozen=True)
class Cycle:
    """The frames that are run again and again.

    Attributes:
        cases: How many.
        accepted: How many give a circumference.
        errors: How many raise an error.
    """

    cases: int
    accepted: int
    errors: int


@dataclass(frozen=True)
class Record:
    """What was seen.

    Attributes:
        frames: Frames after the warm-up.
        seconds: Their time in seconds.
        columns: Names of the columns of ``rows``.
        rows: Frames so far, resident memory in bytes, and percentiles of the latency since the last row in ms.
        cycle: The frames that were run.
        differing_answers: Frames whose answer was not the one that the same frame had in the first cycle.
    """

    frames: int
    seconds: float
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    cycle: Cycle
    differing_answers: int


@dataclass(frozen=True)
class Summary:
    """A record in a few figures.

    Attributes:
        rss_after_warmup_bytes: Resident memory after the warm-up, in bytes.
        rise_bytes: Its rise from there to the end, in bytes.
        most_rise_bytes: The largest rise in between, in bytes.
        slope_bytes_per_100000_frames: Slope of a line fitted to it.
        p50_ms: Median over rows of the median latency, in ms.
        p99_ms: Median over rows of the 99th percentile, in ms.
        max_ms: The longest latency, in ms.
    """

    rss_after_warmup_bytes: float
    rise_bytes: float
    most_rise_bytes: float
    slope_bytes_per_100000_frames: float
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True)
class Traced:
    """What Python allocates in a steady state.

    Attributes:
        frames: Frames traced.
        growth_bytes: Memory that they did not give back, in bytes.
        peak_bytes: Most memory that a frame takes for a while, in bytes.
        objects: Additional objects that the garbage collector knows afterwards.
    """

    frames: int
    growth_bytes: int
    peak_bytes: int
    objects: int


@dataclass(frozen=True, kw_only=True)
class SoakDocument(Measured):
    """A soak of one model.

    Attributes:
        model: The artifact's name.
        model_sha256: SHA-256 of the .tflite file.
        backend: The interpreter, by name.
        way: What the frames went through: ``measure`` or ``stream``.
        sizes: (height, width) of the phantoms, in pixels.
        warmup_frames: Frames before the record.
        record: What was seen.
        summary: The record in a few figures.
        python: What Python allocates, measured after the record.
        peak_memory_bytes: Peak resident memory of the process, in bytes; None if the system does not tell.
    """

    model: str
    model_sha256: str
    backend: str
    way: str
    sizes: tuple[tuple[int, int], ...]
    warmup_frames: int
    record: Record
    summary: Summary
    python: Traced
    peak_memory_bytes: int | None


def read_soak(path: Path) -> SoakDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, SoakDocument, SCHEMA_VERSION, "python -m benchmarks soak")


def rss_bytes() -> int:
    """Resident memory of this process in bytes.

    Raises:
        FetalHeadError: The system does not tell.
    """
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib would allocate more
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError as error:
        raise FetalHeadError(f"Resident memory is read from /proc/self/statm: {error}. Run this on Linux.") from error


def soak(run: Way, cases: Sequence[SoakFrame], frames: int) -> Record:
    """Run frames and keep the record.

    Args:
        run: A way through the runtime.
        cases: The cycle.
        frames: Frames after the warm-up, rounded up to whole cycles.
    """
    cycles = -(-frames // len(cases))
    every = -(-cycles // POINTS)
    rows = np.full((-(-cycles // every) + 1, len(COLUMNS)), np.nan)
    spent_ms = np.ones(every * len(cases))
    np.percentile(spent_ms, [50, 90, 99, 100])  # the record's own memory must be allocated before its first row
    wanted = [_answer(run(case)) for case in cases]
    differing, at, taken = 0, 0, 0
    for _ in range(WARMUP_CYCLES - 1):
        differing += sum(_answer(run(case)) != answer for case, answer in zip(cases, wanted, strict=True))
    rows[0, :2] = 0, rss_bytes()
    told = begun = time.monotonic()
    for cycle in range(1, cycles + 1):
        for case, answer in zip(cases, wanted, strict=True):
            started = time.perf_counter()
            given = run(case)
            spent_ms[at] = (time.perf_counter() - started) * 1e3
            differing += _answer(given) != answer
            at += 1
            del given  # its frame and mask would be in the way of the next one's
        if cycle % every == 0 or cycle == cycles:
            taken += 1
            rows[taken] = cycle * len(cases), rss_bytes(), *np.percentile(spent_ms[:at], [50, 90, 99, 100])
            at = 0
        if time.monotonic() - told > 30 or cycle == cycles:
            told = time.monotonic()
            _say_progress(cycle / cycles, told - begun, rows[: taken + 1])
    return Record(
        frames=cycles * len(cases),
        seconds=time.monotonic() - begun,
        columns=COLUMNS,
        rows=tuple(map(_row, rows[: taken + 1])),
        cycle=Cycle(
            cases=len(cases),
            accepted=sum(hc is not None for hc, _ in wanted),
            errors=sum(hc is None and str(reason).startswith("error: ") for hc, reason in wanted),
        ),
        differing_answers=int(differing),
    )


def _row(values: NDArray[np.float64]) -> Row:
    frame, rss, *latencies = (float(v) for v in values)
    p50, p90, p99, longest = (None if np.isnan(v) else v for v in latencies)
    return frame, rss, p50, p90, p99, longest


def _answer(given: Measurement | FetalHeadError) -> Answer:
    if isinstance(given, FetalHeadError):
        return None, f"error: {type(given).__name__}"
    return given.head_circumference_mm, given.reason


def _say_progress(share: float, seconds: float, rows: NDArray[np.float64]) -> None:
    rise = (rows[-1, 1] - rows[0, 1]) / 1e6
    latency = f", median {rows[-1, 2]:.1f} ms" if len(rows) > 1 else ""
    left = clock(seconds / share * (1 - share))
    say(f"{share:6.1%}  {rows[-1, 1] / 1e6:.2f} MB resident, {rise:+.3f} MB{latency}, {left} left")


def trace(run: Way, cases: Sequence[SoakFrame], cycles: int | None = None) -> Traced:
    """What Python allocates in a steady state. It is measured after the soak, because tracing slows everything down.

    Args:
        run: A way through the runtime.
        cases: The cycle.
        cycles: Cycles to trace; as many are run before, in which the interpreter fills its lists of free objects (some
            30 kB). Default: :data:`TRACED_CYCLES`.
    """
    cycles = TRACED_CYCLES if cycles is None else cycles

    def go() -> tuple[int, int, int]:
        tracemalloc.reset_peak()
        for _ in range(cycles):
            for case in cases:
                run(case)
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        return tracemalloc.get_traced_memory()[0], peak, len(gc.get_objects())

    tracemalloc.start()
    try:
        before, after = go(), go()
    finally:
        tracemalloc.stop()
    return Traced(cycles * len(cases), after[0] - before[0], after[1] - before[0], after[2] - before[2])


def summarize(record: Record) -> Summary:
    """Sum up a record."""
    rows = np.array(record.rows, dtype=np.float64)
    frames, rss = rows[:, 0], rows[:, 1]
    slope = np.polyfit(frames, rss, 1)[0] if len(rows) > 2 else 0.0
    return Summary(
        rss_after_warmup_bytes=float(rss[0]),
        rise_bytes=float(rss[-1] - rss[0]),
        most_rise_bytes=float(rss.max() - rss[0]),
        slope_bytes_per_100000_frames=float(slope * 100_000),
        p50_ms=float(np.median(rows[1:, 2])),
        p99_ms=float(np.median(rows[1:, 4])),
        max_ms=float(rows[1:, 5].max()),
    )


def verdict_text(document: SoakDocument) -> str:
    """The goal met or missed, and the figures behind it, for a terminal."""
    summary, python, record = document.summary, document.python, document.record
    verdict = "met" if summary.rise_bytes < GOAL_RISE_BYTES else "MISSED"
    return (
        f"goal: resident memory rises by less than {GOAL_RISE_BYTES / 1e6:g} MB over {record.frames:,} frames: "
        f"{summary.rise_bytes / 1e6:+.3f} MB (largest rise {summary.most_rise_bytes / 1e6:+.3f} MB), {verdict}\n"
        f"latency: median {summary.p50_ms:.1f} ms, 99th percentile {summary.p99_ms:.1f} ms\n"
        f"Python: {python.growth_bytes} bytes not given back over {python.frames:,} frames, "
        f"a peak of {python.peak_bytes / 1e6:.2f} MB, {python.objects} more objects\n"
        f"answers that differ from the first cycle's: {record.differing_answers}"
    )
