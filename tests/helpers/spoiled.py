"""The shipped checkpoint, spoiled on purpose: the same network in float32, useless in plain int8."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.helpers.places import ROOT
from train.checkpoint import load_checkpoint, save_checkpoint

SHIPPED = ROOT / "checkpoints" / "edge-l"


def spoil(folder: Path, times: int = 1000) -> Path:
    """One channel of one layer so many times as loud, and the next layer as much deafer to it."""
    checkpoint = load_checkpoint(SHIPPED)
    (_, loud, _), (deaf, *_) = checkpoint.model.net.decoder[1:]  # type: ignore[union-attr, index]
    channel = int((loud.bias + 2 * loud.weight.abs()).median(0).indices)  # an ordinary one, whatever was trained
    with torch.no_grad():
        for parameter in (loud.weight, loud.bias):
            parameter[channel] *= times
        deaf.weight[:, channel] /= times
    save_checkpoint(folder, checkpoint.model, checkpoint.config, {"data": checkpoint.info["data"]})
    return folder
