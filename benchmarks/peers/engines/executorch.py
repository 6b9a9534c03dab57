"""ExecuTorch with XNNPACK: torch's exported program, and quantized by PT2E."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.source import PROGRAM, Precision, Run, calibration
from edge_runtime.common.files import write_bytes
from edge_runtime.common.optional import require
from edge_runtime.frame.preprocess import to_unit

_XNNPACK = "executorch.backends.xnnpack"


def convert(source: Path, precision: Precision, target: Path) -> None:
    """Lower to XNNPACK; int8 is symmetric, with weights per channel, as its documentation shows."""
    torch, exir = require("torch"), require("executorch.exir")
    program = torch.export.load(source / PROGRAM)
    if precision == "int8":
        program = _quantized(torch, program, source)
    partitioner = require(f"{_XNNPACK}.partition.xnnpack_partitioner").XnnpackPartitioner()
    lowered = exir.to_edge_transform_and_lower(program, partitioner=[partitioner])
    write_bytes(target / "model.pte", bytes(lowered.to_executorch().buffer))


def _quantized(torch: Any, program: Any, source: Path) -> Any:
    quantizer = require(f"{_XNNPACK}.quantizer.xnnpack_quantizer")
    pt2e = require("torchao.quantization.pt2e.quantize_pt2e")
    config = quantizer.get_symmetric_quantization_config(is_per_channel=True)
    watched = pt2e.prepare_pt2e(program.module(), quantizer.XNNPACKQuantizer().set_global(config))
    images = [torch.from_numpy(image) for image in calibration(source)]
    with torch.no_grad():
        for image in images:
            watched(image)
    return torch.export.export(pt2e.convert_pt2e(watched), (images[0],))


def load(source: Path, target: Path, threads: int) -> Run:
    """Load it with its Python runtime."""
    torch = require("torch")
    require("executorch.extension.pybindings.portable_lib")._unsafe_reset_threadpool(threads)
    runtime = require("executorch.runtime").Runtime.get()
    method = runtime.load_program(target / "model.pte").load_method("forward")

    def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(method.execute([torch.from_numpy(to_unit(frame)[None, None])])[0][0, 0])

    return run
