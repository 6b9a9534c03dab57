"""Which operators the CPU's fast path takes: XNNPACK's partitions, what stays outside, and what that costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.optional import require
from export.flatbuffer import Model, Operator

RUNS = 30


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
    partitions = [d for d in prepared(model.data)._get_ops_details() if d["op_name"] == "DELEGATE"]
    inside = {i for p in partitions for i in _within(model, p["inputs"], p["outputs"])}
    left = [operator for operator in model.operators if operator.index not in inside]
    spent = _seconds([model.data, *(model.alone(operator) for operator in left)]) if timed and left else None
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


def prepared(data: bytes) -> Any:
    """LiteRT's interpreter of a model, one thread, its tensors allocated.

    Raises:
        ModelError: LiteRT cannot run it.
    """
    module = require("ai_edge_litert.interpreter")
    try:
        interpreter = module.Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"LiteRT cannot run the model: {error}") from error
    return interpreter


def _seconds(files: Sequence[bytes]) -> list[float]:
    """Median time of each model's invoke, alternating, on noise."""
    interpreters = [prepared(data) for data in files]
    rng = np.random.default_rng(0)
    for interpreter in interpreters:
        for details in interpreter.get_input_details():
            interpreter.set_tensor(details["index"], _noise(rng, details))
        interpreter.invoke()
    spent: list[list[float]] = [[] for _ in files]
    for _ in range(RUNS):
        for times, interpreter in zip(spent, interpreters, strict=True):
            started = time.perf_counter()
            interpreter.invoke()
            times.append(time.perf_counter() - started)
    return [statistics.median(times) for times in spent]


def _noise(rng: np.random.Generator, details: dict[str, Any]) -> Any:
    dtype = np.dtype(details["dtype"])
    if dtype.kind == "f":
        return rng.random(details["shape"], np.float32).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, details["shape"], dtype, endpoint=True)
