"""Processes on Ray, on this computer or a cluster: parts go in, reports come out, and what is killed is done again."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np

from edge_runtime.archive.worker import Job, Report, Worker
from edge_runtime.common.optional import require
from edge_runtime.common.ray_cluster import last_line, running
from edge_runtime.errors import FetalHeadError

MOST_BLOCKS = 4096
"""Ray keeps a record of each block. More parts than that share blocks; those of a block that are done are skipped."""


class _Actor:
    """A :class:`Worker` as Ray Data calls it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        try:
            self._worker = self._worker or Worker(self._job)
            report = asdict(self._worker.measure(int(batch["data"][0])))
        except FetalHeadError as error:  # Ray would wrap it in a traceback
            return {"report": [None], "error": [str(error)]}
        return {"report": [report], "error": [None]}


def run_on_ray(job: Job, parts: Sequence[int], processes: int | None, address: str | None) -> Iterator[Report]:
    """Measure parts in several processes.

    Args:
        job: What every process is given.
        parts: The parts to measure.
        processes: How many; None for one a core of the cluster.
        address: Of a cluster, as ``ray.init`` takes it. None for this computer alone.

    Raises:
        FetalHeadError: Ray is not installed or cannot be reached, or a part cannot be done.
    """
    with _ray_data(processes, address) as ray:
        size = min(processes or int(ray.cluster_resources().get("CPU", 1)), len(parts))
        blocks = np.array_split(np.asarray(parts), min(len(parts), MOST_BLOCKS))
        reports = ray.data.from_numpy(blocks).map_batches(
            _Actor,
            fn_constructor_args=(job,),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=size),
            num_cpus=1,
        )
        try:
            for row in reports.iter_rows():
                if row["error"] is not None:
                    raise FetalHeadError(row["error"])
                yield Report(**row["report"])
        except ray.exceptions.RayError as error:
            raise FetalHeadError(
                f"Ray failed ({type(error).__name__}): {last_line(error)}. What is done stays done: run it again."
            ) from None


@contextmanager
def _ray_data(processes: int | None, address: str | None) -> Iterator[Any]:
    """Ray with Ray Data, which says nothing."""
    with running(address, processes) as ray:
        require("ray.data")
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        yield ray
