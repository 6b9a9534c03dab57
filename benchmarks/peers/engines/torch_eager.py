"""torch, as the network was trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.source import CHECKPOINT, Precision, Run
from edge_runtime.frame.preprocess import to_unit


def convert(source: Path, precision: Precision, target: Path) -> None:
    """Take the checkpoint as it is."""
    for name in ("model.safetensors", "checkpoint.json"):
        shutil.copy(source / CHECKPOINT / name, target)


def load(source: Path, target: Path, threads: int) -> Run:
    """Load the checkpoint, with its first convolution folded to one channel as all others have it."""
    import torch

    from train.checkpoint import load_checkpoint
    from train.networks.model import single_channel

    torch.set_num_threads(threads)
    model = single_channel(load_checkpoint(target).model).eval()

    def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(to_unit(frame)[None, None]))[0, 0])

    return run
