"""Run one conversion in a separate process.

``TFLiteConverter.convert()`` leaks memory and its libraries print a lot, so each conversion gets a new process and a
log file. The processes are forked from a server that has already imported TensorFlow, because the import takes longer
(4 s) than a conversion of this project's networks (1 to 2 s).
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
"""Number of lines from the end of the log that the error of a failed conversion shows."""


class ConversionError(FetalHeadError):
    """A converter failed."""


LONGEST_FOLDER = 70
"""Characters of a temporary folder's path. The fork server puts a socket there, and a socket's path has at most 104
characters on some systems."""


def _context() -> Any:
    # Windows has no fork, so each process imports TensorFlow itself there.
    forks = "forkserver" in multiprocessing.get_all_start_methods() and len(tempfile.gettempdir()) <= LONGEST_FOLDER
    method = "forkserver" if forks else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload([CONVERTERS])
    return context


def warm_up() -> None:
    """Start to import TensorFlow in the background, so that the first conversion does not have to wait for it."""
    if _context().get_start_method() == "forkserver":
        multiprocessing.forkserver.ensure_running()


def _child(function: str, arguments: tuple[Any, ...], log: str) -> None:
    """In the new process, send all output to the log and run a function of :data:`CONVERTERS`."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    # This process ends without running exit handlers, so TensorFlow does not remove its temporary files.
    tempfile.tempdir = str(Path(log).parent)
    try:
        run: Callable[..., None] = getattr(importlib.import_module(CONVERTERS), function)
        run(*arguments)
    except BaseException:  # onnx2tf calls sys.exit on some errors
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def run_apart(function: str, *arguments: Any, log: Path) -> None:
    """Run a function of :mod:`export.conversion.in_process` in a separate process.

    Args:
        function: Name of the function.
        *arguments: Its arguments, picklable.
        log: File for everything the process prints. The process's temporary files go to the same folder.

    Raises:
        ConversionError: The function raised or the process died; the message ends with the tail of the log.
        FetalHeadError: TensorFlow or onnx2tf is not installed; the message names the extra.
    """
    for package in ("tensorflow", "onnx2tf", "onnxsim"):
        if importlib.util.find_spec(package) is None:  # importing them here would take seconds
            require(package)
    process = _context().Process(target=_child, args=(function, arguments, str(log)), daemon=True)
    process.start()
    try:
        process.join()
    except BaseException:  # interrupted: the caller removes the folder that the process would go on writing to
        process.kill()
        process.join()
        raise
    if process.exitcode != 0:
        raise ConversionError(f"{function} {ending_text(process.exitcode)}. The end of its output:\n{_tail(log)}")


def _tail(log: Path) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()] or ["(it printed nothing)"]
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])
