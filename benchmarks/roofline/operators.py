"""Where a model's time goes, operator by operator, and how close it comes to the machine's peak."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.measured import Measured, here_and_now
from benchmarks.common.result_files import read_record
from benchmarks.roofline.peak import CHANNELS, MACS, peak_model
from edge_runtime.common.record import LEFT_OUT
from edge_runtime.errors import ModelError
from export.tflite.apart import Apart
from export.tflite.model import WEIGHTED, Model, Operator
from export.tflite.timing import time_groups

SCHEMA_VERSION = 1

Shapes = Mapping[int, tuple[int, ...]]
"""Shapes of tensors, by index."""


@dataclass(frozen=True)
class Cost:
    """What one operator costs.

    Attributes:
        index: Its place in the order of computation. With a PAD that belongs to it, the place of the second of the two.
        kind: TensorFlow Lite's name; with the PAD that belongs to it.
        shape: Shape of its output in the run.
        macs: Number of multiply-accumulates.
        ms: Time that it takes alone, on one thread. None if it was not timed.
        gmac_s: Speed in 1e9 multiply-accumulates per second. None if it was not timed.
        not_timed: Why it was not timed; None if it was.
    """

    index: int
    kind: str
    shape: tuple[int, ...]
    macs: int
    ms: float | None
    gmac_s: float | None
    not_timed: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, kw_only=True)
class OperatorTimes(Measured):
    """A model, each of its operators alone, and the peak, measured in turns. Times are medians on one thread.

    Attributes:
        model: File name.
        runs: Number of runs of each.
        whole_ms: Time of the model.
        alone_ms: Sum of the times of those operators that were timed.
        gmac: Multiply-accumulates of one run of the main graph, in 1e9.
        gmac_s: Speed of the model, in 1e9 multiply-accumulates per second.
        peak_gmac_s: Speed of a large 1x1 convolution in the same arithmetic.
        share_of_peak: Speed of the model divided by the peak, 0 to 1.
        arithmetic: ``int8`` or ``float32``.
        operators: The operators in the order of computation.
    """

    model: str
    runs: int
    whole_ms: float
    alone_ms: float
    gmac: float
    gmac_s: float
    peak_gmac_s: float
    share_of_peak: float
    arithmetic: str
    operators: tuple[Cost, ...]


def read_operators(path: Path) -> OperatorTimes:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, OperatorTimes, SCHEMA_VERSION, "python -m benchmarks operators")


def count_macs(model: Model, operator: Operator, shapes: Shapes | None = None) -> int:
    """Count the multiply-accumulates of an operator. Operators without weights count as 0.

    Args:
        model: The model.
        operator: An operator of its main graph.
        shapes: Shapes of tensors in a run, for those that the file leaves open.
    """
    inputs = operator.inputs
    if operator.kind not in WEIGHTED or len(inputs) < 2 or not operator.outputs:
        return 0

    def shape(index: int) -> tuple[int, ...]:
        return (shapes or {}).get(index, model.tensors[index].shape)

    weights = shape(inputs[1])
    if operator.kind == "TRANSPOSE_CONV":  # each value of the input meets every tap of every output channel
        return math.prod(shape(inputs[2])) * math.prod(weights[:3]) if len(inputs) > 2 else 0
    of_each = math.prod(weights[1:3] if operator.kind == "DEPTHWISE_CONV_2D" else weights[1:])
    return math.prod(shape(operator.outputs[0])) * of_each


def fused(model: Model) -> list[tuple[Operator, ...]]:
    """Group operators as XNNPACK runs them: a PAD is part of the convolution after it, and costs little."""
    groups: list[tuple[Operator, ...]] = []
    for operator in model.operators:
        before = groups[-1][-1] if groups else None
        if before and before.kind == "PAD" and operator.kind in WEIGHTED and before.outputs[:1] == operator.inputs[:1]:
            groups[-1] = (before, operator)
        else:
            groups.append((operator,))
    return groups


def measure(model: Model, name: str, runs: int) -> OperatorTimes:
    """Time a model, each of its operators alone, and the peak, in turns.

    Args:
        model: The model.
        name: Name of its file, for the document.
        runs: Number of runs of each; the document holds medians.

    Raises:
        ModelError: LiteRT cannot run the model. An operator that cannot be run alone is named in the document.
    """
    integer = any(tensor.dtype == "int8" for tensor in model.tensors if not tensor.is_constant)
    groups = fused(model)
    with Apart(model.data) as apart:
        try:
            times = time_groups(apart, model, groups, [peak_model(integer)], runs)
        except ModelError as error:
            raise ModelError(f"{name} cannot be timed: {error}") from error
    costs = [
        _cost(model, group, spent, times.shapes, times.not_timed.get(place))
        for place, (group, spent) in enumerate(zip(groups, times.alone_s, strict=True))
    ]
    gmac = sum(cost.macs for cost in costs) / 1e9
    peak_gmac_s = MACS / 1e9 / times.extra_s[0]
    return OperatorTimes(
        **here_and_now(SCHEMA_VERSION, ("ai-edge-litert",), threads=1),
        model=name,
        runs=runs,
        whole_ms=times.whole_s * 1e3,
        alone_ms=sum(cost.ms or 0.0 for cost in costs),
        gmac=gmac,
        gmac_s=gmac / times.whole_s,
        peak_gmac_s=peak_gmac_s,
        share_of_peak=gmac / times.whole_s / peak_gmac_s,
        arithmetic="int8" if integer else "float32",
        operators=tuple(costs),
    )


def _cost(
    model: Model, group: tuple[Operator, ...], spent_s: float | None, shapes: Shapes, not_timed: str | None
) -> Cost:
    last = group[-1]
    macs = count_macs(model, last, shapes)
    return Cost(
        index=last.index,
        kind=" + ".join(operator.kind for operator in group),
        shape=shapes.get(last.outputs[0], model.tensors[last.outputs[0]].shape) if last.outputs else (),
        macs=macs,
        ms=None if spent_s is None else spent_s * 1e3,
        gmac_s=None if spent_s is None else macs / spent_s / 1e9,
        not_timed=not_timed,
    )


def table(found: OperatorTimes, most: int) -> str:
    """Tables of the slowest operators and of each kind's sum, and a line for what was not timed."""
    total = found.alone_ms
    lines = [
        f"{found.whole_ms:.2f} ms for {found.gmac:.2f} GMAC: {found.gmac_s:.0f} GMAC/s, "
        f"{found.share_of_peak:.0%} of this machine's {found.arithmetic} peak",
        f"peak: {found.peak_gmac_s:.0f} GMAC/s, a 1x1 convolution of {CHANNELS:,} channels in the same run",
        f"operators one by one: {total:.2f} ms",
        "",
        f"{'':>4} {'operator':<26} {'output':<18} {'MMAC':>8} {'ms':>7} {'share':>6} {'GMAC/s':>7}",
    ]
    timed = [(row, row.ms) for row in found.operators if row.ms is not None]
    for row, ms in sorted(timed, key=lambda item: -item[1])[:most]:
        shape = "x".join(map(str, row.shape[1:]))
        lines.append(
            f"{row.index:>4} {row.kind.lower():<26} {shape:<18} {row.macs / 1e6:>8.1f} {ms:>7.3f} "
            f"{ms / total:>6.1%} {row.gmac_s:>7.0f}"
        )
    kinds: dict[str, list[float]] = {}
    for row, ms in timed:
        kinds.setdefault(row.kind, []).append(ms)
    lines += ["", f"{'kind':<26} {'count':>6} {'ms':>8} {'share':>6}"]
    for kind, spent in sorted(kinds.items(), key=lambda item: -sum(item[1])):
        lines.append(f"{kind.lower():<26} {len(spent):>6} {sum(spent):>8.3f} {sum(spent) / total:>6.1%}")
    reasons = Counter((row.kind.lower(), row.not_timed) for row in found.operators if row.not_timed)
    lines += [f"not timed: {count} {kind}: {reason}" for (kind, reason), count in reasons.items()]
    return "\n".join(lines)
