"""``python -m benchmarks levers``."""

from __future__ import annotations

import argparse

from benchmarks.common.result_files import RESULTS
from benchmarks.search.levers import BASE, GONE, LEVERS, TAUGHT, TEACHERS, table, trials
from benchmarks.search.run import run_trials
from benchmarks.search.trial import read_done
from benchmarks.trainings.arguments import add_trainings
from edge_runtime.common.cli import say
from edge_runtime.errors import UsageError
from train.checkpoint import INFO


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    listing = ", ".join(LEVERS)
    parser.add_argument("names", nargs="*", metavar="LEVER", help=f"{listing} (default: all but {TAUGHT})")
    parser.add_argument("--table", action="store_true", help="print what has been measured, and train nothing")
    add_trainings(parser, RESULTS / "levers")
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Train what has no result yet, and print the table."""
    if unknown := [name for name in args.names if name not in LEVERS]:
        raise UsageError(f"There is no lever '{unknown[0]}'. The levers are: {', '.join(LEVERS)}.")
    names = dict.fromkeys(args.names or (name for name in LEVERS if name != TAUGHT))
    chosen = [trial for name in names for trial in trials(name)]
    if not args.table and (missing := [t for c in chosen for t in c.teachers if not (args.runs / t / INFO).exists()]):
        raise UsageError(
            f"'{TAUGHT}' learns from networks of which {len(missing)} are not in {args.runs}, {missing[0]} for one. "
            f"Train {', '.join(t for t in TEACHERS if t in LEVERS)} first; the commits in the results of "
            f"{', '.join(t for t in TEACHERS if t not in LEVERS)} can train that one."
        )
    all_done = args.table or run_trials(args, chosen)
    shown = dict.fromkeys((BASE, *args.names) if args.names else (*LEVERS, *GONE))
    results = read_done(args.results, [trial for lever in shown for trial in trials(lever)])
    done = {result.name: result for result in results}
    say(table(done) if done else f"There are no results in {args.results} yet.")
    return 0 if all_done else 1
