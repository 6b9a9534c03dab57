"""``python -m benchmarks quality``."""

from __future__ import annotations

import argparse

from benchmarks.common.measured import here_and_now
from benchmarks.runtime.quality import measure
from benchmarks.runtime.quality_document import SCHEMA_VERSION, QualityDocument, table
from edge_runtime.common.arguments import add_data, add_model, add_others, add_out, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError
from edge_runtime.quality.limits import read_limits
from edge_runtime.segmenter import Segmenter
from edge_runtime.shipped import find_model
from export.quality.cases import others_of
from train.data.hc18 import find_data
from train.data.others import find_others, read_others


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_model(parser)
    add_data(parser)
    add_others(parser)
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Measure an artifact's limits, trust and interval on images they were not derived from, and on bad frames.

    Raises:
        UsageError: The artifact has no limits of its own.
    """
    checked_out(args.out, args.overwrite)
    model = find_model(args.model)
    segmenter = Segmenter.load(model)
    limits = read_limits(segmenter.manifest.quality)
    if limits is None:
        raise UsageError(
            f"{segmenter.manifest.name} has no limits of its own. Derive them with: python -m export quality {model}"
        )
    dataset = find_data(args.data)
    place = args.others or find_others()
    others = others_of(segmenter, read_others(place) if place else [])
    found = measure(segmenter, dataset, others, limits)
    say(table(found))
    if args.out:
        packages = ("numpy", "pillow", "ai-edge-litert", "scikit-image", "matplotlib")
        document = QualityDocument(
            **here_and_now(SCHEMA_VERSION, packages, segmenter.threads),
            artifact=segmenter.manifest.name,
            model_sha256=segmenter.manifest.model_sha256,
            data=dataset.title,
            limits=limits,
            **vars(found),
        )
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    return 0
