"""A network in float32 and in full int8 by the plainest way: ranges from minimum to maximum, and no ladder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.conversion.rewrites import Rewrite
from export.conversion.steps import to_graph, to_saved_model, to_tflite
from export.quantization.ladder import candidates
from export.recipes import get_recipe
from export.tflite.model import Model
from train.networks.model import HeadNet


@dataclass(frozen=True)
class Converted:
    """A converted network.

    Attributes:
        float32: The .tflite file in float32.
        full_int8: That in full int8.
        answer: float32 (h, w), the converted graph's logits for the first image.
    """

    float32: bytes
    full_int8: bytes
    answer: NDArray[np.float32]


def convert(model: HeadNet, images: NDArray[np.uint8], ways: Sequence[Sequence[Rewrite]]) -> Iterator[Converted]:
    """Convert and quantize a network, in each of several ways to rewrite it.

    Args:
        model: In evaluation mode, on the CPU.
        images: uint8 (N, h, w), prepared frames to take the ranges from.
        ways: Exact rewrites that fit the network, to be applied together.

    Raises:
        ConversionError: A step failed.
        ModelError: The network uses an operator that has no int8 form here.
    """
    size = (images.shape[1], images.shape[2])
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        to_graph(model, Path(folder))
        for rewrites in ways:
            answer = to_saved_model(size, images[:1], Path(folder), rewrites)[0]
            plain = to_tflite(Path(folder), get_recipe("float32"))
            yield Converted(plain, next(iter(candidates(Model(plain), images))).data, answer)
