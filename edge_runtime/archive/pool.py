"""Processes on Ray, on this computer or a cluster: parts go in, reports come out, and what is killed is done again."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
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

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_TQDM": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_worker_niceness": "0",  # it would give way to everything else on this computer; who wants that calls nice
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


def find_ray(address: str | None) -> Any:
    """The package ray, which reads settings from the environment when it is imported, and later.

    Args:
        address: As for :func:`run_on_ray`.

    Raises:
        FetalHeadError: It is not installed.
    """
    if address:
        more = {"RAY_gcs_server_port_wait_time_s": "1"}  # tries to reach the cluster, each of forty seconds
    else:
        more = {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on Linux too: listen on the loopback address alone
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),  # or it keeps one in the home folder
        }
    for name, value in {**_SETTINGS, **more}.items():
        os.environ.setdefault(name, value)
    return require("ray")


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
                f"Ray failed ({type(error).__name__}): {_last_line(error)}. What is done stays done: run it again."
            ) from None


def _check_reachable(address: str) -> None:
    """Check that something answers at an address, for which Ray would wait long."""
    host, _, port = address.rpartition(":")
    try:
        if port.isdecimal():
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str | None, error: Exception) -> FetalHeadError:
    if address is None:
        return FetalHeadError(f"Ray cannot be started: {_last_line(error)}. --processes 1 does without it.")
    return FetalHeadError(f"The cluster {address} cannot be reached: {_last_line(error)}. Check it with: ray status")


def _last_line(error: Exception) -> str:
    """The line of Ray's many that says what is wrong."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1][:300].rstrip(".")


@contextmanager
def _ray(processes: int | None, address: str | None) -> Iterator[Any]:
    """Ray, silent and without a dashboard. On this computer it listens on the loopback address alone."""
    ray = find_ray(address)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with tempfile.TemporaryDirectory(prefix="archive", ignore_cleanup_errors=True) as folder:
        here = {} if address else {
            "num_cpus": processes, "object_store_memory": _STORE_BYTES, "include_dashboard": False,
            "_temp_dir": folder,
        }  # fmt: skip
        if address:
            _check_reachable(address)
        try:
            with without_remarks(everything=True):  # it says which log level it was told to have
                ray.init(address=address or "local", log_to_driver=False, logging_level=logging.CRITICAL, **here)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _unreachable(address, error) from None
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
