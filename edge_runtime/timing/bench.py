"""Latency of one model on this device, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.record import LEFT_OUT
from edge_runtime.device.fingerprint import frequency_mhz, peak_memory_bytes, temperature_c, throttling
from edge_runtime.errors import UsageError
from edge_runtime.measurement import Latency
from edge_runtime.segmenter import Segmenter

FRAME_SIZE = (540, 800)
"""(height, width) of HC18's frames in pixels, used by default."""


@dataclass(frozen=True)
class BenchConfig:
    """Conditions of a measurement.

    Attributes:
        frames: Number of timed frames, at least 2.
        warmup: Number of untimed frames before them.
        threads: Number of CPU threads, or ``"auto"``.
    """

    frames: int = 50
    warmup: int = 5
    threads: int | Literal["auto"] = 1

    def __post_init__(self) -> None:
        if self.frames < 2 or self.warmup < 0:
            raise UsageError(f"frames is {self.frames} and warmup is {self.warmup}; they must be at least 2 and 0.")


@final  # so that a checker knows that none is false, as in "latency and latency.p50"
@dataclass(frozen=True)
class Percentiles:
    """Percentiles, minimum, mean, standard deviation and maximum of several values, in the values' unit.

    The maximum is None in results older than it.
    """

    p50: float
    p90: float
    p99: float
    min: float
    mean: float
    sd: float
    max: float | None = field(default=None, metadata=LEFT_OUT)


@final
@dataclass(frozen=True)
class StageLatencies:
    """Latency of one frame by stage, in ms.

    Attributes:
        preprocess: From the frame to the network's input.
        invoke: The network.
        postprocess: From the network's output to the circumference.
        total: All three.
    """

    preprocess: Percentiles
    invoke: Percentiles
    postprocess: Percentiles
    total: Percentiles


STAGES = tuple(stage.name for stage in fields(StageLatencies))


@dataclass(frozen=True)
class Condition:
    """The state of the device after a measurement. None is what its system does not tell.

    Attributes:
        frequency_mhz: Frequency of the first core, in MHz.
        temperature_c: Temperature, in degrees Celsius.
        throttled: A Raspberry Pi's throttling flags.
    """

    frequency_mhz: float | None
    temperature_c: float | None
    throttled: str | None


@dataclass(frozen=True)
class BenchResult:
    """Latency and memory of one model in one process.

    Attributes:
        artifact: Name of the model.
        model_sha256: SHA-256 of the .tflite file.
        size_bytes: Size of the .tflite file.
        backend: Name of the interpreter.
        input_size: (height, width) of the network's input, in pixels.
        load_ms: Time to load the model, in ms.
        time_to_first_result_ms: Time to load the model and measure one frame, in ms.
        latency_ms: Latency over the timed frames.
        frames: Number of timed frames.
        warmup: Number of untimed frames before them.
        threads: Number of CPU threads.
        peak_memory_bytes: Peak resident memory of the process, in bytes. None if the system does not tell.
        after: The device afterwards.
        samples_ms: Latency of each frame in ms, (preprocess, invoke, postprocess). None if nobody asked for it.
    """

    artifact: str
    model_sha256: str
    size_bytes: int
    backend: str
    input_size: tuple[int, int]
    load_ms: float
    time_to_first_result_ms: float
    latency_ms: StageLatencies
    frames: int
    warmup: int
    threads: int
    peak_memory_bytes: int | None
    after: Condition
    samples_ms: tuple[tuple[float, float, float], ...] | None = field(default=None, metadata=LEFT_OUT)


def synthetic_frame(size: tuple[int, int] = FRAME_SIZE, seed: int = 0) -> NDArray[np.uint8]:
    """Make a frame for timing: a bright ellipse in speckle, uint8 (H, W). It is not ultrasound."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    radius = np.hypot((x - size[1] / 2) / (0.35 * size[1]), (y - size[0] / 2) / (0.40 * size[0]))
    echo = 40 + 160 * np.exp(-(((radius - 1) * 25) ** 2))
    return np.asarray(np.clip(echo * rng.rayleigh(0.8, size), 0, 255), dtype=np.uint8)


def percentiles(values: Sequence[float]) -> Percentiles:
    """Summarize two or more values."""
    data = np.asarray(values)
    p50, p90, p99 = np.percentile(data, [50, 90, 99])
    return Percentiles(
        p50=float(p50),
        p90=float(p90),
        p99=float(p99),
        min=float(data.min()),
        mean=float(data.mean()),
        sd=float(data.std(ddof=1)),
        max=float(data.max()),
    )


def summarize_latencies(latencies: Sequence[Latency]) -> StageLatencies:
    """:func:`percentiles` of each stage and of the total, in ms."""
    return StageLatencies(
        **{stage: percentiles([getattr(latency, stage) for latency in latencies]) for stage in STAGES}
    )


def bench_model(
    path: Path | None,
    config: BenchConfig,
    frames: Sequence[NDArray[np.uint8]] = (),
    *,
    samples: bool = False,
    trusted_keys: Sequence[Path] | None = None,
) -> BenchResult:
    """Measure the latency and memory of one model in this process.

    Args:
        path: The .tflite file. None for the shipped one.
        config: The conditions.
        frames: Frames to cycle through. If empty, a synthetic one of 540x800.
        samples: Whether to keep ``samples_ms``, so that several runs can be pooled.
        trusted_keys: As for :meth:`Segmenter.load`.
    """
    frames = frames or [synthetic_frame()]
    started = time.perf_counter()
    segmenter = Segmenter.load(path, threads=config.threads, trusted_keys=trusted_keys)
    loaded = time.perf_counter()
    segmenter.measure(frames[0])
    first = time.perf_counter()
    for i in range(config.warmup):
        segmenter.measure(frames[i % len(frames)])
    latencies = [segmenter.measure(frames[i % len(frames)]).latency_ms for i in range(config.frames)]
    return BenchResult(
        artifact=segmenter.manifest.name,
        model_sha256=segmenter.manifest.model_sha256,
        size_bytes=segmenter.manifest.model_bytes,
        backend=segmenter.backend,
        input_size=segmenter.size,
        load_ms=(loaded - started) * 1e3,
        time_to_first_result_ms=(first - started) * 1e3,
        latency_ms=summarize_latencies(latencies),
        frames=config.frames,
        warmup=config.warmup,
        threads=segmenter.threads,
        peak_memory_bytes=peak_memory_bytes(),
        after=Condition(frequency_mhz(), temperature_c(), throttling()),
        samples_ms=tuple(astuple(latency) for latency in latencies) if samples else None,
    )
