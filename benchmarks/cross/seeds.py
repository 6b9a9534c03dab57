"""``python -m benchmarks seeds``: how far chance goes, by training a size as the shipped one, with other seeds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import mean, stdev

import numpy as np

from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import NOT_MEASURED, text_table
from benchmarks.cross.fold import AS_SHIPPED, PSEUDO_LABELS, WHOLE, Fold, FoldResult, Scored
from benchmarks.cross.run import read_done, run_folds
from benchmarks.cross.summary import check_alike
from benchmarks.trainings.arguments import add_trainings
from edge_runtime.common.arguments import at_least
from edge_runtime.common.cli import say
from edge_runtime.errors import UsageError
from train.data.hc18 import find_data
from train.data.pseudo_labels import read_pseudo_labels

HEADER = (
    "size", "seed", "validation: Dice (%)", "ADF (mm)", "test: Dice (%)", "ADF (mm)", "DF (mm)", "refused",
    "in interval (%)",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help=f"{', '.join(AS_SHIPPED)} (default: all)")
    parser.add_argument(
        "--seeds", type=at_least(0), nargs="+", default=[0, 1, 2], metavar="N", help="the seeds (default: 0 1 2)"
    )
    parser.add_argument("--table", action="store_true", help="print what has been measured, and train nothing")
    add_trainings(parser, RESULTS / "seeds")
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Train what has no result yet, and print the table. A training that fails is named; exit code 1.

    Raises:
        UsageError: There is no such size, or shortened results would be written beside the committed ones.
    """
    if unknown := [size for size in args.sizes if size not in AS_SHIPPED]:
        raise UsageError(f"'{unknown[0]}' is not trained in one stage. Those that are: {', '.join(AS_SHIPPED)}.")
    sizes = list(dict.fromkeys(args.sizes or AS_SHIPPED))
    if not args.table:
        read_pseudo_labels(PSEUDO_LABELS, find_data(args.data).root)  # it says which images are missing
    folds = [Fold(size, WHOLE, seed) for seed in sorted(set(args.seeds)) for size in sizes]
    all_done = args.table or run_folds(args, folds)
    if results := read_done(args.results, folds):
        say(seed_table(results))
    return 0 if all_done else 1


def seed_table(results: Sequence[tuple[Fold, FoldResult]]) -> str:
    """A row for each training, and one for each size with means and standard deviations over its seeds.

    Args:
        results: The trainings; those of a size are shown together.

    Raises:
        UsageError: Those of a size differ in more than the seed.
    """
    rows = []
    for size in dict.fromkeys(fold.size for fold, _ in results):
        check_alike([result for fold, result in results if fold.size == size], ("seed", "precision"))
        found = {fold.seed: figures(result) for fold, result in results if fold.size == size}
        rows += [[size, str(seed), *(_text([value]) for value in values)] for seed, values in found.items()]
        if len(found) > 1:
            rows.append([size, f"all {len(found)}", *(_text(values) for values in zip(*found.values(), strict=True))])
    return (
        f"{text_table(list(HEADER), rows)}\nFull int8, measured by the runtime with each artifact's own limits, on the "
        f"validation and test part of the split '{WHOLE}'; the row of all seeds: mean +- standard deviation over seeds."
    )


def figures(result: FoldResult) -> tuple[float, ...]:
    """The figures of a training, as in :data:`HEADER`; NaN where nothing was measured."""
    val, test = result.val_images, result.images
    differences = _differences(test)
    covered = [scored.covered for scored in test if scored.covered is not None]
    return (
        _mean([100 * scored.score.dice for scored in val]),
        _mean(np.abs(_differences(val)).tolist()),
        _mean([100 * scored.score.dice for scored in test]),
        _mean(np.abs(differences).tolist()),
        _mean(differences),
        sum(scored.score.reason is not None for scored in test),
        100 * _mean([float(one) for one in covered]),
    )


def _differences(images: Sequence[Scored]) -> list[float]:
    return [mm for scored in images if (mm := scored.score.hc_difference_mm) is not None]


def _mean(values: Sequence[float]) -> float:
    return mean(values) if values else float("nan")


def _text(values: Sequence[float]) -> str:
    if np.isnan(values).any():
        return NOT_MEASURED
    if len(values) == 1:
        return str(values[0]) if isinstance(values[0], int) else f"{values[0]:.2f}"
    return f"{mean(values):.2f} +- {stdev(values):.2f}"
