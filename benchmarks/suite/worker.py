"""One model in a fresh process: started by :mod:`benchmarks.suite.latency`, not by people.

Frames arrive as arrays, not as image files: the peak memory is numpy's, the interpreter's and the model's alone.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.common.cli import run_command
from edge_runtime.common.record import to_json
from edge_runtime.timing.bench import BenchConfig, BenchResult, bench_model


@dataclass(frozen=True, kw_only=True)
class Timed(BenchResult):
    """What one process measured, with samples.

    Attributes:
        process_start_to_first_result_ms: Time from the start of the process to its first result, in ms.
    """

    process_start_to_first_result_ms: float


def main(argv: list[str]) -> int:
    """Measure one model and print the result as one line of JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suite.worker", description=__doc__)
    parser.add_argument("model", type=Path, help=".tflite file")
    parser.add_argument("pixels", type=Path, help=".npz file of uint8 frames")
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--warmup", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--spawned", type=float, required=True, help="time.monotonic() when this process was started")
    args = parser.parse_args(argv)
    with np.load(args.pixels, allow_pickle=False) as file:
        frames = [file[name] for name in file.files]
    config = BenchConfig(frames=args.frames, warmup=args.warmup, threads=args.threads)
    # the monotonic clock is the machine's, not the process's: two processes may compare theirs
    before_ms = (time.monotonic() - args.spawned) * 1e3
    result = bench_model(args.model, config, frames, samples=True)
    timed = Timed(**vars(result), process_start_to_first_result_ms=before_ms + result.time_to_first_result_ms)
    print(json.dumps(to_json(timed), allow_nan=False))
    return 0


if __name__ == "__main__":
    run_command(main)
