"""Training that begins with a checkpoint's weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from edge_runtime.errors import UsageError
from train.checkpoint import load_checkpoint
from train.networks.model import HeadNet
from train.strategies import Strategy


@dataclass(frozen=True)
class Start:
    """Weights that training begins with, in place of random or pretrained ones.

    Attributes:
        folder: The checkpoint they come from.
        weights: The network's tensors by name.
        record: What the new checkpoint says of them: ``strategy``, ``sha256``, ``epochs`` (with those of the networks
            that this one began with) and ``trained_on`` (names of images by data set, likewise).
    """

    folder: Path
    weights: Mapping[str, Tensor]
    record: dict[str, Any]


def read_start(folder: Path, strategy: Strategy) -> Start:
    """Read the weights of a checkpoint for a strategy.

    Args:
        folder: The checkpoint's folder.
        strategy: What is to be trained. The checkpoint may be of another one with the same network, or of another size
            of the input.

    Raises:
        UsageError: The folder holds no checkpoint, or one of another network.
        ModelError: The checkpoint is damaged.
    """
    found = load_checkpoint(folder)
    weights, wanted = found.model.net.state_dict(), HeadNet(strategy).net.state_dict()
    if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in wanted.items()}:
        raise UsageError(
            f"{folder} holds the network of {found.strategy.name}, which is not that of {strategy.name}: their weights "
            f"differ in names or shapes. Start from a checkpoint of {strategy.name}, or train {found.strategy.name}."
        )
    before = found.info.get("started_from") or {}
    record = {
        "strategy": found.strategy.name,
        "sha256": found.sha256,
        "epochs": found.config.epochs + before.get("epochs", 0),
        "trained_on": found.trained_on,
    }
    return Start(folder, weights, record)
