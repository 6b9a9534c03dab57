"""``python -m edge_runtime bench``: latency and memory of models on this device."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edge_runtime.common.arguments import add_help, add_json, at_least
from edge_runtime.common.cli import counted
from edge_runtime.common.record import to_json
from edge_runtime.device.fingerprint import device_text, fingerprint, throttling_text
from edge_runtime.timing.bench import STAGES, BenchConfig, Condition, bench_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, except the number of threads."""
    add_help(
        parser,
        "Measure latency and memory of models on this device, one after the other in this process. The frame is "
        "synthetic, of HC18's size. To compare models, measure each in its own process: python -m benchmarks run.",
        "python -m edge_runtime bench --threads auto",
        "python -m edge_runtime bench --model artifacts/edge-m/*.tflite --frames 200 --json",
    )
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=".tflite files, or sizes such as edge-s (default: the shipped one)",
    )
    add_json(parser)
    parser.add_argument(
        "--frames", type=at_least(2), default=50, metavar="N", help="frames to time (default: %(default)s)"
    )
    parser.add_argument(
        "--warmup", type=at_least(0), default=5, metavar="N", help="untimed frames before (default: %(default)s)"
    )
    parser.set_defaults(run=bench)


def bench(args: argparse.Namespace) -> int:
    """Measure the models and print a table or JSON."""
    config = BenchConfig(frames=args.frames, warmup=args.warmup, threads=args.threads)
    results = [bench_model(model, config, trusted_keys=args.trusted_keys) for model in args.model or [None]]
    if args.json:
        document = {"schema_version": 1, "device": fingerprint(), "results": to_json(results)}
        print(json.dumps(document, allow_nan=False))
        return 0
    print(f"{'artifact':<28} {'MB':>6} {'first ms':>9}" + "".join(f" {stage + ' p50/p90 ms':>22}" for stage in STAGES))
    for r in results:
        latencies = [getattr(r.latency_ms, stage) for stage in STAGES]
        cells = "".join(f" {latency.p50:>13.2f} / {latency.p90:>6.2f}" for latency in latencies)
        print(f"{r.artifact:<28} {r.size_bytes / 1e6:>6.2f} {r.time_to_first_result_ms:>9.1f}{cells}")
    peak = results[-1].peak_memory_bytes
    print(
        f"{config.frames} frames of 540x800, {counted(results[0].threads, 'thread')}, {results[0].backend}"
        + (f"; peak memory of this process {peak / 1e6:.0f} MB" if peak else "")
    )
    print(_condition_text(results[-1].after))
    return 0


def _condition_text(after: Condition) -> str:
    """The state of the device after a measurement, and a warning if it makes the figures wrong."""
    clock, temperature = after.frequency_mhz, after.temperature_c
    shown = [
        "clock unknown" if clock is None else f"clock {clock:.0f} MHz",
        "temperature unknown" if temperature is None else f"{temperature:.1f} degrees C",
    ]
    device = fingerprint()
    wrong = "emulated" if device["emulated"] else throttling_text(after.throttled)
    return f"{device_text(device)}; {', '.join(shown)}" + (
        f"\nNot this device's true speed: {wrong}. See docs/devices.md, How fast?" if wrong else ""
    )
