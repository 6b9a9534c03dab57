"""How fast untrained networks are in full int8, against the paper's, and which operators take the time.

The time does not depend on the weights, so it is known before anything is trained.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.common.measured import Measured, here_and_now
from benchmarks.common.result_files import read_record
from benchmarks.common.tables import Columns, cells, text_table
from benchmarks.roofline.operators import count_macs, fused
from benchmarks.roofline.operators import measure as measure_operators
from edge_runtime.common.cli import say
from edge_runtime.common.stderr import own_stderr
from edge_runtime.errors import FetalHeadError, ModelError
from export.tflite.delegation import delegation
from export.tflite.interpreter import load_interpreter
from export.tflite.model import Model, Operator
from train.strategies import Strategy, get_strategy

SCHEMA_VERSION = 1

UNIT = "paper"
"""Name of the network whose time is 1: the paper's in full int8."""


def unit() -> Strategy:
    """The paper's network, at 256x256."""
    return get_strategy("decoder-all")


@dataclass(frozen=True)
class Speed:
    """The speed of one network in full int8, on one thread.

    Attributes:
        name: Its name.
        ms: Median time of a frame, in ms.
        times_faster: The unit's time over its own, the median over rounds.
        low: Lower quartile over rounds.
        high: Upper quartile.
        gmac: Multiply-accumulates of a frame, in 1e9.
        parameters: Number of parameters.
        size_bytes: Size of the file.
        partitions: Parts that XNNPACK runs it in; 1 means that all of it is on the fast path.
    """

    name: str
    ms: float
    times_faster: float
    low: float
    high: float
    gmac: float
    parameters: int
    size_bytes: int
    partitions: int


@dataclass(frozen=True)
class Shape:
    """An operator's shape and its speed.

    Attributes:
        kind: ``3x3``, ``1x1``, ``depthwise 3x3`` and so on; with ``/2`` where it has a stride of 2.
        inputs: Channels of the input.
        outputs: Channels of the output.
        size: (height, width) of the output.
        ms: Time alone, in ms.
        gmac_s: Multiply-accumulates a second, in 1e9.
    """

    kind: str
    inputs: int
    outputs: int
    size: tuple[int, int]
    ms: float
    gmac_s: float


@dataclass(frozen=True, kw_only=True)
class LatencyDocument(Measured):
    """Speeds of networks, measured in turns in one run.

    Attributes:
        rounds: Times that each was run.
        peak_gmac_s: Speed of a large 1x1 convolution in the same arithmetic.
        speeds: The networks, the unit first.
        shapes: Operators of all networks, each shape once, the slowest (in GMAC/s) first.
    """

    rounds: int
    peak_gmac_s: float
    speeds: tuple[Speed, ...]
    shapes: tuple[Shape, ...]

    def by_name(self) -> dict[str, Speed]:
        """Speeds by name of the network."""
        return {speed.name: speed for speed in self.speeds}


def read_latency(path: Path) -> LatencyDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, LatencyDocument, SCHEMA_VERSION, "python -m benchmarks pareto --latency")


def measure(strategies: Mapping[str, Strategy], rounds: int, jobs: int) -> LatencyDocument:
    """Convert untrained networks, then time them in turns, then each operator.

    Args:
        strategies: The networks by name.
        rounds: Times that each network and each operator is run.
        jobs: Conversions at a time.

    Raises:
        FetalHeadError: A network could not be converted.
    """
    made = _convert({UNIT: unit(), **strategies}, jobs)
    say(f"{len(made)} networks converted; timing them in {rounds} rounds")
    interpreters = {name: load_interpreter(data) for name, (data, _) in made.items()}
    spent: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(-2, rounds):  # two to warm up
        for name, interpreter in interpreters.items():
            started = time.perf_counter()
            interpreter.invoke()
            if turn >= 0:
                spent[name].append(time.perf_counter() - started)
    say("timing their operators, one by one")
    shapes: dict[tuple[object, ...], list[float]] = {}
    peaks: list[float] = []
    for name, (data, _) in made.items():
        model = Model(data)
        try:
            found = measure_operators(model, name, rounds)
        except ModelError as error:  # without training, a range can be so narrow that LiteRT refuses it
            say(f"the operators of {error}")
            continue
        peaks.append(found.peak_gmac_s)
        for group, cost in zip(fused(model), found.operators, strict=True):
            if cost.macs and cost.ms:
                shapes.setdefault((*_shape(model, group[-1]), cost.macs), []).append(cost.ms)
    return LatencyDocument(
        **here_and_now(SCHEMA_VERSION, ("ai-edge-litert", "torch", "tensorflow", "onnx2tf"), threads=1),
        rounds=rounds,
        peak_gmac_s=statistics.median(peaks),
        speeds=tuple(_speed(name, *made[name], spent[name], spent[UNIT]) for name in made),
        shapes=tuple(sorted((_sum_up(key, times) for key, times in shapes.items()), key=lambda s: s.gmac_s)),
    )


