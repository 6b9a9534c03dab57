"""Options that several commands of the benchmarks share."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_runtime.common.arguments import add_data, at_least
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.errors import UsageError
from edge_runtime.shipped import MODELS
from train.data.splits import SPLITS


def add_trainings(parser: argparse.ArgumentParser, results: Path) -> None:
    """Add the arguments of commands that train many networks; see :func:`cores_each`.

    Args:
        parser: The command's parser.
        results: Folder of result files in the repository, the default.
    """
    parser.add_argument(
        "--jobs",
        type=at_least(1),
        default=1,
        metavar="N",
        help="trainings at a time, which share the cores (default: %(default)s)",
    )
    add_data(parser)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="checkpoints and logs (default: %(default)s)"
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=results,
        metavar="DIR",
        help=f"result files (default: benchmarks/results/{results.name})",
    )
    parser.add_argument(
        "--epochs", type=at_least(1), metavar="N", help="train for N epochs, to try things out; default: as planned"
    )


def cores_each(jobs: int) -> int:
    """Cores for each of so many trainings at a time.

    Raises:
        UsageError: There are not so many cores.
    """
    cores = usable_cores()
    if not 1 <= jobs <= cores:
        raise UsageError(f"--jobs is {jobs}; it must be between 1 and the number of cores, {cores}.")
    return cores // jobs


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
        help=f"folders of artifacts, with their subfolders, or .tflite files (default: {default_text})",
    )


def add_shipped_places(parser: argparse.ArgumentParser) -> None:
    """Add the places of artifacts: if none is given, the shipped models."""
    add_places(parser, MODELS, "the three shipped models")


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
