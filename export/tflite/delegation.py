"""Which operators the CPU's fast path takes: XNNPACK's partitions, what stays outside, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from export.tflite.interpreter import load_interpreter
from export.tflite.model import Model, Operator
from export.tflite.timing import seconds


@dataclass(frozen=True)
class Outside:
    """Operators of one kind that XNNPACK leaves to TensorFlow Lite's own kernels.

    Attributes:
        kind: As TensorFlow Lite names it.
        count: How many.
        share: Of the model's time, 0 to 1: each run alone, one thread, medians; None where it was not timed.
    """

    kind: str
    count: int
    share: float | None


@dataclass(frozen=True)
class Delegation:
    """How XNNPACK cuts a model.

    Attributes:
        partitions: Parts it runs; more than one means that data leaves it in between.
        outside: What it does not run.
    """

    partitions: int
    outside: tuple[Outside, ...]


def delegation(model: Model, timed: bool = True) -> Delegation:
    """Ask LiteRT how it would run a model on this CPU.

    Args:
        model: The file.
        timed: Measure the share of time of what stays outside; takes some seconds, and only then.

    Raises:
        ModelError: LiteRT cannot run it.
    """
    partitions = [d for d in load_interpreter(model.data)._get_ops_details() if d["op_name"] == "DELEGATE"]
    inside = {i for p in partitions for i in _within(model, p["inputs"], p["outputs"])}
    left = [operator for operator in model.operators if operator.index not in inside]
    spent = seconds([model.data, *(model.alone(operator) for operator in left)]) if timed and left else None
    by_kind: dict[str, list[float | None]] = {}
    for i, operator in enumerate(left):
        by_kind.setdefault(operator.kind, []).append(spent[i + 1] / spent[0] if spent else None)
    outside = (
        Outside(kind, len(shares), sum(s for s in shares if s is not None) if spent else None)
        for kind, shares in by_kind.items()
    )
    return Delegation(len(partitions), tuple(outside))


def _within(model: Model, inputs: Sequence[int], outputs: Sequence[int]) -> set[int]:
    """Operators of a partition: those that its outputs follow from, back to its inputs."""
    borders, found, todo = {int(i) for i in inputs}, set(), [int(i) for i in outputs]
    while todo:
        index = todo.pop()
        operator: Operator | None = model.producers.get(index)
        if index in borders or operator is None or operator.index in found:
            continue
        found.add(operator.index)
        todo += operator.inputs
    return found
