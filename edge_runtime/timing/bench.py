"""Latency of one model on this device, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.device.fingerprint import frequency_mhz, peak_memory_bytes, temperature_c, throttling
from edge_runtime.errors import UsageError
from edge_runtime.measurement import Latency
from edge_runtime.segmenter import Segmenter

STAGES = ("preprocess", "invoke", "postprocess", "total")
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


def synthetic_frame(size: tuple[int, int] = FRAME_SIZE, seed: int = 0) -> NDArray[np.uint8]:
    """Make a frame for timing: a bright ellipse in speckle, uint8 (H, W). It is not ultrasound."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    radius = np.hypot((x - size[1] / 2) / (0.35 * size[1]), (y - size[0] / 2) / (0.40 * size[0]))
    echo = 40 + 160 * np.exp(-(((radius - 1) * 25) ** 2))
    return np.asarray(np.clip(echo * rng.rayleigh(0.8, size), 0, 255), dtype=np.uint8)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99, minimum, mean and standard deviation, in the values' unit."""
    data = np.asarray(values)
    p50, p90, p99 = np.percentile(data, [50, 90, 99])
    return {
        "p50": float(p50),
        "p90": float(p90),
        "p99": float(p99),
        "min": float(data.min()),
        "mean": float(data.mean()),
        "sd": float(data.std(ddof=1)),
    }


def summarize_latencies(latencies: Sequence[Latency]) -> dict[str, dict[str, float]]:
    """:func:`percentiles` of each stage and of the total, in ms."""
    return {stage: percentiles([getattr(latency, stage) for latency in latencies]) for stage in STAGES}


def bench_model(
    path: Path | None,
    config: BenchConfig,
    frames: Sequence[NDArray[np.uint8]] = (),
    *,
    samples: bool = False,
    trusted_keys: Sequence[Path] | None = None,
) -> dict[str, Any]:
    """Measure the latency and memory of one model in this process.

    Args:
        path: The .tflite file. None for the shipped one.
        config: The conditions.
        frames: Frames to cycle through. If empty, a synthetic one of 540x800.
        samples: Whether to add ``samples_ms``, with [preprocess, invoke, postprocess] of each frame, so that several
            runs can be pooled.
        trusted_keys: As for :meth:`Segmenter.load`.

    Returns:
        Time to load and to the first result in ms; latency percentiles per stage in ms; size and peak memory in bytes;
        and the device's frequency, temperature and throttling after the run.
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
    result = {
        "artifact": segmenter.manifest.name,
        "model_sha256": segmenter.manifest.model_sha256,
        "size_bytes": segmenter.manifest.model_bytes,
        "backend": segmenter.backend,
        "input_size": list(segmenter.size),
        "load_ms": (loaded - started) * 1e3,
        "time_to_first_result_ms": (first - started) * 1e3,
        "latency_ms": summarize_latencies(latencies),
        "frames": config.frames,
        "warmup": config.warmup,
        "threads": segmenter.threads,
        "peak_memory_bytes": peak_memory_bytes(),
        "after": {"frequency_mhz": frequency_mhz(), "temperature_c": temperature_c(), "throttled": throttling()},
    }
    if samples:
        result["samples_ms"] = [list(astuple(latency)) for latency in latencies]
    return result
