"""How much memory a training takes, in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from benchmarks.study.loops import PLAIN, config_of, make_loop
from edge_runtime.device.fingerprint import peak_memory_bytes
from train.data.hc18 import Sample


@dataclass(frozen=True)
class TrainingMemory:
    """What a training of one strategy takes, with each way to train.

    Attributes:
        strategy: Name of the strategy.
        variant: A key of :data:`benchmarks.study.loops.VARIANTS`.
        image_size: (height, width) of the network's input, in pixels.
        batch_size: Images a step.
        n_images: Images trained on.
        start_bytes: Peak resident memory of the process before the network is made: Python, torch and its libraries.
        peak_bytes: Peak resident memory of the process after training.
    """

    strategy: str
    variant: str
    image_size: tuple[int, int]
    batch_size: int
    n_images: int
    start_bytes: int
    peak_bytes: int


def measure_memory(strategy: str, samples: Sequence[Sample]) -> list[TrainingMemory]:
    """Train with the plain loop and with ours, each in a fresh process.

    Args:
        strategy: Name of the strategy, in the paper's setting at its own size.
        samples: What is trained on, once.

    Returns:
        A result for each loop; nothing where the system does not tell a process's memory.
    """
    if peak_memory_bytes() is None:
        return []
    config = config_of(strategy)
    found = []
    for variant in (PLAIN, "ours"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            start, peak = process.submit(_train, variant, strategy, samples).result()
        found.append(TrainingMemory(strategy, variant, config.image_size, config.batch_size, len(samples), start, peak))
    return found


def _train(variant: str, strategy: str, samples: Sequence[Sample]) -> tuple[int, int]:
    import train.run  # noqa: F401  # the libraries that every training loads

    start = peak_memory_bytes()
    make_loop(variant, strategy, samples)()
    peak = peak_memory_bytes()
    assert start and peak
    return start, peak
