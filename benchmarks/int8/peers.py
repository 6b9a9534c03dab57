"""The same weights in LiteRT, ONNX Runtime and OpenVINO, in float32 and int8, timed in turns."""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from edge_runtime.common.cli import say
from edge_runtime.common.optional import require
from edge_runtime.common.record import LEFT_OUT
from edge_runtime.errors import FetalHeadError
from edge_runtime.frame.preprocess import to_unit
from edge_runtime.head.mask import positive_at
from edge_runtime.metrics import overlap
from export.recipes import RECIPES

if TYPE_CHECKING:
    from export.job import Job

SCHEMA_VERSION = 1
OURS, FLOAT32 = "LiteRT full_int8", "LiteRT float32"
GOALS = {FLOAT32: 3.3, "ONNX Runtime int8": 1.0, "OpenVINO int8 (NNCF)": 1.0}
"""The least that an engine's time is to be over ours, for the paper's network at :data:`GOAL_SIZE`."""

GOAL_SIZE = (256, 256)
"""(height, width) in pixels that the goals are for."""

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From a prepared frame uint8 (h, w) to logits float32 (h, w), on one thread."""


@dataclass(frozen=True)
class Engine:
    """What one engine took.

    Attributes:
        engine: Its name and arithmetic.
        median_ms: Median time of a frame, in ms.
        p90_ms: 90th percentile, in ms.
        times_ours: Its time over that of :data:`OURS`, the median over rounds.
        mask_dice: Mean Dice of its masks with those of :data:`FLOAT32`, 0 to 1.
    """

    engine: str
    median_ms: float
    p90_ms: float
    times_ours: float
    mask_dice: float

    @property
    def goal(self) -> float | None:
        """The least that ``times_ours`` is to be; None if there is no goal for this engine."""
        return GOALS.get(self.engine)

    @property
    def meets_goal(self) -> bool:
        """Whether the goal, if there is one, is met."""
        return self.times_ours >= (self.goal or 0)


@dataclass(frozen=True, kw_only=True)
class PeersDocument(Measured):
    """One checkpoint in every engine.

    Attributes:
        strategy: Name of the strategy.
        checkpoint_sha256: SHA-256 of the weights.
        size: (height, width) of the network's input, in pixels.
        rounds: Times each engine was run.
        engines: One for each engine.
        rewrites: Exact rewrites of LiteRT's graph, by name; left out in results older than this field.
    """

    strategy: str
    checkpoint_sha256: str
    size: tuple[int, int]
    rounds: int
    engines: tuple[Engine, ...]
    rewrites: tuple[str, ...] | None = field(default=None, metadata=LEFT_OUT)


def read_peers(path: Path) -> PeersDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, PeersDocument, SCHEMA_VERSION, "python -m benchmarks peers")


def make_peers(job: Job, folder: Path) -> dict[str, Run]:
    """Convert a checkpoint for every engine. An engine that is not installed is left out, with a message.

    Args:
        job: The checkpoint, the images that every engine is calibrated on, and the rewrites of LiteRT's graph.
        folder: An empty folder to work in.
    """
    from export.artifact import new_artifact
    from export.conversion.steps import ONNX, to_graph, to_saved_model, to_tflite
    from export.conversion.to_onnx import onnx_predictor, write_onnx
    from export.images import load_images
    from export.quantization.ladder import candidates
    from export.tflite.model import Model

    calibration = load_images(job.calibration, job.size, job.resize_rule).inputs
    write_onnx(job.checkpoint.model, job.size, folder / ONNX)
    to_graph(job.checkpoint.model, folder, job.rewrites)
    to_saved_model(job.size, calibration[:1], folder)
    plain = to_tflite(folder, RECIPES["float32"])
    full = next(iter(candidates(Model(plain), calibration)))
    peers: dict[str, Run] = {
        OURS: new_artifact(full.data, job.checkpoint, full.recipe).network(),
        FLOAT32: new_artifact(plain, job.checkpoint, RECIPES["float32"]).network(),
        "ONNX Runtime float32": onnx_predictor(folder / ONNX),
        "ONNX Runtime int8": _onnxruntime_int8(folder, calibration),
    }
    try:
        # importing NNCF makes torch warn that there is no CUDA, which nothing here uses
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        require("openvino")
        require("nncf").set_log_level(logging.ERROR)
    except FetalHeadError as error:
        say(f"OpenVINO is left out: {error}")
        return peers
    return peers | _openvino(folder / ONNX, calibration)


def _onnxruntime_int8(folder: Path, calibration: NDArray[np.uint8]) -> Run:
    """Static quantization as ONNX Runtime recommends it for x86 with VNNI: QDQ, uint8 activations, per channel."""
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
    """OpenVINO in float32, and in int8 as NNCF quantizes it."""
    openvino, nncf = require("openvino"), require("nncf")
    core = openvino.Core()
    model = core.read_model(path)
    images = [to_unit(image)[None, None] for image in calibration]
    with contextlib.redirect_stdout(io.StringIO()):  # NNCF draws a progress bar whatever the log level
        quantized = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}

    def runner(network: Any) -> Run:
        compiled = core.compile_model(network, "CPU", settings)

        def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.asarray(compiled(to_unit(frame)[None, None])[0][0, 0])

        return run

    return {"OpenVINO float32": runner(model), "OpenVINO int8 (NNCF)": runner(quantized)}


def _mask(run: Run, frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return positive_at(run(frame), (frame.shape[0], frame.shape[1]))


def measure(peers: Mapping[str, Run], frames: NDArray[np.uint8], rounds: int) -> tuple[Engine, ...]:
    """Run all engines in turns, frame by frame.

    Args:
        peers: The engines by name, with :data:`OURS` and :data:`FLOAT32` among them.
        frames: uint8 (N, h, w), prepared.
        rounds: Times each engine is run.
    """
    masks = {name: np.stack([_mask(run, frame) for frame in frames]) for name, run in peers.items()}  # and warms up
    spent: dict[str, list[float]] = {name: [] for name in peers}
    for turn in range(rounds):
        frame = frames[turn % len(frames)]
        for name, run in peers.items():
            started = time.perf_counter()
            run(frame)
            spent[name].append((time.perf_counter() - started) * 1e3)
    return tuple(
        Engine(
            name,
            statistics.median(times),
            float(np.percentile(times, 90)),
            statistics.median(a / b for a, b in zip(times, spent[OURS], strict=True)),
            float(np.mean([overlap(a, b)[0] for a, b in zip(masks[name], masks[FLOAT32], strict=True)])),
        )
        for name, times in spent.items()
    )


def table(engines: Sequence[Engine]) -> str:
    """The engines, and the goals met or missed, for a terminal."""
    lines = [f"{'engine':<24} {'median':>9} {'p90':>9} {'over ours':>10} {'mask Dice':>10}"]
    for e in engines:
        cells = f"{e.median_ms:>6.2f} ms {e.p90_ms:>6.2f} ms {e.times_ours:>10.2f} {e.mask_dice:>10.4f}"
        lines.append(f"{e.engine:<24} {cells}")
    for e in engines:
        if e.goal is not None:
            verdict = "met" if e.meets_goal else "MISSED"
            lines.append(f"goal: {e.engine} takes at least {e.goal:g} times ours: {e.times_ours:.2f}, {verdict}")
    lines.append(f"Times are of one frame on one thread. Ours is {OURS}. Mask Dice is with {FLOAT32}.")
    return "\n".join(lines)
