"""What the runtime costs around the network, and what a fresh process costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.runtime.overhead_document import AROUND, FRAME_SIZE, FreshStep, Overhead
from edge_runtime.artifact.manifest import Manifest, load_manifest, read_model
from edge_runtime.artifact.network import Network
from edge_runtime.common.cli import ending_text
from edge_runtime.common.record import from_json
from edge_runtime.errors import FetalHeadError
from edge_runtime.frame.preprocess import prepare
from edge_runtime.frame.resize import resize
from edge_runtime.quality.limits import Limits, read_limits
from edge_runtime.stages import run_stages
from train.data.hc18 import find_local, read_dataset
from train.data.phantom import make_phantom
from train.strategies import PAPER_DECODER, STRATEGIES

PAPERS = ("full_int8", (256, 256))
"""Recipe and size of the paper's network. Its weights change nothing here, so those of any strategy will do."""

_ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 300


@dataclass(frozen=True)
class Subject:
    """An artifact to measure.

    Attributes:
        path: The .tflite file.
        network: The loaded network, on one thread.
        manifest: Its manifest.
        logits: float32 (h, w) for each frame, to go on with after the network: the shipped model's, at this one's size.
        limits: The shipped model's, so that the cost is that of a trained network.
    """

    path: Path
    network: Network
    manifest: Manifest
    logits: list[NDArray[np.float32]]
    limits: Limits | None

    @property
    def is_papers(self) -> bool:
        """Whether this is the paper's network."""
        strategy = STRATEGIES.get(self.manifest.strategy)
        same = strategy and (strategy.architecture, strategy.decoder_channels) == ("mobilenet_v2-unet", PAPER_DECODER)
        return bool(same) and (self.manifest.recipe, self.manifest.size) == PAPERS


def load(path: Path) -> tuple[Network, Manifest]:
    """Load a model for one thread."""
    manifest = load_manifest(path)
    return Network(read_model(path, manifest), manifest), manifest


def make_subjects(
    loaded: Sequence[tuple[Path, Network, Manifest]], frames: Sequence[NDArray[np.uint8]]
) -> list[Subject]:
    """Prepare artifacts, the shipped model first.

    All of them go on with the shipped model's logits after their own network, because a network with untrained weights
    finds no head, and the cost of a head's outline is part of the question.
    """
    _, shipped, manifest = loaded[0]
    logits = [
        shipped(prepare(frame, manifest.size, rule=manifest.preprocessing.resize_rule).image).copy() for frame in frames
    ]
    limits = read_limits(manifest.quality)
    return [
        Subject(path, network, own, [resize(x, own.output_size) for x in logits], limits)
        for path, network, own in loaded
    ]


def find_frames(data: str | None, count: int) -> tuple[str, list[NDArray[np.uint8]]]:
    """Frames of 800x540 pixels, and the title of their source: HC18, spread over the set, or phantoms without it."""
    place = None if data == "phantom" else Path(data) if data else find_local()
    if place is None:
        return "phantom", [make_phantom(seed)[0] for seed in range(count)]
    dataset = read_dataset(place)
    samples = list(dataset.samples.values())
    every = samples[:: max(1, len(samples) // (4 * count))]
    frames = [frame for sample in every if (frame := sample.frame()).shape == FRAME_SIZE]
    return dataset.title, frames[:count]


def measure(
    subjects: Sequence[Subject], frames: Sequence[NDArray[np.uint8]], rounds: int, processes: int
) -> tuple[Overhead, ...]:
    """Time every artifact in turns, frame by frame, then in fresh processes.

    Args:
        subjects: The shipped model first.
        frames: uint8 (H, W).
        rounds: Frames that each artifact is timed on.
        processes: Fresh processes of each artifact.

    Raises:
        FetalHeadError: A fresh process failed.
    """
    spent: list[list[dict[str, float]]] = [[] for _ in subjects]
    masks: list[list[float]] = [[] for _ in subjects]
    for turn in range(-2, rounds):  # two to warm up
        for subject, row, drawn in zip(subjects, spent, masks, strict=True):
            k = turn % len(frames)
            stages = run_stages(
                subject.network, subject.manifest, frames[k], (0.1, 0.1), subject.limits, answer=subject.logits[k]
            )
            started = time.perf_counter()
            _ = stages.head.mask
            if turn >= 0:
                row.append(stages.step_ms)
                drawn.append((time.perf_counter() - started) * 1e3)
    fresh = measure_fresh([subject.path for subject in subjects], frames[0], processes)
    return tuple(sum_up(*each) for each in zip(subjects, spent, masks, fresh, strict=True))


def sum_up(
    subject: Subject, spent: Sequence[Mapping[str, float]], masks: Sequence[float], fresh: dict[str, FreshStep]
) -> Overhead:
    """An artifact's medians over its rounds, with the steps of its fresh processes."""
    around = [sum(times[step] for step in AROUND) for times in spent]
    return Overhead(
        artifact=subject.manifest.name,
        model_sha256=subject.manifest.model_sha256,
        input_size=subject.manifest.size,
        is_the_papers_network=subject.is_papers,
        step_ms={step: float(np.median([times[step] for times in spent])) for step in AROUND},
        invoke_ms=float(np.median([times["invoke"] for times in spent])),
        around_ms=float(np.median(around)),
        around_p90_ms=float(np.percentile(around, 90)),
        around_min_ms=min(around),
        fresh=fresh,
        start_ms=start_ms(fresh),
        peak_memory_bytes=max(step.peak for step in fresh.values()),
        mask_ms=float(np.median(masks)),
    )


_BEFORE_US = ("python", "frame read", "second result")
"""Steps of a fresh process that are not the runtime's import, load or first result."""


def start_ms(steps: Mapping[str, FreshStep]) -> float:
    """Time of the imports, the load and the first result, without the start of Python itself, in ms."""
    return sum(step.ms for name, step in steps.items() if name not in _BEFORE_US)


def measure_fresh(paths: Sequence[Path], frame: NDArray[np.uint8], processes: int) -> list[dict[str, FreshStep]]:
    """Start fresh processes for each artifact, in turns; medians of each step.

    Raises:
        FetalHeadError: A process failed.
    """
    runs: list[list[dict[str, FreshStep]]] = [[] for _ in paths]
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        pixels = Path(folder) / "frame.bin"
        pixels.write_bytes(frame.tobytes())
        _fresh(paths[0].resolve(), pixels, frame.shape)  # compiles our modules, as those of an installed wheel are
        for _ in range(processes):
            for path, row in zip(paths, runs, strict=True):
                row.append(_fresh(path.resolve(), pixels, frame.shape))

    def median(row: Sequence[dict[str, FreshStep]], step: str) -> FreshStep:
        of = [run[step] for run in row]
        return FreshStep(
            *(float(np.median(values)) for values in zip(*((s.ms, s.cpu_ms, s.now, s.peak) for s in of), strict=True))
        )

    return [{step: median(row, step) for step in row[0]} for row in runs]


def _fresh(path: Path, pixels: Path, shape: tuple[int, ...]) -> dict[str, FreshStep]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    program = str(_ROOT / "benchmarks" / "runtime" / "fresh.py")
    call = [sys.executable, program, str(path), str(pixels), *map(str, shape), str(time.monotonic())]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:]
        raise FetalHeadError(": ".join([f"{path.name}: the fresh process {ending_text(done.returncode)}", *said]))
    steps = json.loads(done.stdout)
    return {name: from_json(FreshStep, values, "fresh.py") for name, values in steps.items()}