def _convert(strategies: Mapping[str, Strategy], jobs: int) -> dict[str, tuple[bytes, int]]:
    """The .tflite file and the number of parameters of each, by name."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), own_stderr) as pool:
        tasks = {name: pool.submit(convert_untrained, strategy) for name, strategy in strategies.items()}
        found = {}
        for name, task in tasks.items():
            try:
                found[name] = task.result()
            except FetalHeadError as error:
                raise FetalHeadError(f"{name}: {error}") from error
        return found


def convert_untrained(strategy: Strategy) -> tuple[bytes, int]:
    """A network with random weights in full int8, and its number of parameters."""
    import torch

    from benchmarks.search.convert import to_full_int8
    from train.networks.model import HeadNet

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = HeadNet(strategy).eval()
    images = np.random.default_rng(0).integers(0, 256, (4, *strategy.image_size), dtype=np.uint8)
    return to_full_int8(model, images), sum(p.numel() for p in model.parameters())


def _speed(name: str, data: bytes, parameters: int, spent: Sequence[float], unit_spent: Sequence[float]) -> Speed:
    ratios = [u / s for u, s in zip(unit_spent, spent, strict=True)]
    low, middle, high = (float(q) for q in np.percentile(ratios, [25, 50, 75]))
    model = Model(data)
    gmac = sum(count_macs(model, operator) for operator in model.operators) / 1e9
    ms = statistics.median(spent) * 1e3
    return Speed(name, ms, middle, low, high, gmac, parameters, len(data), delegation(model, timed=False).partitions)


def _shape(model: Model, operator: Operator) -> tuple[str, int, int, int, int]:
    """Kind, channels in and out, height and width of a convolution."""
    given, weights, out = (model.tensors[i].shape for i in (*operator.inputs[:2], operator.outputs[0]))
    depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    stride = given[1] // out[1]
    kind = f"{'depthwise ' * depthwise}{weights[1]}x{weights[2]}{f'/{stride}' if stride > 1 else ''}"
    return kind, given[3], out[3], out[1], out[2]


def _sum_up(key: tuple[object, ...], times: Sequence[float]) -> Shape:
    kind, inputs, outputs, height, width, macs = key
    ms = statistics.median(times)
    return Shape(kind, inputs, outputs, (height, width), ms, macs / ms / 1e6)  # type: ignore[arg-type,operator]


COLUMNS: Columns[Speed] = (
    ("network", lambda speed: speed.name),
    ("ms", lambda speed: f"{speed.ms:.3f}"),
    ("times faster", lambda speed: f"{speed.times_faster:.1f}"),
    ("quartiles", lambda speed: f"{speed.low:.1f} to {speed.high:.1f}"),
    ("GMAC", lambda speed: f"{speed.gmac:.3f}"),
    ("MB", lambda speed: f"{speed.size_bytes / 1e6:.2f}"),
    ("partitions", lambda speed: str(speed.partitions)),
)
SHAPE_COLUMNS: Columns[Shape] = (
    ("operator", lambda shape: shape.kind),
    ("channels", lambda shape: f"{shape.inputs} to {shape.outputs}"),
    ("output", lambda shape: f"{shape.size[0]}x{shape.size[1]}"),
    ("ms", lambda shape: f"{shape.ms:.4f}"),
    ("GMAC/s", lambda shape: f"{shape.gmac_s:.0f}"),
)


def speed_table(document: LatencyDocument) -> str:
    """Networks, the fastest first, and the operators that take the most time, for a terminal."""
    networks = text_table(*cells(sorted(document.speeds, key=lambda s: s.ms), COLUMNS))
    shapes = text_table(*cells(sorted(document.shapes, key=lambda s: -s.ms)[:25], SHAPE_COLUMNS))
    return f"{networks}\n\nthe slowest operators; the peak is {document.peak_gmac_s:.0f} GMAC/s\n{shapes}"
