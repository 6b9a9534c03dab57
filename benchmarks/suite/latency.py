"""Measure several artifacts in alternating rounds of fresh processes.

A machine's speed drifts (temperature, other work). If artifacts were measured one after the other, the drift would look
like a difference between them. In alternating rounds it affects all of them alike.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.frames.images import Image
from benchmarks.machine.energy import Meter, find_meter
from benchmarks.machine.watch import Watch
from benchmarks.suite.artifacts import Artifact
from benchmarks.suite.modes import Plan
from benchmarks.suite.pooled import Speed, Turn, pool
from benchmarks.suite.worker import Timed
from edge_runtime.common.cli import ending_text, say
from edge_runtime.common.record import from_json
from edge_runtime.errors import FetalHeadError
from edge_runtime.stages import STEPS

HANGS_S = 1800
"""A process that takes this much longer than it was asked to hangs: even the slowest model here should take about a
minute on a Raspberry Pi 4."""

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Speeds:
    """What was measured of all artifacts.

    Attributes:
        by_name: By the artifact's name: what was measured, or the error where it cannot be run.
        order: Names in the order in which they were measured, for each round.
    """

    by_name: dict[str, Speed | str]
    order: tuple[tuple[str, ...], ...]


def measure_rounds(artifacts: Sequence[Artifact], images: Sequence[Image], plan: Plan) -> Speeds:
    """Measure every artifact once a round, each time in a process of its own.

    Args:
        artifacts: What to measure.
        images: Images whose frames are cycled through.
        plan: How much is measured, and how.
    """
    turns: dict[str, list[Turn]] = {artifact.name: [] for artifact in artifacts}
    errors: dict[str, str] = {}
    order: list[tuple[str, ...]] = []
    meter, dice, is_first = find_meter(), random.Random(plan.seed), True
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        pixels = Path(folder) / "frames.npz"
        frames = {f"frame_{i}": image.frame() for i, image in enumerate(images)}
        np.savez(pixels, pixel_sizes_mm=np.array([image.pixel_size_mm for image in images]), **frames)
        for turn in range(plan.rounds):
            todo = [artifact for artifact in artifacts if artifact.name not in errors]
            if plan.shuffled:
                dice.shuffle(todo)
            order.append(tuple(artifact.name for artifact in todo))
            for artifact in todo:
                if not is_first:
                    time.sleep(plan.cooldown_s)
                is_first = False
                try:
                    found = _measure(artifact, pixels, plan, None if isinstance(meter, str) else meter)
                except FetalHeadError as error:
                    errors[artifact.name] = artifact.describe_error(error)
                    say(f"  error: {artifact.name}: {error}")
                    continue
                turns[artifact.name].append(found)
                p50 = float(np.median(found.total_ms))
                say(f"  round {turn + 1}/{plan.rounds}  {artifact.name:<32} p50 {p50:8.2f} ms")
    by_name = {name: errors.get(name) or pool(of, meter, plan.timeline) for name, of in turns.items()}
    return Speeds(by_name, tuple(order))


def _measure(artifact: Artifact, pixels: Path, plan: Plan, meter: Meter | None) -> Turn:
    """One round of one artifact.

    Raises:
        FetalHeadError: The process ended badly, hung, or said nothing.
    """
    samples = pixels.with_name("samples.f32")
    arguments = {"frames": plan.frames, "seconds": plan.seconds, "warmup": plan.warmup, "threads": plan.threads}
    command = [sys.executable, "-m", "benchmarks.suite.worker", str(artifact.path), str(pixels), str(samples)]
    command += [f"--{name}={value}" for name, value in arguments.items()]
    search = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    limit_s = plan.seconds + HANGS_S
    with Watch(meter, states=plan.timeline) as watch:
        command.append(f"--spawned={time.monotonic()!r}")
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=limit_s, env={**os.environ, "PYTHONPATH": search}
            )
        except subprocess.TimeoutExpired as error:
            raise FetalHeadError(f"{artifact.path} was not done after {limit_s:g} s.") from error
    if done.returncode != 0:
        raise FetalHeadError(_why(done))
    try:
        timed = from_json(Timed, json.loads(done.stdout.splitlines()[-1]), artifact.path)
        times = np.fromfile(samples, np.float32).reshape(-1, 1 + len(STEPS))
    except (OSError, ValueError, IndexError) as error:
        raise FetalHeadError(f"{artifact.path}: the measuring process printed no result.") from error
    return Turn(timed, times[:, 0], times[:, 1:], watch.readings)


def _why(done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed: its error message, else how it ended and its last line."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    messages = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if messages:
        return messages[-1]
    return f"the measuring process {ending_text(done.returncode)}" + (f": {lines[-1]}" if lines else "") + "."
