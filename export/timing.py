"""How long models take to run, one after the other in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_runtime.common.optional import require
from edge_runtime.errors import ModelError

RUNS = 30


def prepared(data: bytes) -> Any:
    """LiteRT's interpreter of a model, one thread, its tensors allocated.

    Raises:
        ModelError: LiteRT cannot run it.
    """
    module = require("ai_edge_litert.interpreter")
    try:
        interpreter = module.Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"LiteRT cannot run the model: {error}") from error
    return interpreter


def seconds(files: Sequence[bytes], runs: int = RUNS) -> list[float]:
    """Median time of each model's invoke in s, alternating, one thread, on noise."""
    interpreters = [prepared(data) for data in files]
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
