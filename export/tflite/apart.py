"""Run LiteRT on someone else's file, in a separate process that may crash, hang or run out of memory."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, ModelError
from export.tflite.model import Model
from export.tflite.own_run import Subject, Trial, trials

LIMIT_S = 60.0
"""Maximum duration of one call, in s."""
MEMORY_SHARE, LEAST_MEMORY = 0.5, 2 << 30
"""The process may allocate half of the machine's memory, and at least 2 GiB."""
MESSAGE_LENGTH = 200


class Apart:
    """A process that holds one file and runs functions on it, one after the other.

    If the process dies, the current call fails, and the next call starts a new process. Its output is dropped.

    Args:
        data: The .tflite file's bytes.
        limit_s: Maximum duration of a call, in s.
    """

    def __init__(self, data: bytes, limit_s: float = LIMIT_S) -> None:
        require("ai_edge_litert.interpreter")  # a missing package is not the file's fault
        self._data = data
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """False before the first call, and after a call in which the process died."""
        return self._process is not None

    def stop(self) -> int | None:
        """End the process and return its exit code; None if there is no process."""
        process, self._process = self._process, None
        if process is None:
            return None
        with contextlib.suppress(OSError):  # it may be gone
            process.stdin.close()  # type: ignore[union-attr]
        with contextlib.suppress(OSError):
            process.stdout.close()  # type: ignore[union-attr]
        try:
            return process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def call(self, function: Callable[..., Any], *arguments: Any, limit_s: float | None = None) -> Any:
        """Run a function in the process.

        Args:
            function: An importable function. It gets a :class:`~export.tflite.own_run.Subject` and the arguments.
            *arguments: Picklable arguments.
            limit_s: Replaces the limit for all calls.

        Raises:
            ModelError: The function raised or took too long, or the process died; the message says which.
        """
        limit_s = limit_s or self._limit_s
        data = self._data if self._process is None else None
        self._process = self._process or _start()
        process, late = self._process, threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit_s, kill)
        timer.start()
        try:
            pickle.dump((data, function, arguments), process.stdin)  # type: ignore[arg-type]
            process.stdin.flush()  # type: ignore[union-attr]
            done, outcome = pickle.load(process.stdout)  # type: ignore[arg-type]
        except (OSError, EOFError, pickle.UnpicklingError):
            code = self.stop()
            raise ModelError(f"it took longer than {limit_s:g} s" if late.is_set() else _death(code)) from None
        except BaseException:  # Ctrl-C
            process.kill()
            self.stop()
            raise
        finally:
            timer.cancel()
        if not done:
            raise ModelError(outcome)
        return outcome


def first_that_runs(apart: Apart, model: Model, function: Callable[..., Any]) -> tuple[Trial, Any]:
    """Call a function of a subject and a trial with one trial after the other, until one works.

    Returns:
        The trial and the result.

    Raises:
        ModelError: No trial works; the message is that of the first.
    """
    said: ModelError | None = None
    for trial in trials(model):
        try:
            return trial, apart.call(function, trial)
        except ModelError as error:
            said = said or error
    raise said or ModelError("there is nothing to try")


def _start() -> subprocess.Popen[bytes]:
    path = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    return subprocess.Popen(
        [sys.executable, "-m", "export.tflite.apart"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"LiteRT's process ended without an answer (exit code {code})"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if name == "SIGKILL":
        return "LiteRT's process was killed; memory may have run out"
    if name == "SIGABRT":
        return f"LiteRT aborted (SIGABRT); it may have needed more than {memory_limit() >> 20:,} MB"
    return f"LiteRT crashed ({name})"


def memory_limit() -> int:
    """Maximum memory that the process may allocate, in bytes; 0 if the machine's memory is not known."""
    try:
        return max(int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * MEMORY_SHARE), LEAST_MEMORY)
    except (AttributeError, OSError, ValueError):
        return 0


def _serve() -> None:
    """In the new process, answer calls until the input ends."""
    # What LiteRT prints to stdout must not get between the answers.
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    _limit_memory()
    subject = None
    while True:
        try:
            data, function, arguments = pickle.load(calls)
        except EOFError:
            return
        subject = Subject(data) if data is not None else subject
        try:
            answer = (True, function(subject, *arguments))
        except MemoryError:
            answer = (False, f"it needs more than {memory_limit() >> 20:,} MB of memory")
        except FetalHeadError as error:
            answer = (False, str(error))
        except Exception as error:  # LiteRT raises RuntimeError and ValueError; numpy may raise others on odd shapes
            answer = (False, f"LiteRT says: {shortened(error)}")
        pickle.dump(answer, answers)
        answers.flush()


def shortened(error: Exception) -> str:
    """An error's message on one line, cut to at most :data:`MESSAGE_LENGTH` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MESSAGE_LENGTH else f"{text[:MESSAGE_LENGTH]}..."


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limit := memory_limit():
        with contextlib.suppress(OSError, ValueError):  # macOS has this limit but does not let it be set
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    _serve()
