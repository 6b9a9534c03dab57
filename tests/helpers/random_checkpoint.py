"""Checkpoints with random weights, made in a second, for tests that need no trained network."""

from __future__ import annotations

from pathlib import Path

import torch

from train.checkpoint import save_checkpoint
from train.config import TrainConfig
from train.networks.model import HeadNet
from train.strategies import STRATEGIES


def make_checkpoint(folder: Path, strategy: str = "edge-s", size: tuple[int, int] = (64, 96)) -> Path:
    """Write a checkpoint, of the network that is converted fastest unless asked for another. Returns its folder."""
    torch.manual_seed(0)
    model = HeadNet(STRATEGIES[strategy]).eval()
    save_checkpoint(folder, model, TrainConfig(image_size=size), {"data": {"title": "nothing", "split": "grouped"}})
    return folder
