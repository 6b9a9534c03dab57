"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import pkgutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from edge_runtime.errors import UsageError

_PACKAGE = Path(__file__).resolve().parents[1]


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a whole file once, unless it is too large: what is checked afterwards are the very bytes that are used.

    Args:
        path: A regular file, or a link to one. A pipe or a device, which could block or never end, is refused.
        limit: Bytes allowed; of a larger file nothing is read.

    Raises:
        OSError: It cannot be opened or read.
        ValueError: Not a regular file, larger than ``limit``, or its size changed while it was read.
    """
    packed = _packed(path)
    if packed is not None:
        if len(packed) > limit:
            raise ValueError(f"it has {len(packed)} bytes; at most {limit} are read")
        return packed
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe would block in open
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        if status.st_size > limit:
            raise ValueError(f"it has {status.st_size} bytes; at most {limit} are read")
        data = file.read(status.st_size + 1)
    if len(data) != status.st_size:
        raise ValueError("its size changed while it was read")
    return data


def is_file(path: Path) -> bool:
    """Whether there is such a file, on the disk or packed with this package into a zip archive."""
    return path.is_file() or _packed(path) is not None


def _packed(path: Path) -> bytes | None:
    """The bytes of a file of this package where the package is run from a zip archive (``python -m zipapp``).

    The system cannot open a path that leads into an archive; the import system, which found this module there, can.
    None for any other path.
    """
    if not hasattr(getattr(__spec__, "loader", None), "archive") or not path.is_relative_to(_PACKAGE):
        return None
    try:
        return pkgutil.get_data("edge_runtime", path.relative_to(_PACKAGE).as_posix())
    except OSError:
        return None


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it; folders are made.

    Raises:
        UsageError: The place cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:  # Ctrl-C too
        if temporary:
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise UsageError(f"{path} cannot be written: {error}. Choose a folder you may write to, with room.") from error


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document, indented, whole or not at all.

    Raises:
        UsageError: The place cannot be written.
    """
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())
