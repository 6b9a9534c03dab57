"""Do folds, several at a time."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.common.stage import LOG
from benchmarks.cross.fold import Fold, FoldResult, read_fold, run_fold
from benchmarks.trainings.arguments import read_places
from benchmarks.trainings.jobs import Job, result_path, run_jobs
from edge_runtime.common.cli import counted, say
from edge_runtime.common.optional import require
from train.data.hc18 import find_data


def run_folds(args: argparse.Namespace, folds: Sequence[Fold]) -> bool:
    """Do the folds that have no result yet.

    Args:
        args: Of a command with :func:`benchmarks.trainings.arguments.add_trainings`.
        folds: The folds.

    Returns:
        False if one failed; its error has been told.

    Raises:
        UsageError: Shortened results would be written beside the committed ones.
    """
    require("torch")
    dataset = find_data(args.data)
    places = read_places(args, shortened=bool(args.epochs) or dataset.is_phantom)
    say(f"data: {dataset.summary}")
    data, runs = str(dataset.root.resolve()), args.runs.resolve()

    def job(fold: Fold) -> Job:
        folder, asked = runs / fold.name, {"epochs": args.epochs or fold.epochs, "data": dataset.title}
        return Job(fold.name, folder / LOG, partial(run_fold, fold, data, folder, args.epochs), _told, asked)

    return run_jobs([job(fold) for fold in folds], places)


def read_done(folds: Sequence[Fold], results: Path) -> list[tuple[Fold, FoldResult]]:
    """The folds that have a result, with it; that there is none is said."""
    paths = {fold: result_path(fold.name, results) for fold in folds}
    done = [(fold, read_fold(path)) for fold, path in paths.items() if path.exists()]
    if not done:
        say(f"There are no results in {results} yet.")
    return done


def _told(result: FoldResult) -> str:
    return f"{counted(len(result.images), 'image')} scored"
