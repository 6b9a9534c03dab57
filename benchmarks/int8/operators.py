"""``python -m benchmarks operators``: where a model's time goes, operator by operator, against the machine's peak."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_runtime.common.arguments import add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.provenance import git_commit
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import UsageError
from export.tflite.model import WEIGHTED, Model, Operator
from export.tflite.timing import RUNS, seconds

SCHEMA_VERSION = 1
PEAK_CHANNELS, PEAK_SIDE = 1024, 32
"""Of the 1x1 convolution that the peak is taken from: 1.07 GMAC."""


@dataclass(frozen=True)
class Cost:
    """An operator's share.

    Attributes:
        index: In the order of computation; the last one's of two.
        kind: As TensorFlow Lite names it; with the PAD that belongs to it.
        shape: Of its output.
        macs: Multiplications with an addition.
        ms: Time it takes alone, one thread.
    """

    index: int
    kind: str
    shape: tuple[int, ...]
    macs: int
    ms: float

    @property
    def gmac_s(self) -> float:
        """Its speed, in 1e9 multiplications with an addition a second."""
        return self.macs / self.ms / 1e6


def count_macs(model: Model, operator: Operator) -> int:
    """Multiplications with an addition that an operator does; 0 for those without weights."""
    if operator.kind not in WEIGHTED:
        return 0
    weights = model.weights(operator).shape
    if operator.kind == "TRANSPOSE_CONV":  # each value of the input meets every tap of every output channel
        return math.prod(model.computed_inputs(operator)[0].shape) * math.prod(weights[:3])
    of_each = weights[1] * weights[2] if operator.kind == "DEPTHWISE_CONV_2D" else math.prod(weights[1:])
    return math.prod(model.tensors[operator.outputs[0]].shape) * of_each


def fused(model: Model) -> list[tuple[Operator, ...]]:
    """Operators as XNNPACK runs them: a PAD belongs to the convolution behind it, and costs next to nothing there."""
    groups: list[tuple[Operator, ...]] = []
    for operator in model.operators:
        before = groups[-1][-1] if groups else None
        if before and before.kind == "PAD" and operator.kind in WEIGHTED and before.outputs[0] == operator.inputs[0]:
            groups[-1] = (before, operator)
        else:
            groups.append((operator,))
    return groups


def peak_model(integer: bool) -> bytes:
    """A 1x1 convolution big enough to run at the speed of the machine's matrix units, in int8 or float32."""
    import numpy as np

    tf = require("tensorflow")
    kernel = np.random.default_rng(0).normal(0, 0.03, (1, 1, PEAK_CHANNELS, PEAK_CHANNELS)).astype(np.float32)
    shape = (1, PEAK_SIDE, PEAK_SIDE, PEAK_CHANNELS)
    function = tf.function(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"), input_signature=[tf.TensorSpec(shape)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    if integer:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [np.random.default_rng(i).random(shape, np.float32)] for i in (0, 1)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def measure(model: Model, runs: int) -> dict[str, Any]:
    """Time a model, each of its operators alone, and the peak, alternating in one run.

    Args:
        model: To measure.
        runs: Of each; medians are given.

    Returns:
        ``whole_ms``, ``peak_gmac_s``, ``gmac``, ``share_of_peak`` and ``operators``.
    """
    integer = any(tensor.dtype == "int8" for tensor in model.tensors if not tensor.is_constant)
    groups = fused(model)
    whole, peak, *alone = seconds([model.data, peak_model(integer), *(model.alone(*group) for group in groups)], runs)
    costs = [
        Cost(
            group[-1].index,
            " + ".join(operator.kind for operator in group),
            model.tensors[group[-1].outputs[0]].shape,
            count_macs(model, group[-1]),
            spent * 1e3,
        )
        for group, spent in zip(groups, alone, strict=True)
    ]
    gmac = sum(cost.macs for cost in costs) / 1e9
    peak_speed = PEAK_SIDE**2 * PEAK_CHANNELS**2 / 1e9 / peak
    return {
        "whole_ms": whole * 1e3,
        "alone_ms": sum(cost.ms for cost in costs),
        "gmac": gmac,
        "gmac_s": gmac / whole,
        "peak_gmac_s": peak_speed,
        "share_of_peak": gmac / whole / peak_speed,
        "arithmetic": "int8" if integer else "float32",
        "operators": [{**asdict(cost), "gmac_s": cost.gmac_s} for cost in costs],
    }


def table(found: dict[str, Any], most: int) -> str:
    """The costliest operators, and each kind's sum."""
    total = found["alone_ms"]
    lines = [
        f"{found['whole_ms']:.2f} ms for {found['gmac']:.2f} GMAC: {found['gmac_s']:.0f} GMAC/s, "
        f"{found['share_of_peak']:.0%} of this machine's {found['arithmetic']} peak",
        f"peak: {found['peak_gmac_s']:.0f} GMAC/s, a 1x1 convolution of 1,024 channels in the same run",
        f"operators one by one: {total:.2f} ms",
        "",
        f"{'':>4} {'operator':<26} {'output':<18} {'MMAC':>8} {'ms':>7} {'share':>6} {'GMAC/s':>7}",
    ]
    for row in sorted(found["operators"], key=lambda row: -row["ms"])[:most]:
        shape = "x".join(map(str, row["shape"][1:]))
        lines.append(
            f"{row['index']:>4} {row['kind'].lower():<26} {shape:<18} {row['macs'] / 1e6:>8.1f} {row['ms']:>7.3f} "
            f"{row['ms'] / total:>6.1%} {row['gmac_s']:>7.0f}"
        )
    kinds: dict[str, list[float]] = {}
    for row in found["operators"]:
        kinds.setdefault(row["kind"], []).append(row["ms"])
    lines += ["", f"{'kind':<26} {'count':>6} {'ms':>8} {'share':>6}"]
    for kind, spent in sorted(kinds.items(), key=lambda item: -sum(item[1])):
        lines.append(f"{kind.lower():<26} {len(spent):>6} {sum(spent):>8.3f} {sum(spent) / total:>6.1%}")
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
    if args.runs < 1 or args.most < 1:
        raise UsageError(f"--runs is {args.runs}, --most is {args.most}; both are 1 or more.")
    if not args.model.is_file():
        raise UsageError(f"There is no model file {args.model}.")
    found = measure(Model(args.model.read_bytes()), args.runs)
    say(f"{args.model.name}: {table(found, args.most)}")
    if args.out:
        document = {"schema_version": SCHEMA_VERSION, "model": args.model.name, "runs": args.runs, **found}
        write_json(args.out, {**document, "git_commit": git_commit(), "device": fingerprint()})
        say(f"\nwritten: {args.out}")
    return 0
