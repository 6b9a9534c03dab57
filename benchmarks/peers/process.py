"""Starts :mod:`benchmarks.peers.worker` in an engine's environment, and takes what it prints."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.rows import Row
from edge_runtime.common.cli import ending_text
from edge_runtime.errors import FetalHeadError

LIMIT_S = 1800
"""A process that takes longer hangs."""

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ready:
    """A row that can be started.

    Attributes:
        row: The row.
        python: Python of its environment.
        source: Folder of the network.
        target: Folder of the row's own files.
    """

    row: Row
    python: Path
    source: Path
    target: Path

    def call(self, task: str, threads: int = 1, **options: int) -> dict[str, Any]:
        """Do one task of the worker.

        Raises:
            FetalHeadError: The process failed, hung, or said nothing.
        """
        row = self.row
        command = [str(self.python), "-m", "benchmarks.peers.worker", task, row.module, row.precision]
        command += [str(self.source), str(self.target), f"--package={row.package}", f"--threads={threads}"]
        command += [f"--{name}={value}" for name, value in options.items()]
        # some engines take their threads from here alone
        told = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        environment = {**os.environ, **told, "PYTHONPATH": str(_ROOT), "PYTHONNOUSERSITE": "1"}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=LIMIT_S, env=environment, cwd=_ROOT
            )
        except subprocess.TimeoutExpired as error:
            raise FetalHeadError(f"{task} was not done after {LIMIT_S} s") from error
        if done.returncode:
            raise FetalHeadError(_why(done, task))
        try:
            found = json.loads(done.stdout.splitlines()[-1])
        except (ValueError, IndexError) as error:
            raise FetalHeadError(f"{task} printed no result") from error
        if not isinstance(found, dict):
            raise FetalHeadError(f"{task} printed no result")
        return found


def _why(done: subprocess.CompletedProcess[str], task: str) -> str:
    """Why a process failed, in a line: its own message, else how it ended and its last line."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    messages = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if messages:
        return messages[-1]
    return f"{task} {ending_text(done.returncode)}" + (f": {lines[-1][:200]}" if lines else "")
