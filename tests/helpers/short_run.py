"""Trainings of a few seconds, and ways to interrupt them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from train.config import TrainConfig
from train.data.hc18 import Dataset
from train.loop import train
from train.run import Run as TrainingRun
from train.strategies import STRATEGIES

CPU = torch.device("cpu")
_PLAIN = {"looks": 0, "negatives": 0}
FILES = ["checkpoint.json", "model.safetensors"]


def go(folder: Path, dataset: Dataset, strategy: str = "edge", limit: int = 4, **options: Any) -> None:
    """A run of two epochs of two steps, on HC18's frames alone.

    Other ``options`` are settings, or ``resume``, ``overwrite``, ``pseudo`` and ``start``.
    """
    ways = {key: options.pop(key) for key in ("resume", "overwrite", "pseudo", "start") if key in options}
    settings = {"image_size": (64, 64), "encoder_weights": "random", "epochs": 2, "batch_size": 2, **_PLAIN, **options}
    train(STRATEGIES[strategy], TrainConfig(**settings), dataset, folder, device=CPU, limit=limit, **ways)


def content(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def in_epoch(number: int, act: Callable[[TrainingRun], object]) -> Callable[..., float]:
    """``Run.epoch`` that acts on the run before one epoch."""
    original = TrainingRun.epoch

    def epoch(self: TrainingRun, *args: Any) -> float:
        if len(self.history) + 1 == number:
            act(self)
        return original(self, *args)

    return epoch


def interrupt(_: object) -> None:
    raise KeyboardInterrupt
