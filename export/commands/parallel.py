"""Several checkpoints at a time, each exported in its own process; the processes share the cores."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from edge_runtime.common.cli import ending_text, say
from edge_runtime.device.fingerprint import usable_cores

Document = dict[str, Any]


def export_apart(folders: Sequence[Path], flags: Sequence[str], jobs: int) -> list[tuple[int, Document]]:
    """Export checkpoints at the same time; the output of each is shown after its name.

    All are stopped when this process is stopped, also by Ctrl-C.

    Args:
        folders: Folders of the checkpoints.
        flags: Flags of ``python -m export``, except ``--checkpoint``, ``--jobs`` and ``--json``.
        jobs: Number of processes at a time.

    Returns:
        The exit code, 0 or more, and the document of each folder. A process that was killed, or printed no whole
        document, counts as a failure.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, usable_cores() // jobs))}
    running: set[subprocess.Popen[str]] = set()

    def one(folder: Path) -> tuple[int, Document]:
        command = [sys.executable, "-m", "export", "--checkpoint", str(folder), *flags, "--jobs", "1", "--json"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
        ) as process:
            running.add(process)
            assert process.stdout and process.stderr
            echo = threading.Thread(target=_pass_on, args=(process.stderr, folder.name))
            echo.start()
            printed = process.stdout.read()
            echo.join()
        running.discard(process)
        return _result(folder, process.returncode, printed)

    pool = ThreadPoolExecutor(jobs)
    try:
        return list(pool.map(one, folders))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in tuple(running):
            process.terminate()


def _result(folder: Path, returncode: int, printed: str) -> tuple[int, Document]:
    """The exit code and document of an export that ended; a failure if it was killed or printed no whole document."""
    if returncode >= 0:
        with contextlib.suppress(ValueError):  # killed while it printed, or before
            return returncode, json.loads(printed)
    error = f"{folder}: the export {ending_text(returncode)} before it was done. Its output is above."
    print(f"error: {error}", file=sys.stderr, flush=True)
    failure = {"checkpoint": str(folder), "error": error, "manifest": None}
    return max(returncode, 1), {"artifacts": [], "failures": [failure]}


def _pass_on(stream: IO[str], name: str) -> None:
    for line in stream:
        if line.strip():
            say(f"[{name}] {line.rstrip()}")
