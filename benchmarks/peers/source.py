"""The folder that every engine takes a network from: what is in it, and what each engine must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.preprocess import to_unit

Precision = Literal["float32", "int8"]

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From a prepared frame uint8 (h, w) to logits float32, of the same size or a part of it."""

INPUT = "frame"
"""Name of the ONNX file's input."""

ONNX = "network.onnx"
"""The network in float32: float32 (1, 1, h, w) in [0, 1] to logits (1, 1, h', w')."""

PROGRAM = "network.pt2"
"""The same as torch's exported program."""

CHECKPOINT = "checkpoint"
"""Folder of the checkpoint."""

ARTIFACTS = {"float32": "float32.tflite", "int8": "int8.tflite"}
"""This project's export, with manifests."""

CALIBRATION = "calibration.npy"
"""Prepared frames, uint8 (N, h, w), that int8 is calibrated on."""

IMAGES = "images.npy"
"""Prepared frames, uint8 (N, h, w), that judge and are timed."""


def calibration(source: Path) -> Iterator[NDArray[np.float32]]:
    """The frames for calibration as an engine takes them, float32 (1, 1, h, w) in [0, 1]."""
    for image in np.load(source / CALIBRATION, allow_pickle=False):
        yield to_unit(image).reshape(1, 1, *image.shape)  # not [None, None]: torch's export refuses strides of 0
