"""``python -m benchmarks export-cost``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.measured import here_and_now
from benchmarks.int8.export_cost import SCHEMA_VERSION, ExportCostDocument, line, measure
from edge_runtime.common.arguments import add_data, add_out, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.shipped import DEFAULT_SIZE
from export.commands.arguments import check_checkpoint
from train.data.hc18 import find_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "checkpoints", nargs="*", type=Path, default=[Path("checkpoints") / DEFAULT_SIZE], metavar="DIR",
        help="folders of checkpoints, exported one after the other (default: the shipped one)",
    )  # fmt: skip
    add_data(parser)
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Export each checkpoint, and print what it took as soon as it is known."""
    checked_out(args.out, args.overwrite)
    for folder in args.checkpoints:
        check_checkpoint(folder)
    dataset = find_data(args.data)
    costs = []
    for folder in args.checkpoints:
        costs.append(measure(folder, str(dataset.root)))
        say(line(costs[-1]))
    if args.out:
        document = ExportCostDocument(
            **here_and_now(SCHEMA_VERSION, ("torch", "tensorflow", "onnx2tf", "ai-edge-litert"), threads=None),
            data=dataset.title,
            costs=tuple(costs),
        )
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    return 0
