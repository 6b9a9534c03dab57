"""``python -m benchmarks sizes``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.search.latency import measure, read_latency, speed_table
from benchmarks.search.sizes import GOALS, MEASURED, load_sizes, table
from benchmarks.suite.document import load_document
from edge_runtime.common.arguments import add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "result",
        nargs="?",
        type=Path,
        default=MEASURED,
        metavar="RESULT.json",
        help=f"a result of run, with float32 and full_int8 of each size (default: the committed {MEASURED.name})",
    )
    parser.add_argument(
        "--speeds",
        nargs="+",
        type=Path,
        metavar="FILE.json",
        help="speeds, as --time writes them, one file for each kind of CPU (default: the committed ones)",
    )
    parser.add_argument(
        "--time",
        action="store_true",
        help="time the sizes untrained on this machine, in turns with the paper's network in full int8, and print "
        "nothing else",
    )
    parser.add_argument(
        "--rounds", type=at_least(2), default=100, metavar="N", help="with --time: runs of each (default: %(default)s)"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Time the sizes, or print the table."""
    if args.time:
        return _time(args)
    if args.out:
        raise UsageError("--out is for --time, which measures something: the table is made of files that are there.")
    speeds = [read_latency(path) for path in args.speeds] if args.speeds else load_sizes()
    say(table(load_document(args.result), speeds))
    return 0


def _time(args: argparse.Namespace) -> int:
    from train.strategies import get_strategy

    out = checked_out(args.out, args.overwrite)
    require("torch")
    found = measure({goal.strategy: get_strategy(goal.strategy) for goal in GOALS}, args.rounds, jobs=1)
    say(speed_table(found))
    if out:
        write_json(out, to_json(found))
        say(f"written: {out}")
    return 0
