"""How long an export takes, and how much memory all its processes hold."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from edge_runtime.artifact.manifest import load_manifest
from edge_runtime.common.cli import ending_text
from edge_runtime.errors import FetalHeadError

SCHEMA_VERSION = 1
GOAL_S, GOAL_MB = 45.0, 4000.0
"""Most seconds and megabytes that all recipes of one checkpoint may take."""

INTERVAL_S = 0.1
"""Time between two looks at the memory."""


@dataclass(frozen=True)
class Cost:
    """What one export took.

    Attributes:
        checkpoint: The checkpoint's folder.
        size: (height, width) of the network's input, in pixels.
        seconds: From the start of the command to its end.
        peak_mb: Most memory of the command and all its processes, shared pages counted once; 1 MB is 1e6 bytes.
        again_s: Seconds of the same command a second time, when there is nothing to do.
    """

    checkpoint: str
    size: tuple[int, int]
    seconds: float
    peak_mb: float
    again_s: float

    @property
    def meets_goal(self) -> bool:
        """Whether time and memory are within the goals."""
        return self.seconds <= GOAL_S and self.peak_mb <= GOAL_MB


@dataclass(frozen=True, kw_only=True)
class ExportCostDocument(Measured):
    """The cost of several exports.

    Attributes:
        data: Title of the data set.
        costs: One for each checkpoint.
    """

    data: str
    costs: tuple[Cost, ...]


def read_export_cost(path: Path) -> ExportCostDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, ExportCostDocument, SCHEMA_VERSION, "python -m benchmarks export-cost")


def measure(checkpoint: Path, data: str) -> Cost:
    """Export a checkpoint in all recipes into a temporary folder, twice.

    Args:
        checkpoint: Its folder.
        data: As for ``--data``.

    Raises:
        FetalHeadError: The export failed.
    """
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as out:
        command = [sys.executable, "-m", "export", "--checkpoint", str(checkpoint), "--data", data, "--out", out]
        seconds, peak = _watch(command)
        manifest = load_manifest(next(Path(out).rglob("*.tflite")))
        again, _ = _watch(command)
    return Cost(str(checkpoint), manifest.size, seconds, peak, again)


def line(cost: Cost) -> str:
    """The cost of one export, for a terminal."""
    verdict = "met" if cost.meets_goal else "MISSED"
    return (
        f"{cost.checkpoint}: {cost.seconds:.1f} s and {cost.peak_mb:.0f} MB "
        f"(goal: at most {GOAL_S:g} s and {GOAL_MB:g} MB, {verdict}); "
        f"a second time, with nothing to do: {cost.again_s:.1f} s"
    )


def _watch(command: list[str]) -> tuple[float, float]:
    """Run a command; its seconds, and the most MB its processes held."""
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
    """A process and all that it started."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        for path in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            try:
                todo += map(int, path.read_text().split())
            except OSError:  # the process has ended
                continue
    return found


def _memory_mb(pid: int) -> float:
    """Proportional set size: of a page that several processes share, each counts its part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # the process has ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6
