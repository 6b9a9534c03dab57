"""OpenVINO: the ONNX file as its own format, and quantized by NNCF."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.source import ONNX, Precision, Run, calibration
from edge_runtime.common.optional import require
from edge_runtime.frame.preprocess import to_unit


def convert(source: Path, precision: Precision, target: Path) -> None:
    """Convert, and quantize as NNCF does unless told otherwise."""
    openvino = require("openvino")
    model = openvino.Core().read_model(source / ONNX)
    if precision == "int8":
        nncf = require("nncf")
        images = list(calibration(source))
        with contextlib.redirect_stdout(io.StringIO()):  # it draws a progress bar whatever the log level
            model = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
    openvino.save_model(model, target / "model.xml", compress_to_fp16=False)


def load(source: Path, target: Path, threads: int) -> Run:
    """Load it on the CPU. Without the hint, float32 would run as bfloat16 where the CPU can."""
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = require("openvino").Core().compile_model(target / "model.xml", "CPU", settings)

    def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(compiled(to_unit(frame)[None, None])[0][0, 0])

    return run
