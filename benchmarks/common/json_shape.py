"""JSON documents held to a shape before anything is made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from edge_runtime.errors import ModelError, UsageError

MAX_BYTES = 50_000_000
"""Every strategy in every recipe on every image takes about 3 MB; a larger file is not read."""


@dataclass(frozen=True)
class Optional:
    """A part of a shape that may be null or missing: not measured."""

    shape: Any


def read_json(path: Path, version: int, command: str) -> dict[str, Any]:
    """Read a document of a schema version.

    Args:
        path: Of the file.
        version: The one schema version that is read.
        command: What makes such a file, for the messages.

    Raises:
        UsageError: There is no such file.
        ModelError: Too large, not JSON, or another schema version.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes; a result file has at most {MAX_BYTES}.")
        document = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise UsageError(f"There is no result file {path}. Make one with: {command}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not a JSON document: {error}. Measure again, or restore the file.") from error
    found = document.get("schema_version") if isinstance(document, dict) else None
    if found != version:
        raise ModelError(
            f"{path} has schema version {found!r}; this program reads {version}. "
            f"Use the program's version that wrote it, or measure again with: {command}"
        )
    return document  # type: ignore[no-any-return]  # a dict: it has a schema version


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def check_shape(value: Any, shape: Any, path: Path, where: str = "") -> None:
    """Compare a value with a shape: a type or types, ``{key: shape}``, ``[shape of each]`` or :class:`Optional`.

    Args:
        value: What was read.
        shape: What it is to be.
        path: The file, for the message.
        where: The value's place in it, for the message.

    Raises:
        ModelError: A field is missing or of another type.
    """
    if isinstance(shape, Optional):
        if value is not None:
            check_shape(value, shape.shape, path, where)
    elif isinstance(shape, dict):
        _check_type(value, dict, where, path)
        for key, inner in shape.items():
            if key not in value and not isinstance(inner, Optional):
                raise ModelError(f"{path}: '{f'{where}.{key}'.lstrip('.')}' is missing. Measure again, or restore it.")
            check_shape(value.get(key), inner, path, f"{where}.{key}")
    elif isinstance(shape, list):
        _check_type(value, list, where, path)
        for i, item in enumerate(value):
            check_shape(item, shape[0], path, f"{where}[{i}]")
    else:
        _check_type(value, shape, where, path)


def _check_type(value: Any, types: type | Sequence[type], where: str, path: Path) -> None:
    allowed = (types,) if isinstance(types, type) else tuple(types)
    # a bool is an int to Python, not to whoever reads a table
    if isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool)):
        return
    names = " or ".join("null" if t is type(None) else t.__name__ for t in allowed)
    raise ModelError(f"{path}: '{where.lstrip('.')}' is {value!r:.60}; it is {names}. Measure again, or restore it.")
