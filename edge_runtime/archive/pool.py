"""Processes on Ray, on this computer or a cluster: parts go in, reports come out, and what is killed is done again."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np

from edge_runtime.archive.worker import Job, Report, Worker
from edge_runtime.common.optional import require
from edge_runtime.common.stderr import without_remarks
from edge_runtime.errors import FetalHeadError

MOST_BLOCKS = 4096
"""Ray keeps a record of each block. More parts than that share blocks; those of a block that are done are skipped."""

_STORE_BYTES = 200 << 20
"""Ray's shared memory on this computer. Only numbers of parts and reports go through it."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_TQDM": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


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
    with _ray(processes, address) as ray:
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
                f"Ray failed ({type(error).__name__}): {str(error).strip().splitlines()[-1][:300]}. What is done stays "
                "done: run it again."
            ) from None


@contextmanager
def _ray(processes: int | None, address: str | None) -> Iterator[Any]:
    """Ray, silent and without a dashboard. On this computer it listens on the loopback address alone."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    ray = require("ray")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with tempfile.TemporaryDirectory(prefix="archive", ignore_cleanup_errors=True) as folder:
        here = {} if address else {
            "num_cpus": processes, "object_store_memory": _STORE_BYTES, "include_dashboard": False,
            "_node_ip_address": "127.0.0.1", "_temp_dir": folder,
        }  # fmt: skip
        try:
            with without_remarks(everything=True):  # it says which log level it was told to have
                ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **here)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            where = f"The cluster {address} cannot be reached" if address else "Ray cannot be started"
            raise FetalHeadError(
                f"{where}: {str(error).strip().splitlines()[-1][:300]}. Check it with: ray status"
            ) from None
        try:
            for number, handler in handlers.items():  # Ray's own would end without our message
                signal.signal(number, handler)
            # it prints in colours, on stdout, that a killed process is replaced
            require("ray._private.worker").print_to_stdstream = lambda *_, **__: None
            require("ray.data")
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = context.print_on_execution_start = False
            yield ray
        finally:
            ray.shutdown()
