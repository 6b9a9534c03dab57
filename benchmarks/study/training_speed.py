"""``python -m benchmarks train-speed``: speed and memory of this project's training loop, against a plain one."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.common.device import Device, this_device
from benchmarks.common.result_files import RESULTS, free_name, read_record
from benchmarks.common.tables import text_table
from benchmarks.study.loops import PLAIN, VARIANTS, config_of, make_loop
from benchmarks.study.training_memory import TrainingMemory, measure_memory
from edge_runtime.common.arguments import add_data, add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.common.record import LEFT_OUT, to_json
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.errors import FetalHeadError
from train.data.check import check_samples
from train.data.hc18 import Sample, find_data
from train.strategies import get_strategy

SCHEMA_VERSION = 1
SPEEDS = RESULTS / "training-speed"


@dataclass(frozen=True)
class SpeedConditions:
    """What training speed was measured under.

    Attributes:
        date: When it was started, UTC, ISO 8601.
        git_commit: Commit of the source tree; None outside a checkout.
        data: Title of the data set.
        is_phantom: The images are procedural phantoms.
        steps: Batches a variant and round.
        rounds: Rounds over all variants.
        load_average_1min: The system's load at the start; None where it does not tell.
        variants: What each variant is, by name.
    """

    date: str
    git_commit: str | None
    data: str
    is_phantom: bool
    steps: int
    rounds: int
    load_average_1min: float | None
    variants: dict[str, str]


@dataclass(frozen=True)
class Speed:
    """How fast one variant trains one strategy.

    Attributes:
        strategy: Name of the strategy.
        variant: A key of :data:`VARIANTS`.
        precision: Number format of the computation.
        threads: CPU threads, of all processes together.
        image_size: (height, width) of the network's input, in pixels.
        batch_size: Images a step.
        images_per_second: Median over rounds.
        rounds: Images per second in each round.
        times_plain: Median over rounds of the ratio to the plain variant.
    """

    strategy: str
    variant: str
    precision: str
    threads: int
    image_size: tuple[int, int]
    batch_size: int
    images_per_second: float
    rounds: tuple[float, ...]
    times_plain: float


@dataclass(frozen=True)
class SpeedDocument:
    """A result file of this command.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        device: The machine, with the versions of torch and what it needs.
        conditions: What it was measured under.
        results: One for each strategy and variant.
        memory: What a training takes, for each strategy with the plain loop and ours; None where it was
            not measured.
    """

    schema_version: int
    device: Device
    conditions: SpeedConditions
    results: tuple[Speed, ...]
    memory: tuple[TrainingMemory, ...] | None = field(default=None, metadata=LEFT_OUT)


def run(args: argparse.Namespace) -> int:
    """Measure all variants of each strategy, alternating, and write one JSON document."""
    out = checked_out(args.out, args.overwrite)
    for strategy in args.strategies:
        get_strategy(strategy)
    require("torch")
    dataset = find_data(args.data)
    say(f"data: {dataset.title}; {args.rounds} alternating rounds of {args.steps} steps")
    results, memory = [], []
    for strategy in args.strategies:
        samples = list(dataset.samples.values())[: args.steps * config_of(strategy).batch_size]
        check_samples(dataset, samples)
        memory += measure_memory(strategy, samples)
        results += measure(strategy, samples, args.rounds)
    conditions = SpeedConditions(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        git_commit=git_commit(),
        data=dataset.title,
        is_phantom=dataset.is_phantom,
        steps=args.steps,
        rounds=args.rounds,
        load_average_1min=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        variants=VARIANTS,
    )
    device = replace(this_device(), tools=tool_versions(("torch", "segmentation-models-pytorch", "numpy")))
    out = out or free_name(SPEEDS, device, conditions.date, conditions.is_phantom)
    write_json(out, to_json(SpeedDocument(SCHEMA_VERSION, device, conditions, tuple(results), tuple(memory) or None)))
    rows = [[r.strategy, r.variant, r.precision, f"{r.images_per_second:.2f}", f"{r.times_plain:.2f}"] for r in results]
    say(text_table(("strategy", "variant", "precision", "images/s", "times plain"), rows))
    if memory:
        rows = [[m.strategy, m.variant, f"{m.peak_bytes / 1e6:.0f}", f"{m.start_bytes / 1e6:.0f}"] for m in memory]
        say(text_table(("strategy", "variant", "peak memory, MB", "of it before training"), rows))
    say(f"wrote {out}")
    return 0


def load_speeds(folder: Path = SPEEDS) -> list[SpeedDocument]:
    """Every result file of this command that is there, by file name.

    Raises:
        ModelError: One of them cannot be used.
    """
    command = "python -m benchmarks train-speed"
    return [read_record(path, SpeedDocument, SCHEMA_VERSION, command) for path in sorted(folder.glob("*.json"))]


def measure(strategy: str, samples: Sequence[Sample], rounds: int) -> list[Speed]:
    """Measure every variant of a strategy, in turn, in each round.

    Args:
        strategy: Name of the strategy, in the paper's setting at its own size.
        samples: What is trained on in a round, by each variant.
        rounds: Rounds over all variants.
    """
    import torch

    from train.device import pick_precision

    measured: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    alone = {variant: make_loop(variant, strategy, samples) for variant in list(VARIANTS)[:-1]}
    for step in alone.values():
        step()  # untimed: memory is allocated, kernels are chosen
    cores = usable_cores()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(cores)
    # Unlike multiprocessing.Pool, this executor notices a worker that was killed; the others would wait for it forever.
    with ProcessPoolExecutor(cores, context, _start_worker, (barrier, strategy, samples)) as pool:
        _together(pool, cores)
        for _ in range(rounds):
            for variant, step in alone.items():
                started = time.perf_counter()
                step()
                measured[variant].append(len(samples) / (time.perf_counter() - started))
            measured["ours, a run a core"].append(sum(_together(pool, cores)))
            say(f"  {strategy}: " + ", ".join(f"{variant} {rates[-1]:.2f}" for variant, rates in measured.items()))
    precision = pick_precision("auto", torch.device("cpu"))
    config = config_of(strategy)
    return [
        Speed(
            strategy=strategy,
            variant=variant,
            precision=precision if variant.startswith("ours") else "float32",
            threads=torch.get_num_threads() if variant in alone else cores,
            image_size=config.image_size,
            batch_size=config.batch_size,
            images_per_second=statistics.median(rates),
            rounds=tuple(rates),
            times_plain=statistics.median(r / p for r, p in zip(rates, measured[PLAIN], strict=True)),
        )
        for variant, rates in measured.items()
    ]


_worker: dict[str, Any] = {}
"""What a process waits at, and what it runs."""


def _start_worker(barrier: Any, strategy: str, samples: Sequence[Sample]) -> None:
    import torch

    torch.set_num_threads(1)
    _worker.update(barrier=barrier, step=make_loop("ours", strategy, samples), count=len(samples))


def _together(pool: ProcessPoolExecutor, cores: int) -> list[float]:
    """Run :func:`_work` in every process at once.

    Raises:
        FetalHeadError: A process was killed.
    """
    try:
        return list(pool.map(_work, range(cores)))
    except BrokenProcessPool as error:
        raise FetalHeadError(
            f"One of the {cores} training processes was killed, perhaps because memory ran out. Close other programs, "
            "or measure on fewer cores: taskset --cpu-list 0 python -m benchmarks train-speed"
        ) from error


def _work(_: int) -> float:
    """Images per second of this process while all the others work too."""
    _worker["barrier"].wait()
    started = time.perf_counter()
    _worker["step"]()
    rate = float(_worker["count"] / (time.perf_counter() - started))
    _worker["barrier"].wait()
    return rate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``train-speed``."""
    parser.add_argument(
        "--strategies", nargs="+", default=["decoder-all", "encoder-only", "full"], metavar="NAME",
        help="default: %(default)s",
    )  # fmt: skip
    add_data(parser)
    parser.add_argument(
        "--steps", type=at_least(1), default=3, help="batches a variant and round (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=at_least(1), default=5, help="rounds over all variants (default: %(default)s)")
    add_out(parser, "benchmarks/results/training-speed/<machine>-<date>.json")
    parser.set_defaults(action=run)
