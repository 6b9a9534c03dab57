"""Where a figure comes from: the git commit and the tool versions."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def git_commit() -> str | None:
    """Commit of the source tree, with ``-dirty`` appended if tracked files differ. None outside a git checkout."""
    call = ["git", "-C", str(_ROOT), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def tool_versions(packages: Sequence[str]) -> dict[str, str]:
    """Versions of Python and of those packages that are installed, by distribution name."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
