"""``python -m benchmarks export-cost``: how long an export takes, and how much memory all its processes hold."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_runtime.artifact.manifest import load_manifest
from edge_runtime.common.arguments import add_data, add_out, checked_out
from edge_runtime.common.cli import ending_text, say
from edge_runtime.common.files import write_json
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import FetalHeadError
from export.commands.arguments import check_checkpoint
from train.data.hc18 import find_data

SCHEMA_VERSION = 1
GOAL_S, GOAL_MB = 45.0, 4000.0
"""For all recipes of one checkpoint."""
INTERVAL_S = 0.1


@dataclass(frozen=True)
class Cost:
    """What one export took.

    Attributes:
        checkpoint: Its folder.
        size: (h, w) of the network's input in pixels.
        seconds: From the start of the command to its end.
        peak_mb: Largest memory of the command and all it started, shared pages counted once; 1 MB is 1e6 bytes.
        again_s: Seconds of the same command a second time, when nothing is to be done.
    """

    checkpoint: str
    size: tuple[int, int]
    seconds: float
    peak_mb: float
    again_s: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "checkpoints", nargs="*", type=Path, default=[Path("checkpoints/edge")], metavar="DIR",
        help="each exported alone (default: checkpoints/edge)",
    )  # fmt: skip
    add_data(parser)
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Export checkpoints in all recipes as ``make export`` does, and take the time and the memory (Linux alone)."""
    checked_out(args.out, args.overwrite)
    for folder in args.checkpoints:
        check_checkpoint(folder)
    dataset = find_data(args.data)
    costs = [measure(folder, str(dataset.root)) for folder in args.checkpoints]
    if args.out:
        document: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "data": dataset.title,
            "costs": [asdict(cost) for cost in costs],
            "device": fingerprint(),
            "git_commit": git_commit(),
            "tools": tool_versions(("torch", "tensorflow", "onnx2tf", "ai-edge-litert")),
        }
        write_json(args.out, document)
        say(f"written: {args.out}")
    return 0


def measure(checkpoint: Path, data: str) -> Cost:
    """Export a checkpoint into a folder that is thrown away.

    Raises:
        FetalHeadError: The export failed.
    """
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as out:
        command = [sys.executable, "-m", "export", "--checkpoint", str(checkpoint), "--data", data, "--out", out]
        seconds, peak = _watch(command)
        manifest = load_manifest(next(Path(out).rglob("*.tflite")))
        again, _ = _watch(command)
    size = manifest.size
    cost = Cost(str(checkpoint), size, seconds, peak, again)
    verdict = "met" if seconds <= GOAL_S and peak <= GOAL_MB else "MISSED"
    say(
        f"{checkpoint}: {seconds:.1f} s and {peak:.0f} MB (goal: {GOAL_S:g} s and {GOAL_MB:g} MB, {verdict}); "
        f"a second time, with nothing to do: {again:.1f} s"
    )
    return cost


def _watch(command: list[str]) -> tuple[float, float]:
    """Seconds and MB of a command."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        printed: list[str] = []
        reader = threading.Thread(target=lambda: printed.extend(process.stdout or ()))
        reader.start()
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, sum(map(_memory_mb, _family(process.pid))))
            time.sleep(INTERVAL_S)
        seconds = time.monotonic() - started
        reader.join()
    if process.returncode:
        raise FetalHeadError(f"{' '.join(command[1:])} {ending_text(process.returncode)}:\n{''.join(printed)}")
    return seconds, peak


def _family(pid: int) -> list[int]:
    """A process and all it started."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        for path in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            try:
                todo += map(int, path.read_text().split())
            except OSError:  # it ended
                continue
    return found


def _memory_mb(pid: int) -> float:
    """Proportional set size: pages that several processes share count for each with their part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6
