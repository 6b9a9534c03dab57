"""One artifact's rounds, pooled: percentiles over all frames, intervals over rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.intervals import Interval, mean_interval, spread
from benchmarks.machine.energy import Energy, Meter
from benchmarks.machine.watch import LEAST_S, Reading, joules
from benchmarks.suite.modes import STABLE
from benchmarks.suite.rounds import Round, Sustained
from benchmarks.suite.sustained import summarize
from benchmarks.suite.worker import Timed
from edge_runtime.measurement import Latency
from edge_runtime.stages import STEPS
from edge_runtime.timing.bench import Percentiles, StageLatencies, percentiles, summarize_latencies


@dataclass(frozen=True)
class Turn:
    """One round of one artifact.

    Attributes:
        timed: What its process said.
        at_s: When each frame began, in s from the first.
        steps_ms: float (frames, steps), the time of each step in ms; NaN for one that was not reached.
        readings: The machine meanwhile.
    """

    timed: Timed
    at_s: NDArray[np.float32]
    steps_ms: NDArray[np.float32]
    readings: Sequence[Reading]

    @property
    def seconds(self) -> float:
        """Time of the timed frames, in s."""
        return self.timed.ended_s - self.timed.started_s

    @property
    def total_ms(self) -> NDArray[np.float32]:
        """The time of each frame, in ms."""
        return np.asarray(np.nansum(self.steps_ms, axis=1))


@dataclass(frozen=True)
class Speed:
    """Latency, memory and energy of one artifact; fields as those of :class:`benchmarks.suite.document.Result`."""

    backend: str
    input_size: tuple[int, int]
    latency_ms: StageLatencies
    steps_ms: dict[str, Percentiles]
    load_ms: float
    time_to_first_result_ms: float
    process_start_to_first_result_ms: float
    peak_memory_bytes: int | None
    rounds: tuple[Round, ...]
    mean_ms: Interval
    frames_per_s: float
    timed_frames: int
    timed_seconds: float
    rounds_apart: float | None
    unstable: bool | None
    energy: Energy | None
    energy_reason: str | None
    sustained: Sustained | None


def pool(turns: Sequence[Turn], meter: Meter | str, timeline: bool) -> Speed:
    """Combine an artifact's rounds: percentiles over all frames, medians of what happens once a process.

    Args:
        turns: Its rounds.
        meter: What tells energy, or why nothing does.
        timeline: Whether to keep latency over time, of the first round.
    """
    timed = [turn.timed for turn in turns]
    spent = [None if isinstance(meter, str) else _joules(turn, meter) for turn in turns]
    rounds = [_round(turn, found) for turn, found in zip(turns, spent, strict=True)]
    frames, seconds = sum(len(turn.at_s) for turn in turns), sum(turn.seconds for turn in turns)
    apart = spread([float(np.median(turn.total_ms)) for turn in turns]) if len(rounds) > 1 else None
    energy = _energy(turns, spent, meter)
    all_steps = np.concatenate([turn.steps_ms for turn in turns])
    return Speed(
        backend=timed[0].backend,
        input_size=timed[0].input_size,
        latency_ms=summarize_latencies([_latency(frame) for frame in all_steps.astype(float)]),
        steps_ms=_each_step(all_steps),
        load_ms=statistics.median(one.load_ms for one in timed),
        time_to_first_result_ms=statistics.median(one.time_to_first_result_ms for one in timed),
        process_start_to_first_result_ms=statistics.median(one.process_start_to_first_result_ms for one in timed),
        peak_memory_bytes=max((p for one in timed if (p := one.peak_memory_bytes) is not None), default=None),
        rounds=tuple(rounds),
        mean_ms=mean_interval([float(turn.total_ms.mean()) for turn in turns]),
        frames_per_s=frames / seconds,
        timed_frames=frames,
        timed_seconds=seconds,
        rounds_apart=apart,
        unstable=None if apart is None else apart > STABLE,
        energy=energy if isinstance(energy, Energy) else None,
        energy_reason=energy if isinstance(energy, str) else None,
        sustained=_sustained(turns[0]) if timeline else None,
    )


def _latency(steps: NDArray[np.float64]) -> Latency:
    """A frame's steps as the three stages that every result has."""
    prepare, invoke, *after = np.nan_to_num(steps).tolist()
    return Latency(prepare, invoke, sum(after))


def _each_step(steps_ms: NDArray[np.float32]) -> dict[str, Percentiles]:
    """Percentiles of each step over the frames that reached it, if at least two did."""
    columns = {step: column[~np.isnan(column)] for step, column in zip(STEPS, steps_ms.T, strict=True)}
    return {step: percentiles(reached.tolist()) for step, reached in columns.items() if len(reached) > 1}


def _round(turn: Turn, spent: float | None) -> Round:
    timed, total = turn.timed, turn.total_ms
    p50, p90, p99 = (float(value) for value in np.percentile(total, [50, 90, 99]))
    return Round(
        total_p50_ms=p50,
        load_ms=timed.load_ms,
        time_to_first_result_ms=timed.time_to_first_result_ms,
        process_start_to_first_result_ms=timed.process_start_to_first_result_ms,
        peak_memory_bytes=timed.peak_memory_bytes,
        **vars(timed.after),
        frames=len(total),
        seconds=turn.seconds,
        total_mean_ms=float(total.mean()),
        total_p90_ms=p90,
        total_p99_ms=p99,
        steps_p50_ms={step: found.p50 for step, found in _each_step(turn.steps_ms).items()},
        joules_per_frame=None if spent is None else spent / len(total),
    )


def _joules(turn: Turn, meter: Meter) -> float | None:
    return joules(turn.readings, meter, turn.timed.started_s, turn.timed.ended_s)


def _energy(turns: Sequence[Turn], spent: Sequence[float | None], meter: Meter | str) -> Energy | str:
    """Energy over the rounds that have it, or why there is none."""
    if isinstance(meter, str):
        return meter
    told = [(turn, found) for turn, found in zip(turns, spent, strict=True) if found is not None]
    if not told:
        return f"the rounds were shorter than {LEAST_S:g} s, or {meter.source} gave no readings"
    total = sum(found for _, found in told)
    frames, seconds = sum(len(turn.at_s) for turn, _ in told), sum(turn.seconds for turn, _ in told)
    return Energy(total / frames, total / seconds, meter.source)


def _sustained(turn: Turn) -> Sustained:
    return summarize(turn.at_s, turn.total_ms, turn.seconds, turn.readings, turn.timed.started_s)
