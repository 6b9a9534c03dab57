"""Latency and memory of several artifacts, in alternating rounds of fresh processes.

A machine's speed drifts (temperature, other work). If artifacts were measured one after the other, the drift would look
like a difference between them. In alternating rounds it affects all of them alike.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.suite.artifacts import Artifact
from benchmarks.suite.document import Round
from benchmarks.suite.worker import Timed
from edge_runtime.common.cli import ending_text, say
from edge_runtime.common.record import from_json
from edge_runtime.errors import FetalHeadError
from edge_runtime.measurement import Latency
from edge_runtime.timing.bench import BenchConfig, StageLatencies, summarize_latencies

WORKER_TIMEOUT_S = 1800
"""A process that takes longer hangs: even the slowest model here should take about a minute on a Raspberry Pi 4."""

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Speed:
    """Latency and memory of one artifact; fields as those of :class:`.Result`."""

    backend: str
    input_size: tuple[int, int]
    latency_ms: StageLatencies
    load_ms: float
    time_to_first_result_ms: float
    process_start_to_first_result_ms: float
    peak_memory_bytes: int | None
    rounds: tuple[Round, ...]


def measure_rounds(
    artifacts: Sequence[Artifact], frames: Sequence[NDArray[np.uint8]], config: BenchConfig, rounds: int
) -> dict[str, Speed | str]:
    """Measure every artifact once a round, each time in a process of its own.

    Args:
        artifacts: What to measure.
        frames: uint8 (H, W) frames to cycle through.
        config: Conditions of one round.
        rounds: Rounds, 1 or more.

    Returns:
        By the artifact's name: what was measured, or the error where it cannot be run.
    """
    measured: dict[str, list[Timed]] = {artifact.name: [] for artifact in artifacts}
    errors: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        pixels = Path(folder) / "frames.npz"
        np.savez(pixels, *frames)
        for turn in range(rounds):
            for artifact in artifacts:
                if artifact.name in errors:
                    continue
                try:
                    timed = _measure(artifact, pixels, config)
                except FetalHeadError as error:
                    errors[artifact.name] = artifact.describe_error(error)
                    say(f"  error: {artifact.name}: {error}")
                    continue
                measured[artifact.name].append(timed)
                say(f"  round {turn + 1}/{rounds}  {artifact.name:<32} p50 {timed.latency_ms.total.p50:8.2f} ms")
    return {name: errors.get(name) or pool(rounds_of) for name, rounds_of in measured.items()}


def pool(timed: Sequence[Timed]) -> Speed:
    """Combine an artifact's rounds: percentiles over all frames, medians of what happens once a process."""
    samples = [Latency(*stages) for one in timed for stages in one.samples_ms or ()]
    return Speed(
        backend=timed[0].backend,
        input_size=timed[0].input_size,
        latency_ms=summarize_latencies(samples),
        load_ms=statistics.median(one.load_ms for one in timed),
        time_to_first_result_ms=statistics.median(one.time_to_first_result_ms for one in timed),
        process_start_to_first_result_ms=statistics.median(one.process_start_to_first_result_ms for one in timed),
        peak_memory_bytes=max((p for one in timed if (p := one.peak_memory_bytes) is not None), default=None),
        rounds=tuple(
            Round(
                total_p50_ms=one.latency_ms.total.p50,
                load_ms=one.load_ms,
                time_to_first_result_ms=one.time_to_first_result_ms,
                process_start_to_first_result_ms=one.process_start_to_first_result_ms,
                peak_memory_bytes=one.peak_memory_bytes,
                **vars(one.after),
            )
            for one in timed
        ),
    )


def _measure(artifact: Artifact, pixels: Path, config: BenchConfig) -> Timed:
    """One round of one artifact.

    Raises:
        FetalHeadError: The process ended badly, hung, or said nothing.
    """
    arguments = {"frames": config.frames, "warmup": config.warmup, "threads": config.threads}
    command = [sys.executable, "-m", "benchmarks.suite.worker", str(artifact.path), str(pixels)]
    command += [f"--{name}={value}" for name, value in arguments.items()]
    search = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    command.append(f"--spawned={time.monotonic()!r}")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=WORKER_TIMEOUT_S, env={**os.environ, "PYTHONPATH": search}
        )
    except subprocess.TimeoutExpired as error:
        raise FetalHeadError(f"{artifact.path} was not done after {WORKER_TIMEOUT_S} s.") from error
    if done.returncode != 0:
        raise FetalHeadError(_why(done))
    try:
        return from_json(Timed, json.loads(done.stdout.splitlines()[-1]), artifact.path)
    except (ValueError, IndexError) as error:
        raise FetalHeadError(f"{artifact.path}: the measuring process printed no result.") from error


def _why(done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed: its error message, else how it ended and its last line."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    messages = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if messages:
        return messages[-1]
    return f"the measuring process {ending_text(done.returncode)}" + (f": {lines[-1]}" if lines else "") + "."
