"""``python -m benchmarks overhead``: what the runtime costs around the network, and what a fresh process costs."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import Manifest, load_manifest, read_model
from edge_runtime.artifact.network import Network
from edge_runtime.common.arguments import add_data, add_out, at_least, checked_out
from edge_runtime.common.cli import ending_text, say
from edge_runtime.common.files import write_json
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.frame.preprocess import prepare
from edge_runtime.frame.resize import resize
from edge_runtime.quality.limits import Limits, read_limits
from edge_runtime.segmenter import DEFAULT_MODEL
from edge_runtime.stages import STEPS, run_stages
from train.data.hc18 import find_local, read_dataset
from train.data.phantom import make_phantom
from train.strategies import PAPER_DECODER, STRATEGIES

SCHEMA_VERSION = 1
FRAME_SIZE = (540, 800)
AROUND = tuple(step for step in STEPS if step != "invoke")
"""The steps around the network."""

PAPERS = ("full_int8", (256, 256))
"""Recipe and size of the paper's network; its weights change nothing here, so any strategy's will do."""

MAX_AROUND_MS = 1.5
MAX_SHARE_OF_PAPERS = 0.15
MAX_START_MS = 300.0
MAX_PEAK_BYTES = 80e6

_ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 300
_BEFORE_US = ("python", "frame read", "second result")
"""Steps of a fresh process that are not the runtime's import, load or first result."""


