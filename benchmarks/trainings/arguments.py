"""Options of the commands that train many networks."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.result_files import RESULTS
from benchmarks.trainings.jobs import Places
from edge_runtime.common.arguments import above, add_data, at_least, check_folder
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.errors import UsageError


def add_trainings(parser: argparse.ArgumentParser, results: Path) -> None:
    """Add the arguments that :func:`read_places` reads, ``--data`` and ``--epochs``.

    Args:
        parser: The command's parser.
        results: Folder of result files in the repository, the default.
    """
    parser.add_argument(
        "--jobs",
        type=at_least(1),
        metavar="N",
        help="trainings at a time, which share the cores (default: 1; on a cluster, as many as it has room for)",
    )
    parser.add_argument("--minutes", type=above(0), metavar="N", help="start nothing after this time")
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
    cluster = parser.add_argument_group(
        "on a Ray cluster",
        "Each training is a task. --data and --runs must be folders that all nodes see, and each node needs this "
        "source tree on its PYTHONPATH. If a node is lost, its trainings go on elsewhere from their last epoch.",
    )
    cluster.add_argument("--address", metavar="HOST:PORT", help="of the cluster (default: train on this computer)")
    cluster.add_argument("--cores", type=at_least(1), metavar="N", help="cores of each training (default: 1)")
    cluster.add_argument("--gpus", type=at_least(1), metavar="N", help="GPUs of each training (default: none)")


def read_places(args: argparse.Namespace, shortened: bool) -> Places:
    """Where the trainings run, and where their results go.

    Args:
        args: With the arguments of :func:`add_trainings`.
        shortened: The results are those of phantoms, of few epochs or of few images.

    Raises:
        UsageError: There are not so many cores, an option of a cluster lacks its address, or shortened results would
            lie beside the committed ones.
    """
    check_folder(args.results, "--results")
    check_folder(args.runs, "--runs")
    if shortened and args.results.resolve().is_relative_to(RESULTS):
        raise UsageError("Phantoms and shortened trainings do not belong beside the real ones: give another --results.")
    if args.address:
        return Places(args.results, args.cores or 1, args.jobs, args.minutes, args.address, args.gpus or 0)
    for name in ("cores", "gpus"):
        if getattr(args, name):
            raise UsageError(
                f"--{name} is for a cluster: give its --address too. On this computer, --jobs divides the cores."
            )
    cores, jobs = usable_cores(), args.jobs or 1
    if jobs > cores:
        raise UsageError(f"--jobs is {jobs}; it must be between 1 and the number of cores, {cores}.")
    return Places(args.results, cores // jobs, jobs, args.minutes)
