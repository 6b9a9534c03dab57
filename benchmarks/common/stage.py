"""Run a stage of the project, such as a training, as a user would: in its own process, with a log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.common.cli import ending_text
from edge_runtime.errors import FetalHeadError

LOG = "log.txt"
"""In the folder of a training."""

ROOT = Path(__file__).resolve().parents[2]

_running: set[subprocess.Popen[str]] = set()


class StageKilled(FetalHeadError):
    """A signal ended a stage: it may be done again, from what it has written."""


def call_stage(arguments: Sequence[str], log: Path, threads: int, allowed: Sequence[int] = (0,)) -> str:
    """Run a stage of the project in its own process, which ends with this one; its messages go to the log.

    Args:
        arguments: The module, and its arguments. Files that are not the repository's have absolute paths.
        log: Gets its messages.
        threads: CPU threads.
        allowed: Exit codes that are no failure.

    Returns:
        Its standard output, with ``--json``.

    Raises:
        StageKilled: A signal ended it.
        FetalHeadError: It failed otherwise, or its log cannot be written.
    """
    add_to_log(log, "")
    waiting = "passive"  # threads that spin while they wait halve the speed of other work, and gain nothing alone
    environment = {"OMP_WAIT_POLICY": waiting, **os.environ, "OMP_NUM_THREADS": str(threads)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    json_wanted = "--json" in arguments
    with log.open("a") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.common.bound", str(os.getpid()), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE if json_wanted else file,
            stderr=file,
            text=True,
        )
        _running.add(process)
        try:
            printed, _ = process.communicate()
        finally:
            _running.discard(process)
    if process.returncode not in allowed:
        reason = log.read_text(errors="replace").rstrip().rpartition("\n")[2]
        said = f": {reason.removeprefix('error: ')}" if reason.startswith("error: ") else "."
        kind = StageKilled if process.returncode < 0 else FetalHeadError
        raise kind(f"python -m {arguments[0]} {ending_text(process.returncode)}; see {log}{said}")
    return printed or ""


def add_to_log(log: Path, text: str) -> None:
    """Add text to a log, which is made if it is missing.

    Raises:
        FetalHeadError: It cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(text)
    except OSError as error:
        raise FetalHeadError(f"{log} cannot be written: {error.strerror}. Name another folder for it.") from error


def end_stages() -> None:
    """End all stages that other threads run; what they have written stays. The threads' calls fail."""
    for process in tuple(_running):
        process.terminate()
