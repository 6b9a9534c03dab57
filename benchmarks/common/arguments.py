"""Options that several commands of the benchmarks share."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_runtime.common.arguments import at_least
from train.data.splits import SPLITS


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the places of artifacts."""
    parser.add_argument(
        "places",
        nargs="*",
        type=Path,
        default=[Path("artifacts")],
        metavar="FOLDER_OR_FILE",
        help="folders of artifacts, with their subfolders, or .tflite files (default: artifacts)",
    )


def add_test_part(parser: argparse.ArgumentParser) -> None:
    """Add ``--split-part`` and ``--images``: which images of a data set are used."""
    parser.add_argument(
        "--split-part", choices=SPLITS, default="grouped", help="split whose test part is used (default: %(default)s)"
    )
    parser.add_argument(
        "--images",
        type=at_least(1),
        metavar="N",
        help="use N of its images, spread evenly over the head size (default: all)",
    )
