"""``python -m benchmarks cross``: score every image by networks that have not seen its exam."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.result_files import RESULTS
from benchmarks.cross.fold import SCHEDULES, FoldResult, all_folds
from benchmarks.cross.run import read_done, run_folds
from benchmarks.cross.summary import size_table
from benchmarks.cross.worst import draw, worst
from benchmarks.trainings.arguments import add_trainings
from edge_runtime.common.arguments import checked_out
from edge_runtime.common.cli import counted, say
from edge_runtime.common.files import write_bytes
from edge_runtime.errors import UsageError
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
    parser.add_argument("--overwrite", action="store_true", help="replace pictures of --worst that are there")
    add_trainings(parser, RESULTS / "cross")
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Do the folds that have no result yet, and print a table for each size. A fold that fails is named; exit code 1.

    Raises:
        UsageError: There is no such size, or shortened results would be written beside the committed ones.
    """
    if unknown := [size for size in args.sizes if size not in SCHEDULES]:
        raise UsageError(f"There is no size '{unknown[0]}'. The sizes are: {', '.join(SCHEDULES)}.")
    sizes = list(dict.fromkeys(args.sizes or SCHEDULES))
    if args.worst:
        for size in sizes:
            checked_out(_picture(args, size), args.overwrite, "--worst")
    folds = all_folds(sizes)
    all_done = bool(args.table or args.worst) or run_folds(args, folds)
    done = read_done(args.results, folds)
    by_size = {size: some for size in SCHEDULES if (some := [result for fold, result in done if fold.size == size])}
    for size, results in by_size.items():
        say(size_table(results))
        if args.worst:
            _draw(args, size, results)
    return 0 if all_done else 1


def _picture(args: argparse.Namespace, size: str) -> Path:
    return Path(args.worst / f"worst-{size}.png")


def _draw(args: argparse.Namespace, size: str, results: list[FoldResult]) -> None:
    path, dataset = _picture(args, size), find_data(args.data)
    if other := next((result.data for result in results if result.data != dataset.title), None):
        raise UsageError(f"The results are of {other}, the images of {dataset.title}. Give theirs with --data.")
    shown = worst([scored for result in results for scored in result.images])
    write_bytes(path, draw(shown, dataset))
    say(f"written: {path}, {counted(len(shown), 'image')}. {WARNING}")
