"""The document of ``python -m benchmarks archive``, and its goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.goals import Goal
from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from edge_runtime.common.record import LEFT_OUT

SCHEMA_VERSION = 1

LEAST_OF_LINEAR = 0.9
LEAST_OF_OWN = 0.9


@dataclass(frozen=True)
class Own:
    """The model's own speed: frames in memory, one process, no archive.

    Attributes:
        frames: How many were measured.
        invoke_ms: Median time of the network, in ms.
        measure_ms: Median time of a whole measurement, with the steps around the network, in ms.
        frames_per_s: Frames per second of all of them.
    """

    frames: int
    invoke_ms: float
    measure_ms: float
    frames_per_s: float


@dataclass(frozen=True)
class Killed:
    """What was killed, on purpose.

    Attributes:
        what: A process that measures, or the command with all of them.
        at: Images that were done then.
    """

    what: str
    at: int


@dataclass(frozen=True)
class Run:
    """One archive.

    Attributes:
        processes: How many measured. One works without Ray.
        seconds: From the begin of the first part to the end of the last, without the time that nothing ran.
        frames_per_s: Images per second in them.
        of_linear: ``frames_per_s`` relative to so many times that of one process. None if one was not measured.
        of_own: ``frames_per_s`` relative to so many times the model's own speed.
        start_s: From the command to the begin of the first part, in s.
        rows: Rows in the archive.
        missing: Images without a row.
        twice: Images with more than one.
        read_ms: Mean time to read and decode an image, in ms.
        measure_ms: Mean time to measure it, in ms.
        memory_bytes: Mean resident memory of a process in each tenth of the run.
        command_memory_bytes: Resident memory of the command in each tenth.
        killed: What was killed midway.
    """

    processes: int
    seconds: float
    frames_per_s: float
    of_own: float
    start_s: float
    rows: int
    missing: int
    twice: int
    read_ms: float
    measure_ms: float
    memory_bytes: tuple[float, ...]
    command_memory_bytes: tuple[float, ...]
    killed: tuple[Killed, ...]
    of_linear: float | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, kw_only=True)
class ArchiveDocument(Measured):
    """Archives of one table of phantoms, by the number of processes.

    Attributes:
        model: Name of the model.
        model_sha256: Its hash.
        frames: Frames of the table.
        distinct: How many of them differ; the table repeats these.
        frame_size: (height, width) in pixels; grey.
        own: The model's own speed.
        runs: One for each number of processes.
    """

    model: str
    model_sha256: str
    frames: int
    distinct: int
    frame_size: tuple[int, int]
    own: Own
    runs: tuple[Run, ...]


def read_archive(path: Path) -> ArchiveDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, ArchiveDocument, SCHEMA_VERSION, "python -m benchmarks archive")


def goals(runs: Sequence[Run]) -> list[Goal]:
    """The goals, met or missed."""
    found = []
    for run in runs:
        name, rate = f"{run.processes} processes", f"{run.frames_per_s:.1f} frames/s"
        if run.of_linear is not None and run.processes > 1:
            found.append(Goal(f"{name}, of linear", LEAST_OF_LINEAR, run.of_linear, False, rate))
        found.append(Goal(f"{name}, of the model's own speed", LEAST_OF_OWN, run.of_own, False, rate))
    return found


def table(document: ArchiveDocument) -> str:
    """What was measured, for a terminal."""
    own = document.own
    lines = [
        f"the model's own speed: {own.frames_per_s:.1f} frames/s, {own.measure_ms:.2f} ms a frame, of it "
        f"{own.invoke_ms:.2f} ms in the network",
        f"{'processes':>9} {'frames/s':>9} {'of linear':>9} {'of own':>7} {'read ms':>8} {'start s':>8} "
        f"{'MB each':>16} {'rows':>10} {'missing':>8} {'twice':>6}",
    ]
    for run in document.runs:
        linear = "" if run.of_linear is None else f"{run.of_linear:.2f}"
        memory = f"{run.memory_bytes[0] / 1e6:.0f} to {run.memory_bytes[-1] / 1e6:.0f}"
        lines.append(
            f"{run.processes:>9} {run.frames_per_s:>9.1f} {linear:>9} {run.of_own:>7.2f} {run.read_ms:>8.2f} "
            f"{run.start_s:>8.1f} {memory:>16} {run.rows:>10,} {run.missing:>8,} {run.twice:>6,}"
        )
        lines += [f"{'':>9} killed at {killed.at:,}: {killed.what}" for killed in run.killed]
    return "\n".join(lines)
