"""Ray, which spreads work over the cores of this computer or of a cluster: started silently, and with our messages."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge_runtime.common.optional import require
from edge_runtime.common.stderr import without_remarks
from edge_runtime.errors import FetalHeadError

_STORE_BYTES = 200 << 20
"""Ray's shared memory on this computer. Only small results go through it."""

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_TQDM": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_worker_niceness": "0",  # it would give way to everything else on this computer; who wants that calls nice
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def find_ray(address: str | None) -> Any:
    """The package ray, which reads settings from the environment when it is imported, and later.

    Args:
        address: As for :func:`running`.

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


@contextmanager
def running(address: str | None, cores: int | None = None) -> Iterator[Any]:
    """Ray, without a dashboard. On this computer it listens on the loopback address alone.

    Args:
        address: Of a cluster, as ``ray.init`` takes it. None for this computer alone.
        cores: Of this computer; None for all.

    Raises:
        FetalHeadError: Ray is not installed, cannot be started or cannot be reached.
    """
    ray = find_ray(address)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        here = {} if address else {
            "num_cpus": cores, "object_store_memory": _STORE_BYTES, "include_dashboard": False, "_temp_dir": folder,
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
            yield ray
        finally:
            ray.shutdown()


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
        return FetalHeadError(f"Ray cannot be started: {last_line(error)}. --processes 1 does without it.")
    return FetalHeadError(f"The cluster {address} cannot be reached: {last_line(error)}. Check it with: ray status")


def last_line(error: Exception) -> str:
    """The line of Ray's many that says what is wrong."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1][:300].rstrip(".")
