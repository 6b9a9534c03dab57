"""How many CPU threads are fastest for a model on this device."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.log import event
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.device.thread_cache import keep_threads
from edge_runtime.errors import UsageError
from edge_runtime.segmenter import Segmenter
from edge_runtime.timing.bench import synthetic_frame

ROUNDS = 30
LEAST_ROUNDS = 10
MARGIN = 0.05
"""Share of the time that more threads must save: less is not worth another core, nor sure to be there tomorrow."""

WINS = 0.75
"""Share of the rounds that more threads must win. Of 30 rounds of equals one side wins so many once in 380 tunings."""

MOST_TRIED = 8
"""Threads tried at most: networks this small gain nothing from more, and each count loads the model once more."""


@dataclass(frozen=True)
class Tuning:
    """What was found.

    Attributes:
        threads: The choice.
        median_ms: Time from frame to result by number of threads.
        rounds: Times each was measured.
        backend: The interpreter.
        kept: Whether the choice was written to the cache folder, where ``Segmenter.load(threads="auto")`` finds it.
        problem: Why it was not, else None.
    """

    threads: int
    median_ms: dict[int, float]
    rounds: int
    backend: str
    kept: bool
    problem: str | None


def choose(times_ms: Mapping[int, Sequence[float]]) -> int:
    """The fastest number of threads, and the smaller one where that is not certain.

    Args:
        times_ms: By number of threads, 1 among them, what each round took; all measured in the same rounds.

    Returns:
        The last number, counting up, that surely beats one thread and the number chosen so far: by :data:`MARGIN` in
        the median of the paired ratios, and in :data:`WINS` of the rounds.
    """
    best = 1
    for count in sorted(times_ms):
        if _beats(times_ms[count], times_ms[best]) and _beats(times_ms[count], times_ms[1]):
            best = count
    return best


def _beats(times_ms: Sequence[float], others_ms: Sequence[float]) -> bool:
    ratios = [ms / other_ms for ms, other_ms in zip(times_ms, others_ms, strict=True)]
    wins = sum(ratio < 1 for ratio in ratios)
    return statistics.median(ratios) <= 1 - MARGIN and wins >= WINS * len(ratios)


def time_threads(segmenters: Mapping[int, Segmenter], rounds: int = ROUNDS) -> dict[int, list[float]]:
    """Time whole measurements with each number of threads, in turns, so that all see the same state of the device.

    Args:
        segmenters: One model, by number of threads.
        rounds: Times each is measured.

    Returns:
        By number of threads, ms a round.
    """
    frame, counts = synthetic_frame(), list(segmenters)
    times: dict[int, list[float]] = {count: [] for count in counts}
    for turn in range(rounds):
        for count in counts if turn % 2 else reversed(counts):
            # Untimed once: wakes these threads and lets those of the count before, which spin for a while, fall asleep.
            segmenters[count].measure(frame)
            times[count].append(segmenters[count].measure(frame).latency_ms.total)
    return times


def tune(model: str | Path | None = None, *, rounds: int = ROUNDS, backend: str | None = None) -> Tuning:
    """Choose the number of threads for a model on this device, and keep it for ``Segmenter.load(threads="auto")``.

    Takes some seconds. Run it on the device as it will be used: the same cores, cooling and load.

    Args:
        model: The .tflite file, None for the shipped one.
        rounds: Times each number is measured, at least 10.
        backend: As :meth:`Segmenter.load` takes it.

    Raises:
        UsageError: Too few rounds, or no such model.
        ModelError: The model cannot be used.
    """
    if rounds < LEAST_ROUNDS:
        raise UsageError(f"rounds is {rounds}; fewer than {LEAST_ROUNDS} say nothing.")
    counts = range(1, min(usable_cores(), MOST_TRIED) + 1)
    segmenters = {count: Segmenter.load(model, threads=count, backend=backend) for count in counts}
    times = time_threads(segmenters, rounds)
    threads = choose(times)
    median_ms = {count: statistics.median(ms) for count, ms in times.items()}
    problem = keep_threads(segmenters[1].manifest.model_sha256, segmenters[1].backend, threads, median_ms)
    event("threads_tuned", threads=threads, tried=len(times), kept=problem is None)
    return Tuning(threads, median_ms, rounds, segmenters[1].backend, problem is None, problem)
