"""``python -m benchmarks soak``: does the runtime stay the same, in memory, time and answers, over very many frames?"""

from __future__ import annotations

import argparse
import gc
import os
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.result_files import read_json
from benchmarks.pictures.soak_plot import GOAL_RISE_BYTES, soak_figure
from edge_runtime.common.arguments import add_model, add_out, at_least, checked_out
from edge_runtime.common.cli import clock, say
from edge_runtime.common.files import write_bytes, write_json
from edge_runtime.common.provenance import git_commit
from edge_runtime.device.fingerprint import fingerprint, peak_memory_bytes
from edge_runtime.errors import FetalHeadError, InputError
from edge_runtime.measurement import Measurement
from edge_runtime.segmenter import Segmenter
from edge_runtime.streaming.slot import Frame, Slot
from edge_runtime.streaming.stream import Rules, Stream
from train.data.phantom import make_phantom

SCHEMA_VERSION = 1
FIGURE = Path("docs/figures/soak.svg")

SIZES = ((540, 800), (542, 800), (541, 738), (539, 780), (544, 791), (480, 640), (600, 800), (768, 1024))
"""(height, width) in pixels of the phantoms: five of HC18's, three of other screens."""

WARMUP_CYCLES = 50
"""Times every frame is run before memory is compared: 1,000 frames, in which the allocator finds its shape."""

POINTS = 200
"""Rows of the record at most: enough for the plot, and allocated before the first frame."""

COLUMNS = ("frame", "rss_bytes", "p50_ms", "p90_ms", "p99_ms", "max_ms")
TRACED_CYCLES = 100

Answer = tuple[float | None, str | None]
"""Head circumference in mm, and why there is none or which error it was."""


@dataclass(frozen=True)
class SoakFrame:
    """One frame of the cycle.

    Attributes:
        item: Frame, or what is none.
        pixel_size_mm: Given with it.
    """

    item: object
    pixel_size_mm: float | tuple[float, float] | None = 0.15


