"""Time a model's operators, each alone on its inputs from the model's own run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge_runtime.errors import ModelError
from export.tflite.apart import Apart, first_that_runs
from export.tflite.model import UNPACKERS, Model, Operator
from export.tflite.own_run import Subject, Trial, fed, run, try_run

RUNS, LEAST_RUNS = 30, 3
BUDGET_S = 30.0
"""If all runs would take longer than this, there are fewer of them."""
LOADING_S = 120.0
"""Time allowed for loading the interpreters, in addition to that of the runs."""
MAX_CRASHES = 5
"""After this many operators that crash LiteRT or never end, the remaining operators are not timed."""

CONTROL = (
    "IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE", "STABLEHLO_CUSTOM_CALL",
    "STABLEHLO_REDUCE", "STABLEHLO_REDUCE_WINDOW", "STABLEHLO_SCATTER", "STABLEHLO_SORT", "STABLEHLO_WHILE",
)  # fmt: skip
"""Operators that run other graphs of the file."""

Group = tuple[Operator, ...]
"""Operators that are timed together."""


@dataclass(frozen=True)
class Times:
    """Median times on one thread.

    Attributes:
        whole_s: Time of the model, in s.
        alone_s: Time of each group of operators, in s; None for a group that was not timed.
        not_timed: Reasons why groups were not timed, by the group's index.
        extra_s: Times of the other models, in s.
        shapes: Shapes of the main graph's tensors in the run, by index.
    """

    whole_s: float
    alone_s: tuple[float | None, ...]
    not_timed: dict[int, str]
    extra_s: tuple[float, ...]
    shapes: dict[int, tuple[int, ...]]


def untimeable(model: Model, operator: Operator) -> str | None:
    """Why an operator cannot be run alone; None if it can be tried."""
    if operator.kind in CONTROL:
        return "it runs other graphs of the file"
    if operator.kind in UNPACKERS and operator.inputs and model.main.source(operator.inputs[0]) is not None:
        return "it only unpacks a constant, once, before the first run"
    tensors = (model.tensors[index] for index in (*operator.inputs, *operator.outputs))
    if any(tensor.dtype in ("resource", "variant") for tensor in tensors):
        return "it reads or writes a variable"
    return None


def time_groups(
    apart: Apart, model: Model, groups: Sequence[Group], extra: Sequence[bytes] = (), runs: int | None = None
) -> Times:
    """Time a model, groups of its operators, and other models, in turn.

    Args:
        apart: The process that holds the model.
        model: The same model.
        groups: Groups of operators to time alone.
        extra: Other .tflite files to compare with.
        runs: Number of runs of each; None for as many as fit into :data:`BUDGET_S`.

    Raises:
        ModelError: LiteRT cannot run the model, or the run did not end.
    """
    trial, _ = first_that_runs(apart, model, try_run)
    reasons: dict[int, str] = {}
    once: dict[int, float] = {}
    crashes = 0
    for place, group in enumerate(groups):
        reason = next(filter(None, (untimeable(model, operator) for operator in group)), None)
        if reason is None and crashes >= MAX_CRASHES:
            reason = f"LiteRT crashed or never ended on {crashes} others"
        if reason is None:
            running = apart.is_running
            try:
                once[place] = apart.call(try_alone, trial, _indices(group))
            except ModelError as error:
                reason = str(error)
                crashes += running and not apart.is_running
        if reason is not None:
            reasons[place] = reason
    whole_once = apart.call(try_whole, trial)
    round_s = whole_once + sum(once.values())
    rounds = runs or max(LEAST_RUNS, min(RUNS, int(BUDGET_S / max(round_s, 1e-9))))
    limit_s = LOADING_S + rounds * (5 * round_s + len(extra))
    tried = [_indices(groups[place]) for place in once]
    spent = apart.call(in_turn, trial, tried, list(extra), rounds, limit_s=limit_s)
    alone = dict(zip(once, spent[1 : 1 + len(tried)], strict=True))
    shapes = apart.call(run_shapes, trial)
    return Times(
        spent[0],
        tuple(alone.get(place) for place in range(len(groups))),
        reasons,
        tuple(spent[1 + len(tried) :]),
        shapes,
    )


def _indices(group: Group) -> tuple[int, ...]:
    return tuple(operator.index for operator in group)


def _group(subject: Subject, indices: Sequence[int]) -> Group:
    return tuple(subject.model.operators[index] for index in indices)


def try_alone(subject: Subject, trial: Trial, indices: Sequence[int]) -> float:
    """Run operators alone, twice. Returns the time of the second run in s."""
    return _seconds(fed(subject, trial, *_group(subject, indices)).invoke)


def try_whole(subject: Subject, trial: Trial) -> float:
    """Run the model as devices do, twice. Returns the time of the second run in s."""
    return _seconds(run(subject.data, trial).invoke)


def run_shapes(subject: Subject, trial: Trial) -> dict[int, tuple[int, ...]]:
    """Shapes of the main graph's tensors after a run, by index. Tensors without a shape are left out."""
    details = subject.kept(trial).get_tensor_details()
    return {int(d["index"]): tuple(map(int, d["shape"])) for d in details}


def in_turn(
    subject: Subject, trial: Trial, groups: Sequence[Sequence[int]], extra: Sequence[bytes], rounds: int
) -> list[float]:
    """Median times in s of the model, of groups and of other models.

    They are run in turn, because the speed of a shared machine drifts.
    """
    interpreters: list[Any] = [run(subject.data, trial)]
    interpreters += [fed(subject, trial, *_group(subject, indices)) for indices in groups]
    interpreters += [run(data, trial) for data in extra]
    spent: list[list[float]] = [[] for _ in interpreters]
    for _ in range(rounds):
        for times, interpreter in zip(spent, interpreters, strict=True):
            times.append(_seconds(interpreter.invoke))
    return [statistics.median(times) for times in spent]


def _seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
