"""The thread count that ``tune`` found best for a model on this device, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from edge_runtime.common.files import write_json
from edge_runtime.device.fingerprint import identity, usable_cores
from edge_runtime.errors import UsageError

SCHEMA_VERSION = 1
CACHE_VARIABLE = "FETAL_HEAD_EDGE_CACHE"
"""Environment variable that names another folder."""

MAX_BYTES = 65_536
"""Our files have about a kilobyte. A larger one is not ours, and is not read."""


def cache_folder() -> Path | None:
    """The folder for choices: the variable's folder, else ``fetal-head-edge`` in the user's cache folder.

    None if the user has no cache folder.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    if Path(base).is_absolute():  # the XDG specification says to ignore a relative one
        return Path(base) / "fetal-head-edge"
    try:
        return Path.home() / ".cache" / "fetal-head-edge"
    except RuntimeError:  # a service without a home
        return None


def tuned_for(model_sha256: str, backend: str) -> dict[str, Any]:
    """What a choice is valid for: the device, the usable cores, the model, the interpreter and its version."""
    try:
        version = metadata.version(backend)
    except metadata.PackageNotFoundError:
        version = "unknown"
    return {**identity(), "model_sha256": model_sha256, "backend": backend, "backend_version": version}


def _file(key: dict[str, Any]) -> Path | None:
    folder = cache_folder()
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    return folder and folder / f"threads-{digest}.json"


def cached_threads(model_sha256: str, backend: str) -> int | None:
    """Read the thread count that was found best. None if there is none, or if its file is damaged.

    Args:
        model_sha256: sha256 of the model file.
        backend: The interpreter's distribution name.
    """
    key = tuned_for(model_sha256, backend)
    path = _file(key)
    try:
        if path is None or not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        found = json.loads(path.read_bytes())
        if found["schema_version"] != SCHEMA_VERSION or found["tuned_for"] != key:
            return None
        threads = found["threads"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return threads if type(threads) is int and 1 <= threads <= usable_cores() else None


def keep_threads(model_sha256: str, backend: str, threads: int, median_ms: dict[int, float]) -> str | None:
    """Write a choice to the cache folder, whole or not at all.

    Args:
        model_sha256: sha256 of the model file.
        backend: The interpreter's distribution name.
        threads: The chosen number of threads.
        median_ms: Median time in ms, by number of threads.

    Returns:
        None if it was written, else why not. Then ``tune`` has to be run again.
    """
    key = tuned_for(model_sha256, backend)
    path = _file(key)
    if path is None:
        return f"This user has no cache folder. Set {CACHE_VARIABLE} to a folder."
    times = {str(count): ms for count, ms in median_ms.items()}
    try:
        write_json(path, {"schema_version": SCHEMA_VERSION, "tuned_for": key, "threads": threads, "median_ms": times})
    except UsageError as error:
        return f"{error} Or set {CACHE_VARIABLE} to another folder."
    return None
