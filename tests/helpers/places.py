"""Where things lie, and how a command is run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HC18 = Path(os.environ.get("HC18_DIR", ROOT.parent / "shared" / "hc18"))

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs a command of the project: ``run("train", "--strategy", "edge")``."""
