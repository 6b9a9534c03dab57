"""``python -m benchmarks cross``: score every image by networks that have not seen its exam."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.common.arguments import add_trainings, cores_each
from benchmarks.common.result_files import RESULTS
from benchmarks.cross.fold import LOG, SCHEDULES, Fold, FoldResult, all_folds, read_fold, run_fold
from benchmarks.cross.summary import size_table
from benchmarks.cross.worst import draw, worst
from edge_runtime.common.arguments import above, check_folder
from edge_runtime.common.cli import clock, counted, say
from edge_runtime.common.files import write_bytes, write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from edge_runtime.errors import FetalHeadError, UsageError
from train.data.hc18 import find_data

WARNING = "It shows the images of the data set: do not publish or commit it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help=f"{', '.join(SCHEDULES)} (default: all)")
    parser.add_argument("--table", action="store_true", help="print what has been measured, and train nothing")
    parser.add_argument(
        "--worst",
        type=Path,
        metavar="DIR",
        help="draw the worst twenty images of each size into DIR/worst-SIZE.png, and train nothing",
    )
    parser.add_argument("--minutes", type=above(0), metavar="N", help="start nothing after this time")
    add_trainings(parser, RESULTS / "cross")
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Do the folds that have no result yet, and print a table for each size. A fold that fails is named; exit code 1.

    Raises:
        UsageError: There is no such size, or shortened results would be written beside the committed ones.
    """
    if unknown := [size for size in args.sizes if size not in SCHEDULES]:
        raise UsageError(f"There is no size '{unknown[0]}'. The sizes are: {', '.join(SCHEDULES)}.")
    folds = all_folds(args.sizes or list(SCHEDULES))
    code = 0 if args.table or args.worst else _do(args, folds)
    done = [read_fold(path) for fold in folds if (path := args.results / f"{fold.name}.json").exists()]
    by_size = {size: some for size in SCHEDULES if (some := [result for result in done if result.size == size])}
    if not by_size:
        say(f"There are no results in {args.results} yet.")
    for size, results in by_size.items():
        say(size_table(results))
        if args.worst:
            _draw(args, size, results)
    return code


def _do(args: argparse.Namespace, folds: list[Fold]) -> int:
    require("torch")
    if args.data == "phantom" and args.results.resolve().is_relative_to(RESULTS):
        raise UsageError("Phantoms do not belong beside the real results: give another --results.")
    check_folder(args.results, "--results")
    threads = cores_each(args.jobs)
    dataset = find_data(args.data)
    todo = [fold for fold in folds if not (args.results / f"{fold.name}.json").exists()]
    say(f"data: {dataset.summary}; {len(todo)} of {len(folds)} folds to do, {args.jobs} at a time, to {args.results}")
    started, failed = time.monotonic(), []

    def one(fold: Fold) -> None:
        if args.minutes and time.monotonic() - started > 60 * args.minutes:
            say(f"{fold.name}: not started, {args.minutes:g} minutes are over")
            return
        say(f"{fold.name}: started; its progress is in {args.runs / fold.name / LOG}")
        begun = time.monotonic()
        try:
            result = run_fold(fold, dataset, args.runs, args.epochs, threads)
        except FetalHeadError as error:
            failed.append(fold.name)
            say(f"{fold.name}: failed: {error}")
            return
        write_json(args.results / f"{fold.name}.json", to_json(result))
        say(f"{fold.name}: {counted(len(result.images), 'image')} scored, done in {clock(time.monotonic() - begun)}")

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(one, todo))
    return 1 if failed else 0


def _draw(args: argparse.Namespace, size: str, results: list[FoldResult]) -> None:
    path = args.worst / f"worst-{size}.png"
    shown = worst([scored for result in results for scored in result.images])
    write_bytes(path, draw(shown, find_data(args.data)))
    say(f"written: {path}, {counted(len(shown), 'image')}. {WARNING}")