@dataclass(frozen=True)
class Subject:
    """An artifact that is measured.

    Attributes:
        path: The .tflite file.
        network: Loaded, one thread.
        manifest: Of it.
        logits: float32 (h, w) of each frame for what comes after the network: the shipped model's, at this one's size.
        limits: The shipped model's: what a trained network's would cost.
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


def find_frames(data: str | None, count: int) -> tuple[str, list[NDArray[np.uint8]]]:
    """Frames of 540x800: HC18's where it is at hand, spread over the set, else phantoms; and which they are."""
    place = None if data == "phantom" else Path(data) if data else find_local()
    if place is None:
        return "phantom", [make_phantom(seed)[0] for seed in range(count)]
    dataset = read_dataset(place)
    samples = list(dataset.samples.values())
    every = samples[:: max(1, len(samples) // (4 * count))]
    frames = [frame for sample in every if (frame := sample.frame()).shape == FRAME_SIZE]
    return dataset.title, frames[:count]


def measure_steps(
    subjects: Sequence[Subject], frames: Sequence[NDArray[np.uint8]], rounds: int
) -> list[dict[str, Any]]:
    """Time every artifact in turns, frame by frame.

    Returns:
        A row an artifact: median ms of each step, of the network and of all around it, and the latter's 90th
        percentile and minimum.
    """
    spent: list[list[dict[str, float]]] = [[] for _ in subjects]
    for turn in range(-2, rounds):  # two to warm up
        for subject, row in zip(subjects, spent, strict=True):
            k = turn % len(frames)
            stages = run_stages(
                subject.network, subject.manifest, frames[k], (0.1, 0.1), subject.limits, answer=subject.logits[k]
            )
            if turn >= 0:
                row.append(stages.step_ms)
    out = []
    for subject, row in zip(subjects, spent, strict=True):
        around = [sum(times[step] for step in AROUND) for times in row]
        out.append(
            {
                "artifact": subject.manifest.name,
                "model_sha256": subject.manifest.model_sha256,
                "input_size": list(subject.manifest.size),
                "is_the_papers_network": subject.is_papers,
                "step_ms": {step: float(np.median([times[step] for times in row])) for step in AROUND},
                "invoke_ms": float(np.median([times["invoke"] for times in row])),
                "around_ms": float(np.median(around)),
                "around_p90_ms": float(np.percentile(around, 90)),
                "around_min_ms": min(around),
            }
        )
    return out


def measure_fresh(paths: Sequence[Path], frame: NDArray[np.uint8], processes: int) -> list[dict[str, dict[str, float]]]:
    """Start a fresh process a round and artifact, in turns; medians of each step's times and memory.

    Raises:
        FetalHeadError: A process failed.
    """
    runs: list[list[dict[str, dict[str, float]]]] = [[] for _ in paths]
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        pixels = Path(folder) / "frame.bin"
        pixels.write_bytes(frame.tobytes())
        _fresh(paths[0].resolve(), pixels, frame.shape)  # compiles our modules, as an installed wheel's are
        for _ in range(processes):
            for path, row in zip(paths, runs, strict=True):
                row.append(_fresh(path.resolve(), pixels, frame.shape))
    return [
        {
            step: {key: float(np.median([run[step][key] for run in row])) for key in values}
            for step, values in row[0].items()
        }
        for row in runs
    ]


def _fresh(path: Path, pixels: Path, shape: tuple[int, ...]) -> dict[str, dict[str, float]]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    call = [
        sys.executable,
        str(_ROOT / "benchmarks" / "runtime" / "fresh.py"),
        str(path),
        str(pixels),
        *map(str, shape),
    ]
    done = subprocess.run(
        [*call, str(time.monotonic())], env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:]
        raise FetalHeadError(": ".join([f"{path.name}: the fresh process {ending_text(done.returncode)}", *said]))
    steps: dict[str, dict[str, float]] = json.loads(done.stdout)
    return steps


def start_ms(steps: dict[str, dict[str, float]]) -> float:
    """Importing, loading and the first result, without the start of Python itself, in ms."""
    return sum(values["ms"] for step, values in steps.items() if step not in _BEFORE_US)


def goals(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The issue's goals against the rows: name, most allowed, value, met; the first row is the shipped model's."""
    papers = [row for row in rows if row["is_the_papers_network"]]
    found = [("around the shipped network, ms", MAX_AROUND_MS, rows[0]["around_ms"])]
    for row in papers:
        share = row["around_ms"] / row["invoke_ms"]
        found.append(("around the paper's network, share of its invoke", MAX_SHARE_OF_PAPERS, share))
    for row in rows:
        found.append((f"imports, load and first result of {row['artifact']}, ms", MAX_START_MS, row["start_ms"]))
    for row in [rows[0], *papers]:
        peak = row["peak_memory_bytes"] / 1e6
        found.append((f"peak memory of {row['artifact']}, MB", MAX_PEAK_BYTES / 1e6, peak))
    return [{"goal": name, "at_most": most, "value": value, "met": value <= most} for name, most, value in found]


def table(rows: Sequence[dict[str, Any]], verdicts: Sequence[dict[str, Any]]) -> str:
    """What was measured, and the goals met or missed."""
    lines = [f"{'ms, medians':<24}" + "".join(f"{step:>9}" for step in (*AROUND, "around", "invoke", "share"))]
    for row in rows:
        cells = "".join(f"{row['step_ms'][step]:>9.3f}" for step in AROUND)
        share = row["around_ms"] / row["invoke_ms"]
        lines.append(f"{row['artifact']:<24}{cells}{row['around_ms']:>9.3f}{row['invoke_ms']:>9.2f}{share:>9.1%}")
    for row in rows:
        lines.append(f"\n{row['artifact']} in a fresh process{'ms':>12}{'CPU ms':>9}{'MB':>8}{'peak MB':>9}")
        for step, values in row["fresh"].items():
            memory = f"{values['now'] / 1e6:>8.1f}{values['peak'] / 1e6:>9.1f}"
            lines.append(f"  {step:<{len(row['artifact']) + 20}}{values['ms']:>10.1f}{values['cpu_ms']:>9.1f}{memory}")
    lines.append("")
    for verdict in verdicts:
        word = "met" if verdict["met"] else "MISSED"
        lines.append(f"goal: {verdict['goal']}, at most {verdict['at_most']:g}: {verdict['value']:.3g}, {word}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("models", nargs="*", type=Path, metavar="FILE.tflite", help="others beside the shipped model")
    add_data(parser)
    parser.add_argument(
        "--frames", type=at_least(1), default=8, metavar="N", help="frames of 800x540; default: %(default)s"
    )
    parser.add_argument(
        "--rounds", type=at_least(1), default=100, metavar="N", help="of each model; default: %(default)s"
    )
    parser.add_argument(
        "--processes", type=at_least(1), default=7, metavar="N", help="fresh ones, each; default: %(default)s"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Time what the runtime does around the network, step by step, and a fresh process from import to result.

    The shipped model first, then those given, in turns frame by frame on one thread. After the network all take the
    shipped model's logits, resized to their own size: a network with untrained weights finds no head, and what a head's
    outline costs is asked here.
    """
    checked_out(args.out, args.overwrite)
    loaded = [(path, *load(path)) for path in [DEFAULT_MODEL, *args.models]]
    title, frames = find_frames(args.data, args.frames)
    if not frames:
        raise UsageError(f"--data {args.data}: no frame of 800x540 pixels is in it.")
    logits = [loaded[0][1](prepare(frame, loaded[0][2].size)).copy() for frame in frames]
    limits = read_limits(loaded[0][2].quality)
    subjects = [
        Subject(path, network, manifest, [resize(x, manifest.input.shape[1:3]) for x in logits], limits)
        for path, network, manifest in loaded
    ]
    rows = measure_steps(subjects, frames, args.rounds)
    fresh = measure_fresh([subject.path for subject in subjects], frames[0], args.processes)
    for row, steps in zip(rows, fresh, strict=True):
        peak = max(values["peak"] for values in steps.values())
        row |= {"fresh": steps, "start_ms": start_ms(steps), "peak_memory_bytes": peak}
    verdicts = goals(rows)
    say(f"{len(frames)} frames of {title}, {args.rounds} rounds\n{table(rows, verdicts)}")
    if args.out:
        document = {
            "schema_version": SCHEMA_VERSION,
            "frames": {"source": title, "count": len(frames), "size": list(FRAME_SIZE)},
            "rounds": args.rounds,
            "processes": args.processes,
            "threads": 1,
            "artifacts": rows,
            "goals": verdicts,
            "device": fingerprint(),
            "git_commit": git_commit(),
            "tools": tool_versions(("ai-edge-litert", "numpy")),
        }
        write_json(args.out, document)
        say(f"written: {args.out}")
    return 0
