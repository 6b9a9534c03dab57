"""What LiteRT does on some files, to be called in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from export.tflite import timing


def crash(subject: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(subject: Any) -> None:
    time.sleep(60)


def grab(subject: Any) -> int:
    return len(bytearray(1 << 50))


def fail(subject: Any) -> None:
    raise RuntimeError("node 3\n  failed to prepare")


def answer(subject: Any, value: int) -> int:
    return value + len(subject.model.operators)


def crash_on_the_second(subject: Any, trial: Any, indices: Sequence[int]) -> float:
    if 1 in indices:
        crash(subject)
    return timing.try_alone(subject, trial, indices)
