"""Latency and memory of several artifacts, in alternating rounds of fresh processes.

A machine's speed drifts (temperature, other work). Measured one artifact after the other, the drift would look like a
difference between them; measured in rounds, it meets all of them alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.suite.artifacts import Artifact
from edge_runtime.common.cli import say
from edge_runtime.errors import FetalHeadError
from edge_runtime.measurement import Latency
from edge_runtime.timing.bench import BenchConfig, summarize_latencies

WORKER_TIMEOUT_S = 1800
"""After this a process counts as hanging: the slowest model here, on a Raspberry Pi 4, takes a minute."""

_ROOT = Path(__file__).resolve().parents[2]
_ONCE_A_PROCESS = ("load_ms", "time_to_first_result_ms", "process_start_to_first_result_ms")


def measure_rounds(
    artifacts: Sequence[Artifact], frames: Sequence[NDArray[np.uint8]], config: BenchConfig, rounds: int
) -> dict[str, dict[str, Any]]:
    """Measure every artifact once a round, each time in a process of its own.

    Args:
        artifacts: What to measure.
        frames: uint8 (H, W) frames to cycle through.
        config: Conditions of one round.
        rounds: Rounds, 1 or more.

    Returns:
        By artifact's name: latency percentiles over the frames of all rounds, medians over rounds of what happens once
        a process, the largest peak memory, and each round's own figures; or ``{"error": ...}`` where it cannot be run.
    """
    measured: dict[str, list[dict[str, Any]]] = {artifact.name: [] for artifact in artifacts}
    errors: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        pixels = Path(folder) / "frames.npz"
        np.savez(pixels, *frames)
        for turn in range(rounds):
            for artifact in artifacts:
                if artifact.name in errors:
                    continue
                try:
                    result = _measure(artifact, pixels, config)
                except FetalHeadError as error:
                    errors[artifact.name] = {"error": artifact.describe_error(error)}
                    say(f"  error: {artifact.name}: {error}")
                    continue
                measured[artifact.name].append(result)
                p50 = result["latency_ms"]["total"]["p50"]
                say(f"  round {turn + 1}/{rounds}  {artifact.name:<32} p50 {p50:8.2f} ms")
    return {name: errors.get(name) or pool(results) for name, results in measured.items()}


def pool(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make one result of an artifact's rounds, each as :func:`.bench_model` gives it with samples."""
    first = results[0]
    samples = [Latency(*stages) for result in results for stages in result["samples_ms"]]
    peaks = [result["peak_memory_bytes"] for result in results if result["peak_memory_bytes"] is not None]
    return {
        "backend": first["backend"],
        "input_size": first["input_size"],
        "latency_ms": summarize_latencies(samples),
        **{key: float(np.median([result[key] for result in results])) for key in _ONCE_A_PROCESS},
        "peak_memory_bytes": max(peaks, default=None),
        "rounds": [
            {
                "total_p50_ms": result["latency_ms"]["total"]["p50"],
                **{key: result[key] for key in _ONCE_A_PROCESS},
                "peak_memory_bytes": result["peak_memory_bytes"],
                **result["after"],
            }
            for result in results
        ],
    }


def _measure(artifact: Artifact, pixels: Path, config: BenchConfig) -> dict[str, Any]:
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
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise FetalHeadError(f"{artifact.path}: the measuring process printed no result.") from error
    return result


def _why(done: subprocess.CompletedProcess[str]) -> str:
    """What a process that ended badly said: its error message, else its last line, else its exit code."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    messages = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if messages:
        return messages[-1]
    ended = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    return f"the measuring process ended with {ended}" + (f": {lines[-1]}" if lines else "") + "."
