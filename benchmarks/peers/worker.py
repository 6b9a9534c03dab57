"""One engine in a process of its own, in its own environment: started by :mod:`benchmarks.peers.process`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.source import IMAGES
from edge_runtime.common.cli import run_command
from edge_runtime.device.fingerprint import peak_memory_bytes


def main(argv: list[str]) -> int:
    """Do one thing with an engine, and print what came of it as the last line, in JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.worker", description=__doc__)
    parser.add_argument("task", choices=list(_TASKS))
    parser.add_argument("engine", help="module in benchmarks.peers.engines")
    parser.add_argument("precision", choices=["float32", "int8"])
    parser.add_argument("source", type=Path, help="folder of the network")
    parser.add_argument("target", type=Path, help="folder of the engine's files")
    parser.add_argument("--package", required=True, help="the engine's distribution")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=0)
    args = parser.parse_args(argv)
    found = _TASKS[args.task](importlib.import_module(f"benchmarks.peers.engines.{args.engine}"), args)
    print(json.dumps(found, allow_nan=False))
    return 0


def _convert(engine: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Write the engine's files, and say how large the engine is."""
    engine.convert(args.source, args.precision, args.target)
    sizes = [path.stat().st_size for path in args.target.iterdir()]
    files = [Path(str(path.locate())) for path in metadata.files(args.package) or ()]
    return {
        "size_bytes": sum(sizes),
        "version": metadata.version(args.package),
        "engine_bytes": sum(path.stat().st_size for path in files if path.is_file()),
    }


def _answer(engine: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Answer all images into a file of float32; its folder's name is the target's with ``.f32``."""
    run = engine.load(args.source, args.target, args.threads)
    images = np.load(args.source / IMAGES, mmap_mode="r", allow_pickle=False)  # not all of them in memory
    shape: tuple[int, ...] = ()
    with args.target.with_suffix(".f32").open("wb") as file:
        for image in images:
            logits = np.ascontiguousarray(run(np.array(image)), np.float32)
            shape = logits.shape
            logits.tofile(file)
    return {"shape": shape, "peak_memory_bytes": peak_memory_bytes()}


def _time(engine: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Time frames one by one, in ms, on as many cores as threads."""
    if hasattr(os, "sched_setaffinity"):  # so that no engine takes more than it was given
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-args.threads :])
    run = engine.load(args.source, args.target, args.threads)
    images = np.load(args.source / IMAGES, allow_pickle=False)
    for turn in range(args.warmup):
        run(images[turn % len(images)])
    spent = []
    for turn in range(args.frames):
        frame = images[turn % len(images)]
        started = time.perf_counter()
        run(frame)
        spent.append((time.perf_counter() - started) * 1e3)
    return {"ms": spent}


_TASKS: dict[str, Callable[[Any, argparse.Namespace], dict[str, Any]]] = {
    "convert": _convert,
    "answer": _answer,
    "time": _time,
}


if __name__ == "__main__":
    run_command(main)
