"""``python -m benchmarks interpreters``."""

from __future__ import annotations

import argparse

from benchmarks.common.arguments import add_places, add_test_part
from benchmarks.common.measured import here_and_now
from benchmarks.int8.interpreters import FOOTER, HEADER, INTEGER, SCHEMA_VERSION, InterpretersDocument, compare, line
from benchmarks.suite.artifacts import find_artifacts
from edge_runtime.common.arguments import add_data, add_out, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import FetalHeadError
from train.data.check import check_samples
from train.data.hc18 import find_data
from train.data.splits import evenly_spaced, make_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_places(parser)
    add_data(parser)
    add_test_part(parser)
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Run int8 artifacts on the same images in both interpreters, and compare masks and circumferences.

    Raises:
        FetalHeadError: There is no such artifact, or one of the interpreters is not installed.
    """
    checked_out(args.out, args.overwrite)
    found = [(a, a.manifest) for a in find_artifacts(args.places) if a.manifest and a.manifest.recipe in INTEGER]
    if not found:
        raise FetalHeadError(
            "There is no artifact in full or mixed int8 there. Only integer arithmetic can be compared exactly. "
            "Make one with: python -m export --recipes full_int8"
        )
    dataset = find_data(args.data)
    test = dataset.select(make_split(dataset, args.split_part).test)
    samples = evenly_spaced(test, args.images or len(test))
    check_samples(dataset, samples)
    say(f"data: {dataset.title}, {len(samples)} images of the test part of split {args.split_part}\n{HEADER}")
    models = []
    for artifact, manifest in found:
        models.append(compare(artifact, manifest, samples))
        say(line(models[-1]))
    say(FOOTER)
    if args.out:
        document = InterpretersDocument(
            **here_and_now(SCHEMA_VERSION, ("ai-edge-litert", "tflite-runtime", "numpy"), threads=1),
            data=dataset.title,
            split=args.split_part,
            models=tuple(models),
        )
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    return 0
