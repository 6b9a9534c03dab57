"""One model in a fresh process: started by :mod:`benchmarks.suite.latency`, not by people.

Frames arrive as arrays, not as image files: the peak memory is numpy's, the interpreter's and the model's alone.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.common.cli import run_command
from edge_runtime.common.record import to_json
from edge_runtime.device.fingerprint import frequency_mhz, peak_memory_bytes, temperature_c, throttling
from edge_runtime.segmenter import Segmenter
from edge_runtime.stages import STEPS
from edge_runtime.timing.bench import Condition

_KEPT = 1 << 14
"""Numbers that are kept before they are written, so that the record does not count as the model's memory."""


@dataclass(frozen=True)
class Timed:
    """What one process measured. The time of each frame is in a file of its own, float32 (frames, 1 + steps).

    Its first column is when a frame began, in s from ``started_s``; the others are the time of each of
    :data:`edge_runtime.stages.STEPS` in ms, NaN for a step that was not reached.

    Attributes:
        backend: Name of the interpreter.
        input_size: (height, width) of the network's input, in pixels.
        load_ms: Time to load the model, in ms.
        time_to_first_result_ms: Time to load the model and measure one frame, in ms.
        process_start_to_first_result_ms: The same from the start of the process, in ms.
        started_s: When timing began, by ``time.monotonic()``, which is the same in all processes.
        ended_s: When it ended.
        peak_memory_bytes: Peak resident memory of the process, in bytes; None if the system does not tell.
        after: The device afterwards.
    """

    backend: str
    input_size: tuple[int, int]
    load_ms: float
    time_to_first_result_ms: float
    process_start_to_first_result_ms: float
    started_s: float
    ended_s: float
    peak_memory_bytes: int | None
    after: Condition


def main(argv: list[str]) -> int:
    """Measure one model, write the times and print the result as one line of JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suite.worker", description=__doc__)
    parser.add_argument("model", type=Path, help=".tflite file")
    parser.add_argument("pixels", type=Path, help=".npz file of uint8 frames, and of their pixel sizes in mm")
    parser.add_argument("samples", type=Path, help="file of float32 to write")
    parser.add_argument("--frames", type=int, required=True, help="frames to time, at least")
    parser.add_argument("--seconds", type=float, required=True, help="time that they take, at least")
    parser.add_argument("--warmup", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--spawned", type=float, required=True, help="time.monotonic() when this process was started")
    args = parser.parse_args(argv)
    with np.load(args.pixels, allow_pickle=False) as arrays:
        sizes = arrays["pixel_sizes_mm"].tolist()
        frames = [(arrays[f"frame_{i}"], size) for i, size in enumerate(sizes)]
    # the monotonic clock is the machine's, not the process's: two processes may compare theirs
    before = time.monotonic()
    segmenter = Segmenter.load(args.model, threads=args.threads)
    loaded = time.monotonic()
    segmenter.examine(*frames[0], own_limits=True)
    first = time.monotonic()
    for i in range(args.warmup):
        segmenter.examine(*frames[i % len(frames)], own_limits=True)
    times, count = array("f"), 0
    with args.samples.open("wb") as file:
        started = time.monotonic()
        now = started
        while count < args.frames or now < started + args.seconds:
            frame, pixel_size = frames[count % len(frames)]
            steps = segmenter.examine(frame, pixel_size, own_limits=True).step_ms
            times.append(now - started)
            times.extend(steps.get(step, math.nan) for step in STEPS)
            if len(times) > _KEPT:
                times.tofile(file)
                del times[:]
            now, count = time.monotonic(), count + 1
        times.tofile(file)
    timed = Timed(
        backend=segmenter.backend,
        input_size=segmenter.size,
        load_ms=(loaded - before) * 1e3,
        time_to_first_result_ms=(first - before) * 1e3,
        process_start_to_first_result_ms=(first - args.spawned) * 1e3,
        started_s=started,
        ended_s=now,
        peak_memory_bytes=peak_memory_bytes(),
        after=Condition(frequency_mhz(), temperature_c(), throttling()),
    )
    print(json.dumps(to_json(timed), allow_nan=False))
    return 0


if __name__ == "__main__":
    run_command(main)
