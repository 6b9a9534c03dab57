"""ONNX Runtime: the ONNX file, and its static quantization."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.source import INPUT, ONNX, Precision, Run, calibration
from edge_runtime.common.optional import require
from edge_runtime.frame.preprocess import to_unit


def convert(source: Path, precision: Precision, target: Path) -> None:
    """Copy, or quantize as ONNX Runtime recommends for x86 with VNNI: QDQ, uint8 activations, weights per channel."""
    if precision == "float32":
        shutil.copy(source / ONNX, target / "model.onnx")
        return
    quantization = require("onnxruntime.quantization")
    prepared = target.parent / f"{target.name}-prepared.onnx"
    shapes = require("onnxruntime.quantization.shape_inference")
    shapes.quant_pre_process(str(source / ONNX), str(prepared), skip_symbolic_shape=True)  # all sizes are fixed

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.left = iter(calibration(source))

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            image = next(self.left, None)
            return None if image is None else {INPUT: image}

    quantization.quantize_static(
        str(prepared),
        str(target / "model.onnx"),
        Reader(),
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def load(source: Path, target: Path, threads: int) -> Run:
    """Load it on the CPU."""
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session: Any = runtime.InferenceSession(str(target / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {INPUT: to_unit(frame)[None, None]})[0][0, 0])

    return run
