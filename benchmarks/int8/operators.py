"""``python -m benchmarks operators``: where a model's time goes, operator by operator, against the machine's peak."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.int8.peak import CHANNELS, MACS, peak_model
from edge_runtime.common.arguments import add_out, at_least, checked_out
from edge_runtime.common.cli import counted, say
from edge_runtime.common.files import write_json
from edge_runtime.common.provenance import git_commit
from edge_runtime.common.record import from_json, to_json
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import ModelError, UsageError
from export.tflite.apart import Apart
from export.tflite.model import WEIGHTED, Model, Operator
from export.tflite.report import read_model
from export.tflite.timing import RUNS, time_groups

SCHEMA_VERSION = 1

Shapes = Mapping[int, tuple[int, ...]]
"""Of tensors, by index."""


@dataclass(frozen=True)
class Cost:
    """An operator's share.

    Attributes:
        index: In the order of computation; the last one's of two.
        kind: As TensorFlow Lite names it; with the PAD that belongs to it.
        shape: Of its output, as it was in the run.
        macs: Multiplications with an addition.
        ms: Time it takes alone, one thread; None where it was not timed.
        gmac_s: Its speed, in 1e9 multiplications with an addition a second; None where it was not timed.
        not_timed: Why not; None where it was.
    """

    index: int
    kind: str
    shape: tuple[int, ...]
    macs: int
    ms: float | None
    gmac_s: float | None
    not_timed: str | None = None


@dataclass(frozen=True)
class OperatorTimes:
    """The document: a model, each of its operators alone, and the peak, measured in turn; medians, one thread.

    Attributes:
        schema_version: Of this document.
        model: File name.
        runs: Of each.
        whole_ms: The model.
        alone_ms: The sum of its operators, those that were timed.
        gmac: Multiplications with an addition of one run, in 1e9; of the main graph.
        gmac_s: The model's speed, in 1e9 a second.
        peak_gmac_s: Speed of a big 1x1 convolution in the same arithmetic.
        share_of_peak: The model's speed as a share of it, 0 to 1.
        arithmetic: ``int8`` or ``float32``.
        operators: In the order of computation.
        git_commit: Of this project.
        device: What it was measured on.
    """

    schema_version: int
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
    git_commit: str | None
    device: dict[str, Any]


def read_document(path: Path) -> OperatorTimes:
    """A document that the command wrote.

    Raises:
        ModelError: It is not one.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Measure again: python -m benchmarks operators") from error
    return from_json(OperatorTimes, value, path)


def count_macs(model: Model, operator: Operator, shapes: Shapes | None = None) -> int:
    """Multiplications with an addition that an operator does; 0 for those without weights.

    Args:
        model: The file.
        operator: Of its main graph.
        shapes: Of tensors in a run, where the file leaves some open.
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
    """Operators as XNNPACK runs them: a PAD belongs to the convolution behind it, and costs next to nothing there."""
    groups: list[tuple[Operator, ...]] = []
    for operator in model.operators:
        before = groups[-1][-1] if groups else None
        if before and before.kind == "PAD" and operator.kind in WEIGHTED and before.outputs[:1] == operator.inputs[:1]:
            groups[-1] = (before, operator)
        else:
            groups.append((operator,))
    return groups


def measure(model: Model, name: str, runs: int) -> OperatorTimes:
    """Time a model, each of its operators alone, and the peak, in turn.

    Args:
        model: To measure.
        name: Of its file, for the document.
        runs: Of each; medians are given.

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
        schema_version=SCHEMA_VERSION,
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
        git_commit=git_commit(),
        device=fingerprint(),
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
    """The costliest operators, each kind's sum, and what was not timed."""
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("model", type=Path, metavar="FILE", help=".tflite file")
    parser.add_argument(
        "--runs", type=at_least(1), default=RUNS, metavar="N", help="of each, alternating; default: %(default)s"
    )
    parser.add_argument(
        "--most", type=at_least(1), default=15, metavar="N", help="operators shown; default: %(default)s"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Time each operator of a model by itself, beside the whole and a big matrix product in the same arithmetic."""
    checked_out(args.out, args.overwrite)
    if not args.model.is_file():
        raise UsageError(f"There is no model file {args.model}.")
    model = read_model(args.model)
    say(f"{args.model.name}: {counted(len(model.operators), 'operator')}, {args.runs} runs each")
    found = measure(model, args.model.name, args.runs)
    say(table(found, args.most))
    if args.out:
        write_json(args.out, to_json(found))
        say(f"\nwritten: {args.out}")
    return 0
