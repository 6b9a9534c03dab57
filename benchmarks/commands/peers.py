"""``python -m benchmarks peers``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.common.measured import here_and_now
from benchmarks.int8.peers import SCHEMA_VERSION, PeersDocument, make_peers, measure, table
from edge_runtime.common.arguments import add_data, add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from export.commands.arguments import add_checkpoint, add_rewrites, check_checkpoint, rewrite_names
from export.recipes import RECIPES
from train.data.hc18 import find_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_checkpoint(parser)
    add_data(parser)
    parser.add_argument(
        "--images", type=at_least(1), default=8, metavar="N", help="frames to run (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=at_least(1), default=200, metavar="N", help="runs of each engine (default: %(default)s)"
    )
    add_rewrites(parser)
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Convert a checkpoint for every engine, time them in turns, print and write.

    LiteRT's graph is an export's, with the rewrites it needs or those given; its int8 is quantized in the plainest way,
    by minimum and maximum. The other engines get the ONNX file as it is.
    """
    checked_out(args.out, args.overwrite)
    check_checkpoint(args.checkpoint)
    rewrites = rewrite_names(args.rewrite)
    for package in ("torch", "onnxruntime"):
        require(package)
    from export.images import load_images
    from export.job import Options, plan
    from export.recipes import NO_LIMIT
    from train.checkpoint import load_checkpoint

    checkpoint, dataset = load_checkpoint(args.checkpoint), find_data(args.data)
    options = Options((RECIPES["full_int8"],), Path(), verify_images=args.images, budget=NO_LIMIT, rewrites=rewrites)
    job = plan(checkpoint, dataset, options)
    used = tuple(rewrite.name for rewrite in job.rewrites)
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        engines = measure(
            make_peers(job, Path(folder)), load_images(job.parity, job.size, job.resize_rule).inputs, args.rounds
        )
    size = f"{job.size[0]}x{job.size[1]}"
    say(f"{job.name} at {size}, LiteRT's graph {'with ' + ', '.join(used) if used else 'as it is'}")
    say(f"{args.rounds} rounds\n{table(engines)}")
    if args.out:
        document = PeersDocument(
            **here_and_now(SCHEMA_VERSION, ("ai-edge-litert", "onnxruntime", "openvino", "nncf"), threads=1),
            strategy=job.name,
            checkpoint_sha256=checkpoint.sha256,
            size=job.size,
            rounds=args.rounds,
            engines=engines,
            rewrites=used,
        )
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    return 0
