"""How long models take to run, one after the other in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from export.tflite.interpreter import load_interpreter

RUNS = 30


def seconds(files: Sequence[bytes], runs: int = RUNS) -> list[float]:
    """Median time of each model's invoke in s, alternating, one thread, on noise."""
    interpreters = [load_interpreter(data) for data in files]
    rng = np.random.default_rng(0)
    for interpreter in interpreters:
        for details in interpreter.get_input_details():
            interpreter.set_tensor(details["index"], noise(rng, details))
        interpreter.invoke()
    spent: list[list[float]] = [[] for _ in files]
    for _ in range(runs):
        for times, interpreter in zip(spent, interpreters, strict=True):
            started = time.perf_counter()
            interpreter.invoke()
            times.append(time.perf_counter() - started)
    return [statistics.median(times) for times in spent]


def noise(rng: np.random.Generator, details: dict[str, Any]) -> Any:
    """Random values over all that a tensor can hold."""
    dtype = np.dtype(details["dtype"])
    if dtype.kind == "f":
        return rng.random(details["shape"], np.float32).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, details["shape"], dtype, endpoint=True)
