"""Options of the commands that train many networks, and the jobs that they make."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common.result_files import RESULTS
from benchmarks.common.stage import LOG
from benchmarks.trainings.jobs import Job, Places, run_jobs
from edge_runtime.common.arguments import above, add_data, at_least, check_folder
from edge_runtime.common.cli import say
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.errors import UsageError
from train.data.hc18 import Dataset, find_data


def add_trainings(parser: argparse.ArgumentParser, results: Path) -> None:
    """Add the arguments that :func:`read_trainings` reads.

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


@dataclass(frozen=True)
class Trainings:
    """What the trainings of a command have in common.

    Attributes:
        dataset: The images.
        places: Where they run, and where their results go.
        runs: A folder for each lies here, with its checkpoint and log.
        epochs: Of each; None as planned.
        limit: Most images of each part; None for all.
    """

    dataset: Dataset
    places: Places
    runs: Path
    epochs: int | None
    limit: int | None

    def job(self, name: str, epochs: int, work: Callable[[str, Path, int], Any], summary: Callable[[Any], str]) -> Job:
        """One training.

        Args:
            name: Unique; the name of its folder and of its result file.
            epochs: As planned.
            work: Gives its result record. It is given the folders of the images and of the training, and the number of
                cores, and it is pickled.
            summary: One phrase about the record.
        """
        folder, asked = self.runs / name, {"epochs": self.epochs or epochs, "limit": self.limit}
        work = partial(work, str(self.dataset.root.resolve()), folder)
        return Job(name, folder / LOG, work, summary, {**asked, "data": self.dataset.title})

    def do(self, jobs: Sequence[Job]) -> bool:
        """Do those that have no result yet; the errors are those of :func:`.run_jobs`.

        Returns:
            False if one failed; its error has been told.
        """
        say(f"data: {self.dataset.summary}")
        return run_jobs(jobs, self.places)


def read_trainings(args: argparse.Namespace) -> Trainings:
    """What the arguments of :func:`add_trainings` say, and ``--limit`` where the command has it.

    Raises:
        UsageError: There are no images, there are not so many cores, an option of a cluster lacks its address, or
            results of phantoms, of few epochs or of few images would lie beside the committed ones.
    """
    dataset, limit = find_data(args.data), getattr(args, "limit", None)
    check_folder(args.results, "--results")
    check_folder(args.runs, "--runs")
    if (args.epochs or limit or dataset.is_phantom) and args.results.resolve().is_relative_to(RESULTS):
        raise UsageError("Phantoms and shortened trainings do not belong beside the real ones: give another --results.")
    return Trainings(dataset, _places(args), args.runs.resolve(), args.epochs, limit)


def _places(args: argparse.Namespace) -> Places:
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
