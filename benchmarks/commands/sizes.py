"""``python -m benchmarks sizes``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.commands.pareto import LATENCY, PARETO
from benchmarks.common.result_files import RESULTS
from benchmarks.search.latency import read_latency
from benchmarks.search.sizes import table
from benchmarks.suite.document import load_document
from edge_runtime.common.cli import say

MEASURED = RESULTS / "intel-xeon-vnni-grouped.json"
"""The committed result whose machine also measured the speeds."""


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
        "--latency",
        type=Path,
        default=PARETO / LATENCY,
        metavar="FILE.json",
        help="speeds, as pareto --latency writes them (default: the committed ones)",
    )
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    say(table(load_document(args.result), read_latency(args.latency)))
    return 0
