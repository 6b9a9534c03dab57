"""``python -m benchmarks operators``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.roofline.operators import measure, table
from edge_runtime.common.arguments import add_out, at_least, checked_out
from edge_runtime.common.cli import counted, say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError
from edge_runtime.shipped import find_model
from export.tflite.report import read_model
from export.tflite.timing import RUNS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", type=Path, metavar="FILE", help=".tflite file, or edge-s, edge-m or edge-l")
    parser.add_argument(
        "--runs", type=at_least(1), default=RUNS, metavar="N", help="runs of each, in turns (default: %(default)s)"
    )
    parser.add_argument(
        "--most", type=at_least(1), default=15, metavar="N", help="operators to print (default: %(default)s)"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Time each operator of a model, print and write.

    Raises:
        UsageError: There is no such file.
        ModelError: The file is not a model, or LiteRT cannot run it.
    """
    checked_out(args.out, args.overwrite)
    file = find_model(args.model)
    if not file.is_file():
        raise UsageError(f"There is no model file {file}.")
    model = read_model(file)
    say(f"{file.name}: {counted(len(model.operators), 'operator')}, {args.runs} runs each")
    found = measure(model, file.name, args.runs)
    say(table(found, args.most))
    if args.out:
        write_json(args.out, to_json(found))
        say(f"\nwritten: {args.out}")
    return 0
