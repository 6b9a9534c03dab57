"""The document of ``python -m benchmarks overhead``, and its goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from edge_runtime.common.record import LEFT_OUT
from edge_runtime.stages import STEPS

SCHEMA_VERSION = 1
FRAME_SIZE = (540, 800)
"""(height, width) of the frames, in pixels."""

AROUND = tuple(step for step in STEPS if step != "invoke")
"""The steps around the network."""

MAX_TIMES_INVOKE = 1.6
"""Frame to circumference over the network alone, of the shipped model. The paper's network has a stricter one."""
MAX_TIMES_PAPERS = 1.15
MAX_STEP_MS = 0.2
MAX_START_MS = 90.0
MAX_PEAK_BYTES = 70e6


@dataclass(frozen=True)
class FreshStep:
    """A step of a fresh process; medians over processes.

    Attributes:
        ms: Wall-clock time in ms.
        cpu_ms: CPU time in ms.
        now: Resident memory after the step, in bytes.
        peak: Peak resident memory so far, in bytes.
    """

    ms: float
    cpu_ms: float
    now: float
    peak: float


@dataclass(frozen=True)
class Overhead:
    """What one artifact takes; medians over rounds.

    Attributes:
        artifact: Its name.
        model_sha256: SHA-256 of the .tflite file.
        input_size: (height, width) of the network's input, in pixels.
        is_the_papers_network: Whether it is the paper's network, in full int8 and at the size the goals are for.
        step_ms: Time of each step around the network, in ms, by name; see :data:`edge_runtime.stages.STEPS`.
        invoke_ms: Time of the network, in ms.
        around_ms: Time of all steps around it, in ms.
        around_p90_ms: Its 90th percentile, in ms.
        around_min_ms: Its minimum, in ms.
        fresh: Steps of a fresh process in their order, by name.
        start_ms: Time of the imports, the load and the first result, in ms.
        peak_memory_bytes: Peak resident memory of a fresh process, in bytes.
        mask_ms: Time of the mask at the frame's size, in ms. It is computed only when it is asked for; older results
            have it as a step.
    """

    artifact: str
    model_sha256: str
    input_size: tuple[int, int]
    is_the_papers_network: bool
    step_ms: dict[str, float]
    invoke_ms: float
    around_ms: float
    around_p90_ms: float
    around_min_ms: float
    fresh: dict[str, FreshStep]
    start_ms: float
    peak_memory_bytes: float
    mask_ms: float | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Goal:
    """A goal.

    Attributes:
        goal: What it is about, with the unit.
        at_most: Largest value that meets it.
        value: What was measured.
        met: Whether it is met.
    """

    goal: str
    at_most: float
    value: float
    met: bool


@dataclass(frozen=True)
class Frames:
    """The frames.

    Attributes:
        source: Title of the data set, or ``phantom``.
        count: How many.
        size: (height, width) in pixels.
    """

    source: str
    count: int
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class OverheadDocument(Measured):
    """The shipped model, and others beside it.

    Attributes:
        frames: The frames it was measured on.
        rounds: Frames that each artifact was timed on.
        processes: Fresh processes of each artifact.
        artifacts: One for each artifact, the shipped model first.
        goals: The goals, met or missed.
    """

    frames: Frames
    rounds: int
    processes: int
    artifacts: tuple[Overhead, ...]
    goals: tuple[Goal, ...]


def read_overhead(path: Path) -> OverheadDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, OverheadDocument, SCHEMA_VERSION, "python -m benchmarks overhead")


def goals(artifacts: Sequence[Overhead]) -> tuple[Goal, ...]:
    """The goals, for artifacts of which the first is the shipped model."""
    shipped = artifacts[0]
    found = [(f"frame to circumference over the network, {shipped.artifact}", MAX_TIMES_INVOKE, _times(shipped))]
    for step, ms in shipped.step_ms.items():
        found.append((f"{step} of {shipped.artifact}, ms", MAX_STEP_MS, ms))
    found.append((f"imports, load and first result of {shipped.artifact}, ms", MAX_START_MS, shipped.start_ms))
    found.append((f"peak memory of {shipped.artifact}, MB", MAX_PEAK_BYTES / 1e6, shipped.peak_memory_bytes / 1e6))
    for a in artifacts:
        if a.is_the_papers_network:
            found.append(("frame to circumference over the network, the paper's", MAX_TIMES_PAPERS, _times(a)))
    return tuple(Goal(name, most, value, value <= most) for name, most, value in found)


def _times(artifact: Overhead) -> float:
    return (artifact.invoke_ms + artifact.around_ms) / artifact.invoke_ms


def table(artifacts: Sequence[Overhead], verdicts: Sequence[Goal]) -> str:
    """What was measured, and the goals met or missed, for a terminal."""
    columns = (*AROUND, "around", "invoke", "share", "mask")
    lines = [f"{'median time in ms':<24}" + "".join(f"{step:>9}" for step in columns)]
    for a in artifacts:
        cells = "".join(f"{a.step_ms[step]:>9.3f}" for step in AROUND)
        whole = f"{a.around_ms:>9.3f}{a.invoke_ms:>9.2f}{a.around_ms / a.invoke_ms:>9.1%}"
        lines.append(f"{a.artifact:<24}{cells}{whole}{a.mask_ms or 0:>9.3f}")
    for a in artifacts:
        lines.append(f"\n{a.artifact} in a fresh process{'ms':>12}{'CPU ms':>9}{'MB':>8}{'peak MB':>9}")
        for name, step in a.fresh.items():
            memory = f"{step.now / 1e6:>8.1f}{step.peak / 1e6:>9.1f}"
            lines.append(f"  {name:<{len(a.artifact) + 20}}{step.ms:>10.1f}{step.cpu_ms:>9.1f}{memory}")
    lines.append("")
    for goal in verdicts:
        verdict = "met" if goal.met else "MISSED"
        lines.append(f"goal: {goal.goal}, at most {goal.at_most:g}: {goal.value:.3g}, {verdict}")
    return "\n".join(lines)
