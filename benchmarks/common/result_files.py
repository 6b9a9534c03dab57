"""Where result files lie, and what they may be called."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from edge_runtime.errors import UsageError

RESULTS = Path(__file__).resolve().parents[1] / "results"
"""One file a device and date; those of named devices are committed."""


def checked_out(out: Path | None, overwrite: bool) -> Path | None:
    """Refuse what cannot or must not be written before minutes are spent on measuring."""
    if out is None:
        return None
    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already. Replace it with --overwrite, or name another file with --out.")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if out.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"--out {out} cannot be written. Name a file in a folder you may write to.")
    return out


def free_name(folder: Path, device: dict[str, Any], conditions: dict[str, Any]) -> Path:
    """``<machine>-<date>.json``, with ``-phantom`` where that was measured, and a number where the name is taken."""
    machine = re.sub(r"[^a-z0-9]+", "-", (device["model"] or device["cpu"] or device["machine"]).lower()).strip("-")
    stem = f"{machine[:40].strip('-')}-{conditions['date'][:10]}" + ("-phantom" if conditions["is_phantom"] else "")
    path, number = folder / f"{stem}.json", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.json", number + 1
    return path
