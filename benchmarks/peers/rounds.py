"""Times rows in turns: each round starts every row once, in a fresh process and a random order."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.peers.document import Latency
from benchmarks.peers.process import Ready
from benchmarks.peers.rows import OURS
from edge_runtime.common.cli import counted, say
from edge_runtime.errors import FetalHeadError


@dataclass(frozen=True)
class Plan:
    """How much is timed.

    Attributes:
        rounds: Rounds over all rows; 0 times nothing.
        frames: Frames in each.
        warmup: Frames before them.
        threads: Numbers of threads, each measured apart.
    """

    rounds: int
    frames: int
    warmup: int
    threads: tuple[int, ...]


def measure(ready: Sequence[Ready], plan: Plan) -> dict[str, tuple[Latency, ...] | str]:
    """Time rows.

    Returns:
        By the row's name its latencies, or why it failed.
    """
    spent: dict[tuple[str, int], list[list[float]]] = {}
    errors: dict[str, str] = {}
    dice = random.Random(0)
    for turn in range(plan.rounds):
        for threads in plan.threads:
            order = [one for one in ready if one.row.name not in errors]
            dice.shuffle(order)
            for one in order:
                try:
                    found = one.call("time", threads, frames=plan.frames, warmup=plan.warmup)["ms"]
                except FetalHeadError as error:
                    errors[one.row.name] = str(error)
                    say(f"  error: {one.row.name}: {error}")
                    continue
                spent.setdefault((one.row.name, threads), []).append(found)
            say(f"  round {turn + 1}/{plan.rounds}, {counted(threads, 'thread')}: {len(order)} timed")
    names = [one.row.name for one in ready]
    return {
        name: errors.get(name)
        or tuple(_latency(spent[name, n], spent.get((OURS, n)), n) for n in plan.threads if plan.rounds)
        for name in names
    }


def _latency(rounds: list[list[float]], ours: list[list[float]] | None, threads: int) -> Latency:
    medians = [statistics.median(times) for times in rounds]
    times_ours = None
    if ours is not None and len(ours) == len(rounds):
        times_ours = statistics.median(m / statistics.median(o) for m, o in zip(medians, ours, strict=True))
    together = np.concatenate(rounds)
    median, p90 = (float(np.percentile(together, share)) for share in (50, 90))
    return Latency(threads, median, p90, times_ours, tuple(medians))
