"""``python -m benchmarks rewrites``."""

from __future__ import annotations

import argparse

from benchmarks.common.measured import here_and_now
from benchmarks.int8.rewrites import SCHEMA_VERSION, TOLERANCE, RewritesDocument, measure, table
from edge_runtime.common.arguments import add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from edge_runtime.errors import FetalHeadError
from train.strategies import get_strategy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--strategy", default="decoder-all", metavar="NAME", help="strategy to measure (default: %(default)s)"
    )
    parser.add_argument(
        "--size", nargs=2, type=at_least(1), metavar=("H", "W"), help="input size in pixels (default: the strategy's)"
    )
    parser.add_argument(
        "--rounds", type=at_least(1), default=60, metavar="N", help="runs of each rewrite (default: %(default)s)"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Time every rewrite that fits the network, print and write.

    Raises:
        FetalHeadError: A rewrite is not exact.
    """
    checked_out(args.out, args.overwrite)
    strategy = get_strategy(args.strategy)
    require("torch")
    from train.networks.model import check_image_size

    size = (args.size[0], args.size[1]) if args.size else strategy.image_size
    check_image_size(size)
    timings = measure(strategy, size, args.rounds)
    say(f"{strategy.name} at {size[0]}x{size[1]}, {args.rounds} rounds, one thread\n{table(timings)}")
    if args.out:
        document = RewritesDocument(
            **here_and_now(SCHEMA_VERSION, ("ai-edge-litert", "torch", "tensorflow", "onnx2tf"), threads=1),
            strategy=strategy.name,
            size=size,
            rounds=args.rounds,
            rewrites=timings,
        )
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    if any(t.difference > TOLERANCE for t in timings):
        raise FetalHeadError(
            "A rewrite changes what the network computes (table above). Report it, and do not export with it."
        )
    return 0
