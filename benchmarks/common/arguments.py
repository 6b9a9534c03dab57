"""Options that several commands of the benchmarks share."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_runtime.common.arguments import at_least
from edge_runtime.shipped import MODELS
from train.data.splits import SPLITS

DEFAULT_PART = "grouped"


def add_places(
    parser: argparse.ArgumentParser, default: Path = Path("artifacts"), default_text: str = "artifacts"
) -> None:
    """Add the places of artifacts.

    Args:
        parser: Gets them.
        default: The place if none is given.
        default_text: It, for people.
    """
    parser.add_argument(
        "places",
        nargs="*",
        type=Path,
        default=[default],
        metavar="FOLDER_OR_FILE",
        help="folders of artifacts, with their subfolders, .tflite files, or sizes such as edge-s "
        f"(default: {default_text})",
    )


def add_shipped_places(parser: argparse.ArgumentParser) -> None:
    """Add the places of artifacts: if none is given, the shipped models."""
    add_places(parser, MODELS, "the three shipped models")


def add_test_part(parser: argparse.ArgumentParser) -> None:
    """Add ``--split-part`` and ``--images``: which images of a data set are used."""
    parser.add_argument(
        "--split-part",
        choices=SPLITS,
        default=DEFAULT_PART,
        help="split whose test part is used (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=at_least(1),
        metavar="N",
        help="use N of its images, spread evenly over the head size (default: all)",
    )
