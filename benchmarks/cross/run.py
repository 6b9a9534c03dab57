"""Do folds, several at a time."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.cross.fold import Fold, FoldResult, read_fold, run_fold
from benchmarks.trainings.arguments import read_trainings
from benchmarks.trainings.jobs import result_path
from edge_runtime.common.cli import counted, say
from edge_runtime.common.optional import require


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
    trainings = read_trainings(args)
    return trainings.do([trainings.job(f.name, f.epochs, partial(run_fold, f, args.epochs), _told) for f in folds])


def read_done(results: Path, folds: Sequence[Fold]) -> list[tuple[Fold, FoldResult]]:
    """The folds that have a result, with it; that there is none is said."""
    paths = {fold: result_path(fold.name, results) for fold in folds}
    done = [(fold, read_fold(path)) for fold, path in paths.items() if path.exists()]
    if not done:
        say(f"There are no results in {results} yet.")
    return done


def _told(result: FoldResult) -> str:
    return f"{counted(len(result.images), 'image')} scored"
