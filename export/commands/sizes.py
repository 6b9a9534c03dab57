"""``python -m export sizes``: measure that networks convert correctly at every input size.

onnx2tf guesses layouts from sizes, and is wrong at some sizes. :mod:`export.conversion.graph` avoids these.
``sizes.json`` has the results of a sweep over many sizes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edge_runtime.common.arguments import CommandParser, add_help, at_least
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.provenance import tool_versions
from edge_runtime.errors import UsageError
from train.strategies import STRATEGIES, Strategy, get_strategy

TABLE = Path(__file__).resolve().parents[1] / "sizes.json"
TOLERANCE = 1e-3
"""Maximum difference of a logit from torch in a correct conversion, in standard deviations of torch's logits."""

Size = tuple[int, int]


def _sweep() -> list[Size]:
    heights = (96, 112, 128, 144, 160, 176, 192, 224, 256, 320, 384, 448, 512)
    sizes = {(h, w) for h in heights for w in (h, h + 16, h + 64, h * 3 // 32 * 16) if w <= 512}
    return sorted(
        {*sizes, (160, 96), (192, 128), (240, 160), (384, 256), (512, 256), (512, 384), (128, 160), (128, 208)}
    )


SWEEP = _sweep()
"""Default sizes: square, wide and high, including sizes that onnx2tf alone converts wrongly."""


SWEPT = "decoder-all", "edge"
"""Strategies whose networks the committed table is of."""


def network_key(strategy: Strategy) -> str:
    """What tells apart networks that are converted differently at the same size."""
    if strategy.architecture == "plain-unet":
        return strategy.architecture
    if strategy.architecture == "patch-unet":
        return f"{strategy.architecture} {strategy.name}"
    return f"{strategy.architecture} {'-'.join(map(str, strategy.decoder_channels))} {strategy.upsampling}"


def measure(strategy: Strategy, sizes: Sequence[Size]) -> Iterator[tuple[Size, float]]:
    """Convert a network with random weights and compare it with torch on noise, at each size in turn.

    Args:
        strategy: Strategy of the network.
        sizes: (h, w) in pixels, multiples of 16.

    Yields:
        The size and the largest difference of a logit, in standard deviations of torch's logits.

    Raises:
        ConversionError: A step failed.
    """
    import torch

    from export.conversion.steps import to_graph, to_saved_model
    from train.networks.model import HeadNet, check_image_size, make_predictor

    for size in sizes:
        check_image_size(size)
    torch.manual_seed(0)
    model = HeadNet(strategy).eval()
    predict = make_predictor(model, torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        to_graph(model, Path(folder))
        for size in sizes:
            image = np.random.default_rng(0).integers(0, 256, (1, *size), dtype=np.uint8)
            expected = predict(image[0])
            logits = to_saved_model(size, image, Path(folder))[0]
            yield size, float(np.abs(logits - expected).max() / expected.std())


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m export sizes")
    add_help(
        parser,
        "Convert networks with random weights at many input sizes and compare each with torch. The exit code is 1 if "
        "a size converts wrongly.",
        "python -m export sizes --strategy edge --size 160 240 --size 256 256",
    )
    parser.add_argument(
        "--strategy",
        nargs="+",
        default=list(SWEPT),
        metavar="NAME",
        help=f"strategies, of {', '.join(STRATEGIES)} (default: {' '.join(SWEPT)})",
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=at_least(1),
        action="append",
        metavar=("H", "W"),
        help=f"a size in pixels, multiples of 16; give it again for more (default: {len(SWEEP)} sizes, 96 to 512)",
    )
    parser.add_argument("--write", action="store_true", help=f"write the result to export/{TABLE.name}")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code: 1 if a size converts wrongly."""
    args = build_parser().parse_args(argv)
    strategies = [get_strategy(name) for name in args.strategy]
    if args.write and (args.size or tuple(args.strategy) != SWEPT):
        raise UsageError(f"--write replaces all of export/{TABLE.name}: leave out --size and --strategy.")
    require("torch")
    return _run(strategies, [(h, w) for h, w in args.size] if args.size else SWEEP, args.write)


def _run(strategies: Sequence[Strategy], sizes: Sequence[Size], write: bool) -> int:
    largest: dict[str, dict[str, float]] = {}
    for strategy in strategies:
        found = largest.setdefault(network_key(strategy), {})
        for (height, width), difference in measure(strategy, sizes):
            found[f"{height}x{width}"] = float(f"{difference:.1e}")
            verdict = "correct" if difference <= TOLERANCE else "WRONG"
            say(f"{network_key(strategy):<44} {height}x{width}: {verdict}, {difference:.1e}")
    wrong = sum(d > TOLERANCE for found in largest.values() for d in found.values())
    say(f"{sum(map(len, largest.values()))} conversions, {wrong} wrong (tolerance {TOLERANCE:g})")
    if write:
        tools = tool_versions(("onnx2tf", "onnxsim", "tensorflow", "torch"))
        write_json(TABLE, {"tolerance": TOLERANCE, "largest_difference": largest, "tools": tools})
    return 1 if wrong else 0
