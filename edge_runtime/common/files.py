"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import pkgutil
import stat
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from edge_runtime.errors import UsageError

_PACKAGE = Path(__file__).resolve().parents[1]


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a whole file once, unless it is too large. The bytes that are checked are then the bytes that are used.

    Args:
        path: A regular file, or a link to one. A pipe or a device could block or never end, so it is refused.
        limit: Largest size in bytes. Nothing is read of a larger file.

    Raises:
        OSError: It cannot be opened or read.
        ValueError: It is not a regular file, is larger than ``limit``, or changed its size while it was read.
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
    """Write a file whole or not at all, even if the power fails; folders are made.

    The data goes to a temporary file in the same folder, is flushed to disk, and is then renamed.

    Raises:
        UsageError: The place cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            _write(file, data)
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException as error:  # Ctrl-C too
        if temporary:
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise UsageError(f"{path} cannot be written: {error}. Choose a folder you may write to, with room.") from error


def remove_temporary(folder: Path, name: str = "*") -> None:
    """Remove what :func:`write_bytes` had begun to write where its process was killed. Nobody may be writing there.

    Args:
        folder: The files' folder.
        name: Pattern of their names.
    """
    for path in folder.glob(f".{name}.*.tmp"):
        path.unlink(missing_ok=True)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not exist yet, whole or not at all; folders are made.

    Args:
        path: The file.
        data: Its content.
        mode: Its permissions, set before anything is written to it.

    Raises:
        FileExistsError: The file exists. It is left as it is.
        OSError: The place cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write(file, data)
        _sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(file: BinaryIO, data: bytes) -> None:
    """Write and wait until the data is on disk: a rename can reach the disk before the data it renames."""
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until a new name in a folder is on disk, where the system can do that (Windows cannot)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):  # some network file systems refuse it; the file itself is safe by then
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document, indented, whole or not at all.

    Raises:
        UsageError: The place cannot be written.
    """
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())
