"""Write a trained network as ONNX, with its first convolution folded to one input channel."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.frame.preprocess import to_unit
from export.conversion.contract import INPUT, OUTPUT
from export.conversion.process import ConversionError
from train.data.score import Predict
from train.networks.model import HeadNet, single_channel

OPSET = 17  # the newest opset that torch's TorchScript exporter writes and onnx2tf 1.29.24 reads without rewriting it


def write_onnx(model: HeadNet, size: tuple[int, int], path: Path) -> None:
    """Write a network as ONNX.

    The input ``frame`` is float32 (1, 1, h, w), grey in [0, 1]. The output ``logits`` is float32 (1, 1, h, w).

    Args:
        model: Network in evaluation mode, on the CPU.
        size: (h, w) of the input in pixels.
        path: File to write.

    Raises:
        ConversionError: torch's exporter failed.
    """
    network = single_channel(model)
    try:
        with warnings.catch_warnings():
            # torch warns that this exporter is deprecated (onnx2tf needs it), and that sizes are traced as constants
            # (they are constant here).
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
    _order_depth_first(path)


def _order_depth_first(path: Path) -> None:
    """Let DepthToSpace take its channels in TensorFlow's order.

    torch's order (CRD) differs from it (DCR) only if several channels come out. Here it is always one, the logits, and
    onnx2tf writes CRD as reshapes to fixed sizes.
    """
    onnx = require("onnx")
    network = onnx.load(path)
    shuffles = [node for node in network.graph.node if node.op_type == "DepthToSpace"]
    for node in shuffles:
        for attribute in node.attribute:
            if attribute.name == "mode":
                attribute.s = b"DCR"
    if shuffles:
        onnx.save(network, path)


def onnx_predictor(path: Path) -> Predict:
    """Load an ONNX network as a function from a frame uint8 (h, w) to logits float32 (h, w). It uses one thread."""
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def predict(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(session.run([OUTPUT], {INPUT: to_unit(frame)[None, None]})[0][0, 0])

    return predict
