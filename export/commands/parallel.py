"""Several checkpoints at a time, each exported in a process of its own that shares the cores with the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from edge_runtime.common.cli import say
from edge_runtime.device.fingerprint import usable_cores

Document = dict[str, Any]


def export_apart(folders: Sequence[Path], flags: Sequence[str], jobs: int) -> list[tuple[int, Document]]:
    """Export checkpoints at the same time; what each says is passed on behind its name.

    All are stopped where this process is, by Ctrl-C too.

    Args:
        folders: Of the checkpoints.
        flags: For ``python -m export``, but for ``--checkpoint``, ``--jobs`` and ``--json``.
        jobs: How many at a time.

    Returns:
        For each folder its exit code and document. One that died without a document counts as a failure.
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
        code = process.returncode
        if printed.strip():
            return code, json.loads(printed)
        error = f"{folder}: the export ended with {code} and no result; what it said is above."
        return code or 1, {"artifacts": [], "failures": [{"checkpoint": str(folder), "error": error, "manifest": None}]}

    pool = ThreadPoolExecutor(jobs)
    try:
        return list(pool.map(one, folders))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in tuple(running):
            process.terminate()


def _pass_on(stream: IO[str], name: str) -> None:
    for line in stream:
        if line.strip():
            say(f"[{name}] {line.rstrip()}")
