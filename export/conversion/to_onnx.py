"""From a trained network to ONNX, folded to the one-channel input contract."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.frame.preprocess import to_unit
from export.conversion.process import ConversionError
from train.data.score import Predict
from train.model import HeadNet, single_channel

OPSET = 17  # the newest that torch's TorchScript exporter writes and onnx2tf 1.29.24 reads without rewriting
PROXY_SIZE = (352, 416)
"""(h, w) at which networks are given to onnx2tf, whatever size they are for.

onnx2tf 1.29.24 guesses which axis is which from their lengths, and guesses wrong, without a word, where a feature map
is as high or wide as another is deep: ``edge`` at 128x192, say. No network here has as many channels as 352, 416 or one
of their halves. :mod:`export.conversion.graph` then sets the size wanted.
"""
INPUT = "frame"
OUTPUT = "logits"


def write_onnx(model: HeadNet, size: tuple[int, int], path: Path) -> None:
    """Write a network as ONNX.

    Its input ``frame`` is float32 (1, 1, h, w), grey in [0, 1]; its output ``logits`` is float32 (1, 1, h, w).

    Args:
        model: In evaluation mode, on the CPU.
        size: (h, w) of the input in pixels.
        path: File to write.

    Raises:
        ConversionError: torch's exporter failed.
    """
    network = single_channel(model)
    try:
        with warnings.catch_warnings():
            # That the exporter is the old one (onnx2tf needs it), and that sizes are traced as constants (they are).
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (torch.zeros(1, 1, *size),),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
            )
    except Exception as error:  # the exporter's own errors have no common base
        raise ConversionError(f"torch could not write {model.strategy.name} as ONNX: {error}") from error


def onnx_predictor(path: Path) -> Predict:
    """A function from a prepared frame uint8 (h, w) to an ONNX network's logits float32 (h, w), on one thread."""
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def predict(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(session.run([OUTPUT], {INPUT: to_unit(frame)[None, None]})[0][0, 0])

    return predict
