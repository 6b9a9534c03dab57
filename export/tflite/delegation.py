"""Find the operators that XNNPACK, the CPU's fast path, does not run, and the time that they take."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edge_runtime.errors import ModelError
from export.tflite.apart import Apart, first_that_runs
from export.tflite.model import Model, Operator
from export.tflite.own_run import Subject, Trial, loaded
from export.tflite.timing import time_groups, untimeable


@dataclass(frozen=True)
class Outside:
    """Operators of one kind that XNNPACK leaves to TensorFlow Lite's own kernels.

    Attributes:
        kind: TensorFlow Lite's name.
        count: Number of operators.
        share: Their share of the model's time, 0 to 1, from medians of each operator run alone on one thread. None if
            none was timed.
        not_timed: Number of operators that could not be timed alone, by the reason.
    """

    kind: str
    count: int
    share: float | None
    not_timed: dict[str, int]


@dataclass(frozen=True)
class Delegation:
    """How XNNPACK partitions a model's main graph.

    Attributes:
        partitions: Number of parts that XNNPACK runs. If there is more than one, data leaves XNNPACK in between.
        outside: The operators that it does not run.
    """

    partitions: int
    outside: tuple[Outside, ...]


def delegation(model: Model, timed: bool = True, apart: Apart | None = None) -> Delegation:
    """Ask LiteRT how it would run a model on this CPU.

    Args:
        model: The file.
        timed: Whether to time the operators outside XNNPACK, which takes some seconds.
        apart: A process that holds the model; None to start one.

    Raises:
        ModelError: LiteRT cannot run the model.
    """
    if apart is None:
        with Apart(model.data) as apart:
            return delegation(model, timed, apart)
    _, partitions = first_that_runs(apart, model, find_partitions)
    inside = {i for inputs, outputs in partitions for i in _within(model, inputs, outputs)}
    left = [operator for operator in model.operators if operator.index not in inside]
    shares: list[float | None] = [None] * len(left)
    reasons: dict[int, str] = {}
    if timed and left:
        try:
            times = time_groups(apart, model, [(operator,) for operator in left])
        except ModelError as error:
            reasons = {i: untimeable(model, o) or f"the model's own run: {error}" for i, o in enumerate(left)}
        else:
            shares = [None if spent is None else spent / times.whole_s for spent in times.alone_s]
            reasons = times.not_timed
    by_kind: dict[str, list[int]] = {}
    for place, operator in enumerate(left):
        by_kind.setdefault(operator.kind, []).append(place)
    return Delegation(
        len(partitions),
        tuple(_outside(kind, [shares[i] for i in of], [reasons.get(i) for i in of]) for kind, of in by_kind.items()),
    )


def _outside(kind: str, shares: Sequence[float | None], reasons: Sequence[str | None]) -> Outside:
    known = [share for share in shares if share is not None]
    said = [reason for reason in reasons if reason is not None]
    return Outside(kind, len(shares), sum(known) if known else None, {reason: said.count(reason) for reason in said})


def find_partitions(subject: Subject, trial: Trial) -> list[tuple[list[int], list[int]]]:
    """Indices of the input and output tensors of XNNPACK's partitions."""
    details = loaded(subject.data, trial)._get_ops_details()
    return [
        ([int(i) for i in d["inputs"]], [int(i) for i in d["outputs"]]) for d in details if d["op_name"] == "DELEGATE"
    ]


def _within(model: Model, inputs: Collection[int], outputs: Collection[int]) -> set[int]:
    """Indices of the operators of a partition.

    These are the operators that compute its outputs from its inputs. Tensors that they produce but the partition does
    not give out can only be read inside, so operators that read them, for example to write a variable, belong to it,
    too.
    """
    inputs, outputs = set(inputs), set(outputs)
    found = _behind(model, inputs, outputs)
    while True:
        kept = {i for index in found for i in model.operators[index].outputs} - outputs
        more = {o.index for o in model.operators if o.index not in found and not kept.isdisjoint(o.inputs)}
        if not more:
            return found
        taken = [i for index in more for i in model.operators[index].inputs]
        found |= more | _behind(model, inputs, taken)


def _behind(model: Model, borders: Collection[int], tensors: Collection[int]) -> set[int]:
    """Indices of the operators that compute tensors, back to the borders."""
    found: set[int] = set()
    todo = list(tensors)
    while todo:
        index = todo.pop()
        operator: Operator | None = model.producers.get(index)
        if index in borders or operator is None or operator.index in found:
            continue
        found.add(operator.index)
        todo += operator.inputs
    return found
