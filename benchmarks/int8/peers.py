"""``python -m benchmarks peers``: the same weights in LiteRT, ONNX Runtime and OpenVINO, float32 and int8, in turns."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.arguments import add_data, add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import FetalHeadError
from edge_runtime.frame.preprocess import to_unit
from edge_runtime.metrics import overlap
from export.commands.arguments import add_rewrites, check_checkpoint, rewrite_names
from export.recipes import RECIPES
from train.data.hc18 import find_data

if TYPE_CHECKING:
    from export.job import Job

SCHEMA_VERSION = 1
OURS = "LiteRT full_int8"
GOALS = {"LiteRT float32": 3.3, "ONNX Runtime int8": 1.0, "OpenVINO int8 (NNCF)": 1.0}
"""In the paper's model at 256x256, an engine takes at least so many times our time."""

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From a prepared frame uint8 (h, w) to logits float32 (h, w), on one thread."""


def make_peers(job: Job, folder: Path) -> dict[str, Run]:
    """Convert a checkpoint for every engine; those that are not installed are left out, and said.

    Args:
        job: The checkpoint, the images to calibrate on, the same for all, and the rewrites of LiteRT's graph.
        folder: Empty, to work in.
    """
    from export.artifact import new_artifact
    from export.conversion.steps import ONNX, to_graph, to_saved_model, to_tflite
    from export.conversion.to_onnx import onnx_predictor, write_onnx
    from export.images import load_images
    from export.quantization.ladder import candidates
    from export.tflite.model import Model

    calibration = load_images(job.calibration, job.size).inputs
    write_onnx(job.checkpoint.model, job.size, folder / ONNX)
    to_graph(job.checkpoint.model, folder, job.rewrites)
    to_saved_model(job.size, calibration[:1], folder)
    plain = to_tflite(folder, RECIPES["float32"])
    full = next(iter(candidates(Model(plain), calibration)))
    peers: dict[str, Run] = {
        OURS: new_artifact(full.data, job.checkpoint, full.recipe).network(),
        "LiteRT float32": new_artifact(plain, job.checkpoint, RECIPES["float32"]).network(),
        "ONNX Runtime float32": onnx_predictor(folder / ONNX),
        "ONNX Runtime int8": _onnxruntime_int8(folder, calibration),
    }
    try:
        require("openvino")
        require("nncf")
    except FetalHeadError as error:
        say(f"OpenVINO is left out: {error}")
        return peers
    return peers | _openvino(folder / ONNX, calibration)


def _onnxruntime_int8(folder: Path, calibration: NDArray[np.uint8]) -> Run:
    """Static quantization as ONNX Runtime recommends it for x86 with VNNI: QDQ, uint8 maps, weights by channel."""
    from export.conversion.steps import ONNX
    from export.conversion.to_onnx import INPUT, onnx_predictor

    quantization = require("onnxruntime.quantization")
    shape = require("onnxruntime.quantization.shape_inference")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.left = iter(calibration)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            image = next(self.left, None)
            return None if image is None else {INPUT: to_unit(image)[None, None]}

    prepared, target = folder / "prepared.onnx", folder / "int8.onnx"
    shape.quant_pre_process(str(folder / ONNX), str(prepared))
    quantization.quantize_static(
        str(prepared),
        str(target),
        Reader(),
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return onnx_predictor(target)


def _openvino(path: Path, calibration: NDArray[np.uint8]) -> dict[str, Run]:
    """OpenVINO in float32, and quantized by NNCF."""
    openvino, nncf = require("openvino"), require("nncf")
    core = openvino.Core()
    model = core.read_model(path)
    images = [to_unit(image)[None, None] for image in calibration]
    quantized = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}

    def runner(network: Any) -> Run:
        compiled = core.compile_model(network, "CPU", settings)

        def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.asarray(compiled(to_unit(frame)[None, None])[0][0, 0])

        return run

    return {"OpenVINO float32": runner(model), "OpenVINO int8 (NNCF)": runner(quantized)}


def measure(peers: dict[str, Run], frames: NDArray[np.uint8], rounds: int) -> list[dict[str, Any]]:
    """Run all engines in turns, frame by frame.

    Args:
        peers: By name; :data:`OURS` among them.
        frames: uint8 (N, h, w), prepared.
        rounds: Times each is run.

    Returns:
        A row an engine: median and 90th percentile in ms, its time over ours (median of the paired ratios), and the
        mean Dice of its masks with those of LiteRT in float32.
    """
    masks = {name: np.stack([run(frame) > 0 for frame in frames]) for name, run in peers.items()}  # and warms up
    spent: dict[str, list[float]] = {name: [] for name in peers}
    for turn in range(rounds):
        frame = frames[turn % len(frames)]
        for name, run in peers.items():
            started = time.perf_counter()
            run(frame)
            spent[name].append((time.perf_counter() - started) * 1e3)
    rows = []
    for name, times in spent.items():
        ratios = [a / b for a, b in zip(times, spent[OURS], strict=True)]
        dice = [overlap(a, b)[0] for a, b in zip(masks[name], masks["LiteRT float32"], strict=True)]
        rows.append(
            {
                "engine": name,
                "median_ms": statistics.median(times),
                "p90_ms": float(np.percentile(times, 90)),
                "times_ours": statistics.median(ratios),
                "mask_dice": float(np.mean(dice)),
            }
        )
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows, and the goals met or missed."""
    lines = [f"{'engine':<24} {'median':>9} {'90 %':>9} {'times ours':>11} {'mask Dice':>10}"]
    for row in rows:
        cells = (
            f"{row['median_ms']:>6.2f} ms {row['p90_ms']:>6.2f} ms {row['times_ours']:>11.2f} {row['mask_dice']:>10.4f}"
        )
        lines.append(f"{row['engine']:<24} {cells}")
    times = {row["engine"]: row["times_ours"] for row in rows}
    for name, least in GOALS.items():
        if name in times:
            verdict = "met" if times[name] >= least else "MISSED"
            lines.append(f"goal: {name} takes at least {least:g} times ours: {times[name]:.2f}, {verdict}")
    lines.append("mask Dice: with LiteRT in float32; the time is all that an engine's call takes, one thread")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("checkpoints/edge"), metavar="DIR", help="default: %(default)s"
    )
    add_data(parser)
    parser.add_argument(
        "--images", type=at_least(1), default=8, metavar="N", help="frames run on; default: %(default)s"
    )
    parser.add_argument(
        "--rounds", type=at_least(1), default=200, metavar="N", help="of each engine; default: %(default)s"
    )
    add_rewrites(parser)
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Time one checkpoint in this project's full int8, in float32, in ONNX Runtime and in OpenVINO, alternating.

    All take prepared frames of one size and run on one thread; int8 is calibrated on the same images. LiteRT's graph
    is an export's, with the rewrites it needs or those given, its int8 the plainest (by minimum and maximum); the
    others take the ONNX as it is. OpenVINO needs ``pip install openvino nncf`` (the extra ``peers``).
    """
    checked_out(args.out, args.overwrite)
    check_checkpoint(args.checkpoint)
    rewrites = rewrite_names(args.rewrite)
    for package in ("torch", "onnxruntime"):
        require(package)
    from export.images import load_images
    from export.job import Options, plan
    from export.recipes import NO_LIMIT
    from train.checkpoint import load_checkpoint

    checkpoint, dataset = load_checkpoint(args.checkpoint), find_data(args.data)
    options = Options((RECIPES["full_int8"],), Path(), verify_images=args.images, budget=NO_LIMIT, rewrites=rewrites)
    job = plan(checkpoint, dataset, options)
    rewritten = [rewrite.name for rewrite in job.rewrites]
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        rows = measure(make_peers(job, Path(folder)), load_images(job.parity, job.size).inputs, args.rounds)
    size = f"{job.size[0]}x{job.size[1]}"
    say(f"{job.name} at {size}, LiteRT's graph {'with ' + ', '.join(rewritten) if rewritten else 'as it is'}")
    say(f"{args.rounds} rounds\n{table(rows)}")
    if args.out:
        document = {
            "schema_version": SCHEMA_VERSION,
            "strategy": job.name,
            "checkpoint_sha256": checkpoint.sha256,
            "size": list(job.size),
            "rewrites": rewritten,
            "rounds": args.rounds,
            "engines": rows,
            "device": fingerprint(),
            "git_commit": git_commit(),
            "tools": tool_versions(("ai-edge-litert", "onnxruntime", "openvino", "nncf")),
        }
        write_json(args.out, document)
        say(f"written: {args.out}")
    return 0
