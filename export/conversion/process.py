"""Run one conversion in a process of its own.

``TFLiteConverter.convert()`` leaks memory and its libraries print a lot, so each conversion gets a fresh process and
a log file. The processes are forked from a server that has imported TensorFlow once: that import takes longer (4 s)
than converting this project's networks does (1 to 2 s).
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import multiprocessing.forkserver
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_runtime.common.cli import ending_text
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError

CONVERTERS = "export.conversion.in_process"
LOG_LINES = 15
"""Last lines of a failed conversion's log that its error shows."""


class ConversionError(FetalHeadError):
    """A converter failed."""


def _context() -> Any:
    # Windows has no fork: there each process imports TensorFlow itself.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload([CONVERTERS])
    return context


def warm_up() -> None:
    """Let TensorFlow be imported in the background, so that the first conversion need not wait for it."""
    if _context().get_start_method() == "forkserver":
        multiprocessing.forkserver.ensure_running()


def _child(function: str, arguments: tuple[Any, ...], log: str) -> None:
    """In the new process: send all output to the log, then run a function of :data:`CONVERTERS`."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    # TensorFlow leaves generated files behind in processes like this one, which end without exit handlers.
    tempfile.tempdir = str(Path(log).parent)
    try:
        run: Callable[..., None] = getattr(importlib.import_module(CONVERTERS), function)
        run(*arguments)
    except BaseException:  # onnx2tf ends with sys.exit on some errors
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def run_apart(function: str, *arguments: Any, log: Path) -> None:
    """Run a function of :mod:`export.conversion.in_process` in a process of its own.

    Args:
        function: Its name.
        *arguments: What it takes; picklable.
        log: File that takes all the process prints; its folder takes the process's temporary files.

    Raises:
        ConversionError: It raised or died; the message ends with the tail of the log.
        FetalHeadError: TensorFlow or onnx2tf is not installed; the message names the extra.
    """
    for package in ("tensorflow", "onnx2tf", "onnxsim"):
        if importlib.util.find_spec(package) is None:  # importing them here would take seconds
            require(package)
    process = _context().Process(target=_child, args=(function, arguments, str(log)), daemon=True)
    process.start()
    try:
        process.join()
    except BaseException:  # stopped: its folder is about to be removed, and it would go on writing into it
        process.kill()
        process.join()
        raise
    if process.exitcode != 0:
        raise ConversionError(f"{function} {ending_text(process.exitcode)}. The end of its output:\n{_tail(log)}")


def _tail(log: Path) -> str:
    if not log.exists():
        return "  (it printed nothing)"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])
