"""How many frames per second ``python -m edge_runtime archive`` does, by its number of processes."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.runtime.archive_document import Killed, Own, Run
from edge_runtime.common.cli import ending_text, say
from edge_runtime.common.files import write_bytes
from edge_runtime.common.optional import require
from edge_runtime.device.fingerprint import memory_bytes_of
from edge_runtime.errors import FetalHeadError
from edge_runtime.segmenter import Segmenter
from train.data.phantom import SIZE, make_phantom

PHANTOMS, SHIFTS = 32, 8
"""A phantom takes long to draw, so each is also shown shifted."""

DISTINCT = PHANTOMS * SHIFTS
ROW_GROUP = 32
PIXEL_SIZE_MM = 0.2
STRETCHES = 10
SAY_EVERY_S = 30.0


def make_table(folder: Path, frames: int) -> int:
    """Make a table of phantoms: one file of :data:`DISTINCT` frames, and links to it for as many frames as wanted.

    Args:
        folder: Where to; made.
        frames: Number of frames.

    Returns:
        How many of them differ.
    """
    distinct = min(frames, DISTINCT)
    pixels = list(_pixels(distinct))
    first = folder / "frames-000000.parquet"
    write_bytes(first, _parquet(pixels))
    for number in range(1, frames // distinct):
        (folder / f"frames-{number:06d}.parquet").symlink_to(first.name)
    if rest := frames % distinct:
        write_bytes(folder / "frames-rest.parquet", _parquet(pixels[:rest]))
    return distinct


def _pixels(count: int) -> Iterator[bytes]:
    for seed in range(-(-count // SHIFTS)):
        frame = make_phantom(seed)[0]
        for shift in range(min(SHIFTS, count - seed * SHIFTS)):
            yield np.roll(frame, 7 * shift, axis=1).tobytes()


def _parquet(pixels: Sequence[bytes]) -> bytes:
    pyarrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    count, out = len(pixels), pyarrow.BufferOutputStream()
    columns = {
        "image": [f"phantom {number}" for number in range(count)],
        "height": [SIZE[0]] * count,
        "width": [SIZE[1]] * count,
        "pixels": pixels,
        "pixel_size_mm": [PIXEL_SIZE_MM] * count,
    }
    parquet.write_table(pyarrow.table(columns), out, row_group_size=ROW_GROUP, use_dictionary=False, compression="zstd")
    data: bytes = out.getvalue().to_pybytes()
    return data


def own_speed(segmenter: Segmenter, frames: int) -> Own:
    """Measure frames that are in memory, one after the other."""
    shown = [np.frombuffer(data, np.uint8).reshape(SIZE) for data in _pixels(min(frames, ROW_GROUP))]
    segmenter.measure(shown[0], PIXEL_SIZE_MM)
    times, began = [], time.perf_counter()
    for number in range(frames):
        times.append(segmenter.measure(shown[number % len(shown)], PIXEL_SIZE_MM).latency_ms)
    seconds = time.perf_counter() - began
    invoke, total = (float(np.median([getattr(t, name) for t in times])) for name in ("invoke", "total"))
    return Own(frames, invoke, total, frames / seconds)


@dataclass
class _Seen:
    """What a run's reports said.

    Attributes:
        done: Images that are done.
        seconds: Time in which parts were measured.
        start_s: From the first call of the command to the begin of its first part.
        memory: Of each report, the resident memory of its process and that of the command, in bytes.
        killed: What was killed.
    """

    done: int = 0
    seconds: float = 0.0
    start_s: float | None = None
    memory: list[tuple[float, float]] = field(default_factory=list)
    killed: list[Killed] = field(default_factory=list)


def run_archive(tables: Path, out: Path, model: Path, processes: int, frames: int, kill: bool, own: Own) -> Run:
    """Make an archive by the command, and look at its rows.

    Args:
        tables: Folder of tables.
        out: The archive.
        model: The .tflite file.
        processes: How many.
        frames: Number of frames in the tables.
        kill: Kill a process that measures at a third, where there are several, and the command at two thirds.
        own: The model's own speed.

    Raises:
        FetalHeadError: The command failed.
    """
    seen = _Seen()
    victims = [("a process", frames // 3)] * (kill and processes > 1) + [("the command", frames * 2 // 3)] * kill
    options = ("--out", out, "--model", model, "--processes", processes, "--json")
    call = [sys.executable, "-m", "edge_runtime", "archive", *map(str, (tables, *options))]
    while code := _call(call, seen, victims, f"{processes} process{'es' * (processes != 1)}", frames):
        if code != -signal.SIGKILL:
            raise FetalHeadError(f"The archive {ending_text(code)}. Call it by itself: {' '.join(call)}")
    rate = frames / seen.seconds
    numbers, times = _rows(out)
    count = np.bincount(numbers, minlength=frames)
    return Run(
        processes=processes,
        seconds=seen.seconds,
        frames_per_s=rate,
        of_own=rate / (processes * own.frames_per_s),
        start_s=seen.start_s or 0.0,
        rows=len(numbers),
        missing=int(np.sum(count == 0)),
        twice=int(np.sum(count > 1)),
        read_ms=float(np.mean(times["read"])),
        measure_ms=float(np.mean(times["total"])),
        memory_bytes=_tenths([each for each, _ in seen.memory]),
        command_memory_bytes=_tenths([command for _, command in seen.memory]),
        killed=tuple(seen.killed),
    )


def _call(call: Sequence[str], seen: _Seen, victims: list[tuple[str, int]], name: str, frames: int) -> int:
    """Call the command once, kill what is to be killed, and give its exit code."""
    called, shown, began, ended = time.time(), time.monotonic(), math.inf, 0.0
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as command:
        for line in command.stdout or ():
            report = json.loads(line)
            if "part" not in report:
                continue
            began, ended, seen.done = min(began, report["began_s"]), max(ended, report["ended_s"]), report["done"]
            seen.memory.append((report["memory_bytes"] or 0, memory_bytes_of(command.pid) or 0))
            if victims and seen.done >= victims[0][1]:
                what, _ = victims.pop(0)
                seen.killed.append(Killed(what, seen.done))
                os.kill(report["process"] if what == "a process" else command.pid, signal.SIGKILL)
            if time.monotonic() - shown > SAY_EVERY_S:
                shown = time.monotonic()
                say(f"{name}: {seen.done:,} of {frames:,}   {report['frames_per_s']:.1f} frames/s")
    seen.seconds += max(0.0, ended - began)
    seen.start_s = seen.start_s or began - called
    return command.returncode


def _rows(out: Path) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """Of all rows of an archive, the images' numbers, and the times to read and to measure them in ms."""
    table = require("pyarrow.parquet").read_table(out / "rows", columns=["number", "latency_ms"])
    times = table["latency_ms"].combine_chunks().flatten()
    names = [field.name for field in table.schema.field("latency_ms").type]
    return np.asarray(table["number"]), {name: np.asarray(times[names.index(name)]) for name in ("read", "total")}


def _tenths(values: Sequence[float]) -> tuple[float, ...]:
    """The mean of each tenth of the values, in order."""
    return tuple(float(np.mean(part)) for part in np.array_split(values, min(STRETCHES, len(values))))


def with_linear(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Runs with their speed relative to that of one process, if that was measured."""
    one = next((run.frames_per_s for run in runs if run.processes == 1), None)
    if one is None:
        return tuple(runs)
    return tuple(replace(run, of_linear=run.frames_per_s / (run.processes * one)) for run in runs)