def make_cases() -> list[SoakFrame]:
    """The cycle: phantoms of several sizes in grey and colour, frames without a head, and some that raise."""
    rng = np.random.default_rng(0)
    phantoms = [make_phantom(seed, size) for seed, size in enumerate(SIZES)]
    cases = [SoakFrame(frame, size_mm) for frame, _, size_mm in phantoms]
    first = phantoms[0][0]
    cases += [
        SoakFrame(np.repeat(first[:, :, None], 3, axis=2)),
        SoakFrame(np.repeat(first[:, :, None], 4, axis=2), (0.15, 0.12)),
        SoakFrame(first[::2, ::-1], 0.3),  # strides of its own
        SoakFrame(first[:, : first.shape[1] // 2]),  # half a head
        SoakFrame(first, None),
        SoakFrame(np.zeros(SIZES[0], np.uint8)),
        SoakFrame(rng.integers(0, 256, SIZES[0], dtype=np.uint8)),
        SoakFrame(rng.integers(0, 256, (300, 1000), dtype=np.uint8)),
        SoakFrame(first.astype(np.float32)),
        SoakFrame(np.full(SIZES[0], np.nan)),
        SoakFrame(first[:20, :20]),
        SoakFrame(first, -1.0),
    ]
    return cases


def through_measure(segmenter: Segmenter) -> Callable[[SoakFrame], Measurement | FetalHeadError]:
    """Each frame by a call of :meth:`Segmenter.measure`."""

    def run(case: SoakFrame) -> Measurement | FetalHeadError:
        try:
            return segmenter.measure(case.item, case.pixel_size_mm)  # type: ignore[arg-type]
        except FetalHeadError as error:
            return error

    return run


def through_stream(segmenter: Segmenter) -> Callable[[SoakFrame], Measurement | FetalHeadError]:
    """Each frame through the slot, the measurement, the summary and the best frame of a stream; none is dropped, since
    the next is put in when the last one's result is out.
    """
    slot = Slot()
    stream = Stream(segmenter, slot, None, Rules(stall_s=3600.0))

    def run(case: SoakFrame) -> Measurement | FetalHeadError:
        slot.put(Frame(case.item, case.pixel_size_mm))  # type: ignore[arg-type]
        result = next(stream)
        return result.measurement or result.error or InputError("stalled")

    return run


WAYS = {"measure": through_measure, "stream": through_stream}


def rss_bytes() -> int:
    """Resident memory of this process in bytes.

    Raises:
        FetalHeadError: This system does not tell.
    """
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib would allocate more
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError as error:
        raise FetalHeadError(f"Resident memory is read from /proc/self/statm: {error}. Run this on Linux.") from error


def soak(
    run: Callable[[SoakFrame], Measurement | FetalHeadError], cases: Sequence[SoakFrame], frames: int
) -> dict[str, Any]:
    """Run frames and keep the record.

    Args:
        run: One of :data:`WAYS`, on a segmenter.
        cases: The cycle.
        frames: After the warm-up; rounded up to whole cycles.

    Returns:
        ``columns`` and ``rows`` of the record, what the frames gave, and how many answers were not those of the first
        cycle.
    """
    cycles = -(-frames // len(cases))
    every = -(-cycles // POINTS)
    rows = np.full((-(-cycles // every) + 1, len(COLUMNS)), np.nan)
    spent_ms = np.ones(every * len(cases))
    np.percentile(spent_ms, [50, 90, 99, 100])  # what the record itself takes must be there before the first row
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
    return {
        "frames": cycles * len(cases),
        "seconds": time.monotonic() - begun,
        "columns": list(COLUMNS),
        "rows": [[None if np.isnan(v) else float(v) for v in row] for row in rows[: taken + 1]],
        "cycle": {
            "cases": len(cases),
            "accepted": sum(hc is not None for hc, _ in wanted),
            "errors": sum(hc is None and str(reason).startswith("error: ") for hc, reason in wanted),
        },
        "differing_answers": int(differing),
    }


def _answer(given: Measurement | FetalHeadError) -> Answer:
    if isinstance(given, FetalHeadError):
        return None, f"error: {type(given).__name__}"
    return given.head_circumference_mm, given.reason


def _say_progress(share: float, seconds: float, rows: NDArray[np.float64]) -> None:
    rise = (rows[-1, 1] - rows[0, 1]) / 1e6
    latency = f", median {rows[-1, 2]:.1f} ms" if len(rows) > 1 else ""
    left = clock(seconds / share * (1 - share))
    say(f"{share:6.1%}  {rows[-1, 1] / 1e6:.2f} MB resident, {rise:+.3f} MB{latency}, {left} left")


def trace(
    run: Callable[[SoakFrame], Measurement | FetalHeadError], cases: Sequence[SoakFrame], cycles: int = TRACED_CYCLES
) -> dict[str, float]:
    """What Python allocates in a steady state, measured apart since tracing slows everything down.

    Args:
        run: One of :data:`WAYS`, on a segmenter.
        cases: The cycle.
        cycles: Run before, traced (the interpreter fills its lists of free objects, some 30 kB), and then measured.

    Returns:
        ``growth_bytes`` that the ``frames`` did not give back, ``peak_bytes`` that one frame takes for a while, and
        ``objects`` more that the garbage collector knows afterwards.
    """

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
    return {
        "frames": cycles * len(cases),
        "growth_bytes": after[0] - before[0],
        "peak_bytes": after[1] - before[0],
        "objects": after[2] - before[2],
    }


def summarize(record: dict[str, Any]) -> dict[str, float]:
    """Of a record: rise of resident memory (at the end, at most, and by a fitted line) in bytes, and latency in ms."""
    rows = np.array(record["rows"], dtype=np.float64)
    frames, rss = rows[:, 0], rows[:, 1]
    slope = np.polyfit(frames, rss, 1)[0] if len(rows) > 2 else 0.0
    return {
        "rss_after_warmup_bytes": rss[0],
        "rise_bytes": rss[-1] - rss[0],
        "most_rise_bytes": rss.max() - rss[0],
        "slope_bytes_per_100000_frames": float(slope * 100_000),
        "p50_ms": float(np.median(rows[1:, 2])),
        "p99_ms": float(np.median(rows[1:, 4])),
        "max_ms": rows[1:, 5].max(),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_model(parser)
    parser.add_argument(
        "--frames", type=at_least(1), default=100_000, metavar="N", help="after the warm-up (default: 100,000)"
    )
    parser.add_argument("--way", choices=list(WAYS), default="measure", help="what frames go through; default: measure")
    add_out(parser)
    parser.add_argument("--figure", type=Path, metavar="FILE.svg", help="draw memory and latency over the frames here")
    parser.add_argument(
        "--draw", type=Path, metavar="FILE.json", help="run nothing: draw the figure of such a file instead"
    )
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Run many frames of several sizes, with some that are bad and some that raise, and watch memory, time and answers.

    Ends with 1 where an answer was not the one the same frame had in the first cycle.
    """
    checked_out(args.out, args.overwrite)
    checked_out(args.figure, overwrite=True, option="--figure")
    if args.draw:
        write_bytes(
            args.figure or FIGURE, soak_figure(read_json(args.draw, SCHEMA_VERSION, "python -m benchmarks soak"))
        )
        return 0
    rss_bytes()
    cases = make_cases()
    segmenter = Segmenter.load(args.model)
    process = WAYS[args.way](segmenter)
    say(f"{segmenter.manifest.name}, {args.frames:,} frames through {args.way}, {len(cases)} a cycle")
    record = soak(process, cases, args.frames)
    document = {
        "schema_version": SCHEMA_VERSION,
        "date": time.strftime("%Y-%m-%d"),
        "model": segmenter.manifest.name,
        "model_sha256": segmenter.manifest.model_sha256,
        "backend": segmenter.backend,
        "threads": segmenter.threads,
        "way": args.way,
        "sizes": [list(size) for size in SIZES],
        "warmup_frames": WARMUP_CYCLES * len(cases),
        "record": record,
        "summary": summarize(record),
        "python": trace(process, cases, min(TRACED_CYCLES, record["frames"] // len(cases))),
        "peak_memory_bytes": peak_memory_bytes(),
        "device": fingerprint(),
        "git_commit": git_commit(),
    }
    if args.out:
        write_json(args.out, document)
        say(f"written: {args.out}")
    if args.figure:
        write_bytes(args.figure, soak_figure(document))
    say(_told(document))
    return 1 if record["differing_answers"] else 0


def _told(document: dict[str, Any]) -> str:
    summary, python, record = document["summary"], document["python"], document["record"]
    verdict = "met" if summary["rise_bytes"] < GOAL_RISE_BYTES else "MISSED"
    return (
        f"goal: resident memory rises by less than {GOAL_RISE_BYTES / 1e6:g} MB over {record['frames']:,} frames: "
        f"{summary['rise_bytes'] / 1e6:+.3f} MB (at most {summary['most_rise_bytes'] / 1e6:+.3f} MB), {verdict}\n"
        f"latency: median {summary['p50_ms']:.1f} ms, 99 % {summary['p99_ms']:.1f} ms\n"
        f"Python: {python['growth_bytes']} bytes in {python['frames']:,} frames not given back, "
        f"{python['peak_bytes'] / 1e6:.2f} MB at most for a while, {python['objects']} more objects\n"
        f"answers that were not those of the first cycle: {record['differing_answers']}"
    )
