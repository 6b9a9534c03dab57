"""``python -m benchmarks predict``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.predict.cost import counted_table, document, is_full_int8, operator_table, predict, table
from benchmarks.predict.published import table as published_table
from edge_runtime.artifact.find import find_models
from edge_runtime.common.arguments import add_out, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError
from export.tflite.model import Model
from export.tflite.report import read_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "places",
        nargs="*",
        type=Path,
        metavar="FILE_OR_FOLDER",
        help=".tflite files in full int8, folders with such files, also in subfolders, or sizes such as edge-s",
    )
    parser.add_argument("--operators", action="store_true", help="list each operator, too")
    parser.add_argument(
        "--published", action="store_true", help="print the published measurements that predictions are held to"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Predict the cost of models, print and write.

    Raises:
        UsageError: There is no such file, or no model in full int8 in the folders.
        ModelError: A file is not a model, not in full int8, or LiteRT cannot run it.
    """
    checked_out(args.out, args.overwrite)
    if args.published:
        say(published_table())
        if not args.places:
            if args.out:
                raise UsageError("--out takes predictions: name a model, too, or leave it out.")
            return 0
    if not args.places:
        raise UsageError("Name a .tflite file in full int8, a folder with such files, or a size such as edge-s.")
    models = list(_models(args.places))
    found = document([predict(model, path.name, args.operators) for path, model in models])
    say(table(found))
    if counts := counted_table([(path.name, model.data) for path, model in models]):
        say(f"\n{counts}")
    if args.operators:
        for cost in found.models:
            say(f"\n{operator_table(cost, [core.name for core in found.cores])}")
    if args.out:
        write_json(args.out, to_json(found))
        say(f"\nwritten: {args.out}")
    return 0


def _models(places: Sequence[Path]) -> Iterator[tuple[Path, Model]]:
    """The named files, and of the folders those in full int8."""
    for place in places:
        found = [(path, read_model(path)) for path in find_models([place])]
        if place.is_dir():
            found = [(path, model) for path, model in found if is_full_int8(model)]
            if not found:
                raise UsageError(f"{place} has no .tflite file in full int8. Make one with: python -m export")
        yield from found
