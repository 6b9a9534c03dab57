"""A network as a full-int8 file, by the plainest way: ranges from minimum to maximum, and no ladder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.conversion.rewrites import advised, pick_rewrites
from export.conversion.steps import to_graph, to_saved_model, to_tflite
from export.quantization.ladder import candidates
from export.recipes import get_recipe
from export.tflite.model import Model
from train.networks.model import HeadNet


def to_full_int8(model: HeadNet, images: NDArray[np.uint8]) -> bytes:
    """Convert and quantize a network.

    Args:
        model: In evaluation mode, on the CPU.
        images: uint8 (N, h, w), prepared frames to take the ranges from.

    Returns:
        The .tflite file's bytes.

    Raises:
        ConversionError: A step failed.
        ModelError: The network uses an operator that has no int8 form here.
    """
    size = (images.shape[1], images.shape[2])
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        to_graph(model, Path(folder), pick_rewrites(advised(model), model.strategy, size))
        to_saved_model(size, images[:1], Path(folder))
        plain = to_tflite(Path(folder), get_recipe("float32"))
    return next(iter(candidates(Model(plain), images))).data
