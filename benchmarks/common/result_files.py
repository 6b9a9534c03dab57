"""Where result files lie, what they may be called, and how they are read."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from benchmarks.common.device import Device
from edge_runtime.common.record import from_json
from edge_runtime.errors import ModelError, UsageError

R = TypeVar("R")

RESULTS = Path(__file__).resolve().parents[1] / "results"
"""Result files of named devices are committed here."""

MAX_BYTES = 50_000_000
"""A larger file is not read. Every strategy in every recipe on every image takes about 3 MB."""


MOST_DIGITS = 20
"""Of a whole number."""


def free_name(folder: Path, device: Device, date: str, is_phantom: bool) -> Path:
    """``<machine>-<date>.json``, with ``-emulated`` and ``-phantom`` where that was measured, and a number where the
    name is taken.
    """
    machine = re.sub(r"[^a-z0-9]+", "-", (device.model or device.cpu or device.machine).lower()).strip("-")
    stem = f"{machine[:40].strip('-')}-{date[:10]}" + "-emulated" * bool(device.emulated) + "-phantom" * is_phantom
    path, number = folder / f"{stem}.json", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.json", number + 1
    return path


def read_record(path: Path, kind: type[R], version: int, command: str) -> R:
    """Read a result file as the dataclass that declares its kind.

    Args:
        path: The file.
        kind: The dataclass, as :func:`edge_runtime.common.record.from_json` takes it.
        version: The only schema version that is read.
        command: What makes such a file, for the messages.

    Raises:
        UsageError: There is no such file.
        ModelError: Too large, not JSON, another schema version, or a field is missing or of another type.
    """
    return from_json(kind, read_json(path, version, command), path)


def read_json(path: Path, version: int, command: str) -> dict[str, Any]:
    """Read a JSON document of one schema version; arguments and errors as those of :func:`read_record`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes; a result file has at most {MAX_BYTES}.")
        document = json.loads(path.read_bytes(), parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole)
    except FileNotFoundError as error:
        raise UsageError(f"There is no result file {path}. Make one with: {command}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not a JSON document: {error}. Measure again, or restore the file.") from error
    found = document.get("schema_version") if isinstance(document, dict) else None
    if found != version or not isinstance(document, dict):
        raise ModelError(
            f"{path} has schema version {found!r}; this program reads {version}. "
            f"Use the version of the program that wrote it, or measure again with: {command}"
        )
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON allows")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"{text[:20]}... is too large a number")
    return int(text)
