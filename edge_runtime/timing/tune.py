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
"""Minimum share of the time that more threads must save. Less is not worth another core, and may be gone tomorrow."""

WINS = 0.75
"""Minimum share of the rounds that more threads must win. With 30 rounds and no true difference, that happens by chance
once in 380 tunings."""

MOST_TRIED = 8
"""Maximum number of threads tried. Networks this small gain nothing from more, and each number loads the model anew."""


@dataclass(frozen=True)
class Tuning:
    """The result of a tuning.

    Attributes:
        threads: The chosen number of threads.
        median_ms: Median time from frame to result in ms, by number of threads.
        rounds: How often each number was measured.
        backend: The interpreter.
        kept: Whether the choice was written to the cache folder, where ``Segmenter.load(threads="auto")`` finds it.
        problem: Why it was not written, else None.
    """

    threads: int
    median_ms: dict[int, float]
    rounds: int
    backend: str
    kept: bool
    problem: str | None


def choose(times_ms: Mapping[int, Sequence[float]]) -> int:
    """Choose the fastest number of threads. If the difference is not certain, choose the smaller number.

    Args:
        times_ms: The time of each round in ms, by number of threads. It includes 1 thread, and all numbers were
            measured in the same rounds.

    Returns:
        The choice. Counting up, a number is chosen if it beats both one thread and the number chosen so far. To beat
        means that the median of the paired ratios is better by :data:`MARGIN`, and that :data:`WINS` of the rounds are
        won.
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
    """Time whole measurements with each number of threads.

    The numbers take turns, so that all are measured in the same state of the device.

    Args:
        segmenters: The same model, by number of threads.
        rounds: How often each number is measured.

    Returns:
        The time of each round in ms, by number of threads.
    """
    frame, counts = synthetic_frame(), list(segmenters)
    times: dict[int, list[float]] = {count: [] for count in counts}
    for turn in range(rounds):
        for count in counts if turn % 2 else reversed(counts):
            # One untimed run wakes these threads, and lets the previous ones, which spin for a while, fall asleep.
            segmenters[count].measure(frame)
            times[count].append(segmenters[count].measure(frame).latency_ms.total)
    return times


def tune(model: str | Path | None = None, *, rounds: int = ROUNDS, backend: str | None = None) -> Tuning:
    """Choose the number of threads for a model on this device, and keep it for ``Segmenter.load(threads="auto")``.

    This takes a few seconds. Run it under the conditions of later use: the same cores, cooling and load.

    Args:
        model: The .tflite file. None for the shipped one.
        rounds: How often each number is measured, at least 10.
        backend: As for :meth:`Segmenter.load`.

    Raises:
        UsageError: There are too few rounds, or the model does not exist.
        ModelError: The model cannot be used.
    """
    if rounds < LEAST_ROUNDS:
        raise UsageError(f"rounds is {rounds}; it must be at least {LEAST_ROUNDS} to tell a difference from noise.")
    counts = range(1, min(usable_cores(), MOST_TRIED) + 1)
    segmenters = {count: Segmenter.load(model, threads=count, backend=backend) for count in counts}
    times = time_threads(segmenters, rounds)
    threads = choose(times)
    median_ms = {count: statistics.median(ms) for count, ms in times.items()}
    problem = keep_threads(segmenters[1].manifest.model_sha256, segmenters[1].backend, threads, median_ms)
    event("threads_tuned", threads=threads, tried=len(times), kept=problem is None)
    return Tuning(threads, median_ms, rounds, segmenters[1].backend, problem is None, problem)
