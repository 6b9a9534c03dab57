"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from edge_runtime.errors import UsageError


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
