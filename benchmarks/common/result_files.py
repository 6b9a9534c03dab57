"""Where result files lie, and what they may be called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results"
"""One file a device and date; those of named devices are committed."""


def free_name(folder: Path, device: dict[str, Any], conditions: dict[str, Any]) -> Path:
    """``<machine>-<date>.json``, with ``-phantom`` where that was measured, and a number where the name is taken."""
    machine = re.sub(r"[^a-z0-9]+", "-", (device["model"] or device["cpu"] or device["machine"]).lower()).strip("-")
    stem = f"{machine[:40].strip('-')}-{conditions['date'][:10]}" + ("-phantom" if conditions["is_phantom"] else "")
    path, number = folder / f"{stem}.json", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.json", number + 1
    return path
