"""ncnn: the ONNX file, converted by pnnx."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.source import ONNX, Precision, Run, calibration
from edge_runtime.common.cli import ending_text
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError
from edge_runtime.frame.preprocess import to_unit


def convert(source: Path, precision: Precision, target: Path) -> None:
    """Convert. The tools that quantize are not to be had as a package.

    Raises:
        FetalHeadError: int8 was asked for, or pnnx failed.
    """
    if precision == "int8":
        raise FetalHeadError("ncnn's tools that quantize (ncnn2table, ncnn2int8) are in no package of PyPI or Debian")
    onnx = require("onnx")
    network = onnx.load(source / ONNX)
    for node in network.graph.node:  # pnnx knows the other order alone; of one channel both are the same
        for attribute in node.attribute:
            if node.op_type == "DepthToSpace" and attribute.name == "mode":
                attribute.s = b"CRD"
    onnx.save(network, target / "network.onnx")
    shape = ",".join(map(str, next(calibration(source)).shape))
    # the program itself: its Python module would need torch
    program = Path(require("ncnn").__file__).parents[1] / "pnnx" / "pnnx"
    command = [str(program), "network.onnx", f"inputshape=[{shape}]f32", "fp16=0"]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise FetalHeadError(f"pnnx {ending_text(done.returncode)}")
    for path in target.iterdir():
        if path.suffix not in (".param", ".bin") or ".ncnn." not in path.name:
            path.unlink()


def load(source: Path, target: Path, threads: int) -> Run:
    """Load it in float32, although ncnn would take half the bits where the CPU can."""
    ncnn = require("ncnn")
    net = ncnn.Net()
    net.opt.num_threads = threads
    for shorter in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, shorter, False)
    # an operator that ncnn lacks makes it fail here, and crash later
    if net.load_param(str(target / "network.ncnn.param")) or net.load_model(str(target / "network.ncnn.bin")):
        raise FetalHeadError("ncnn cannot load what pnnx converted")

    def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        image = to_unit(frame)[None]  # the Mat points into it, so it must outlive the run
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(image))
        logits: NDArray[np.float32] = np.array(extractor.extract("out0")[1])[0]
        return logits

    return run
