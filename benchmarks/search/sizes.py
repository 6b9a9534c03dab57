"""The shipped sizes against their goals: speed, accuracy on exams that nobody trained on, size, and what int8 costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import text_table
from benchmarks.search.latency import LatencyDocument, Speed, read_latency
from benchmarks.suite.document import Result, SuiteDocument
from edge_runtime.errors import UsageError

RECIPE = "full_int8"

MEASURED = RESULTS / "shipped-avx512-vnni-grouped.json"
"""The committed result of the shipped sizes."""

SPEEDS = RESULTS / "sizes"
"""The committed speeds, one file for each kind of CPU."""

FAST = "vnni"
"""In the name of the int8 instructions that the goals of speed are set for."""


@dataclass(frozen=True)
class Goal:
    """What a size should reach.

    Attributes:
        strategy: Its name.
        times_faster: Than the paper's network in full int8, at least, on a CPU with :data:`FAST` instructions.
        dice: Mean Dice of the images, 0 to 1, at least.
        adf_mm: Mean absolute difference of the circumference in mm, at most.
        megabytes: Size of the file in MB, at most.
    """

    strategy: str
    times_faster: float
    dice: float
    adf_mm: float
    megabytes: float


GOALS = (
    Goal("edge-s", 24, 0.976, 1.9, 0.7),
    Goal("edge-m", 16, 0.979, 1.65, 1.0),
    Goal("edge-l", 8, 0.982, 1.5, 2.6),
)
MOST_POINTS, MOST_SHIFT_MM, PARTITIONS = 0.02, 0.1, 1
"""What full int8 may cost in points of Dice and shift the circumference by in mm, and the parts of its graph."""


@dataclass(frozen=True)
class Figure:
    """One figure of one size.

    Attributes:
        title: Its name with the unit.
        value: As text.
        goal: The goal as text; empty if there is none.
        met: Whether the value reaches it, or there is no goal.
    """

    title: str
    value: str
    goal: str
    met: bool


def figures(goal: Goal, speeds: Mapping[str, Speed], result: Result) -> list[Figure]:
    """The figures of one size.

    Args:
        goal: Its goals.
        speeds: Its speed, by the int8 instructions of the CPU.
        result: Its result.

    Raises:
        UsageError: The result lacks scores, or a comparison with float32.
    """
    accuracy, cost = result.accuracy, result.degradation
    if accuracy is None or cost is None or result.size_bytes is None:
        why = result.error or result.degradation_reason or "no scores"
        raise UsageError(f"{result.artifact} was not measured in full ({why}). Measure again: python -m benchmarks run")
    points = max(0.0, -(cost.dice_difference_points.mean or 0.0))
    return [
        *(_faster(goal, instructions, speed) for instructions, speed in speeds.items()),
        _least("Dice (%)", 100 * (accuracy.dice.mean or 0.0), 100 * goal.dice, "{:.2f}", "{:.1f}"),
        _most("ADF (mm)", accuracy.hc_absolute_difference_mm.mean, goal.adf_mm, "{:.2f}"),
        _most("MB", result.size_bytes / 1e6, goal.megabytes, "{:.2f}"),
        _most("int8 costs (points)", points, MOST_POINTS, "{:.3f}"),
        _most("int8 shifts HC (mm)", cost.hc_absolute_shift_mm.mean, MOST_SHIFT_MM, "{:.3f}"),
        _most("partitions", max(speed.partitions for speed in speeds.values()), PARTITIONS, "{:d}"),
    ]


def _faster(goal: Goal, instructions: str, speed: Speed) -> Figure:
    title = f"times faster, {instructions}"
    if FAST in instructions:
        return _least(title, speed.times_faster, goal.times_faster, "{:.1f}", "{:g}")
    return Figure(title, f"{speed.times_faster:.1f}", "", True)


def _least(title: str, value: float, goal: float, shown: str, goal_shown: str) -> Figure:
    return Figure(title, shown.format(value), f"at least {goal_shown.format(goal)}", value >= goal)


def _most(title: str, value: float | None, goal: float, shown: str) -> Figure:
    if value is None:
        return Figure(title, "none", f"at most {goal:g}", False)
    return Figure(title, shown.format(value), f"at most {goal:g}", value <= goal)


def load_sizes() -> list[LatencyDocument]:
    """The committed speeds.

    Raises:
        ModelError: A file is not such a document.
    """
    return [read_latency(path) for path in sorted(SPEEDS.glob("*.json"))]


def instructions_of(latency: LatencyDocument) -> str:
    """The fastest int8 instructions of the CPU that the speeds were measured on."""
    return (latency.device.int8_instructions or ("none",))[-1]


def judged(document: SuiteDocument, latencies: Sequence[LatencyDocument]) -> dict[str, list[Figure]]:
    """The figures of each size, by its name.

    Args:
        document: Their results.
        latencies: Their speeds, one document for each kind of CPU.

    Raises:
        UsageError: One of the sizes is missing in a document, or there are no speeds.
    """
    if not latencies:
        raise UsageError("No speeds of the sizes were measured. Measure them with: python -m benchmarks sizes --time")
    speeds = {instructions_of(latency): latency.by_name() for latency in latencies}
    results = {r.strategy: r for r in document.results if r.recipe == RECIPE}
    return {g.strategy: _row(g, speeds, results) for g in GOALS}


def table(document: SuiteDocument, latencies: Sequence[LatencyDocument]) -> str:
    """All sizes with their goals, and what is missed, for a terminal.

    Arguments and errors are those of :func:`judged`.
    """
    rows = judged(document, latencies)
    first = next(iter(rows.values()))
    body, missed = [], []
    for name, row in rows.items():
        body.append([name, *(figure.value if figure.met else f"{figure.value} !" for figure in row)])
        body.append(["", *(figure.goal for figure in row)])
        missed += [f"{name}: {f.title} {f.value}, goal {f.goal}" for f in row if not f.met]
    lines = [
        text_table(["network", *(figure.title for figure in first)], body),
        how(document, latencies),
        *(["! goals that are missed:", *(f"  {text}" for text in missed)] if missed else ["All goals are met."]),
    ]
    return "\n".join(lines)


def how(document: SuiteDocument, latencies: Sequence[LatencyDocument]) -> str:
    """How the figures were measured."""
    conditions = document.conditions
    cpus = ", ".join(f"{latency.device.cpu} ({instructions_of(latency)})" for latency in latencies)
    text = (
        f"{conditions.n_images} images of {conditions.data}, test part of the split {conditions.split}; full int8; "
        f"times faster than the paper's network in full int8, on one thread of {cpus}."
    )
    if any(FAST in instructions_of(latency) for latency in latencies):
        return text
    return f"{text} The goals of speed are for a CPU with {FAST.upper()}, and none was measured."


def _row(goal: Goal, speeds: Mapping[str, Mapping[str, Speed]], results: Mapping[str | None, Result]) -> list[Figure]:
    if not all(goal.strategy in of for of in speeds.values()):
        raise UsageError(
            f"{goal.strategy} is not among the speeds. Measure them with: python -m benchmarks sizes --time"
        )
    if goal.strategy not in results:
        raise UsageError(f"{goal.strategy} is not among the results. Measure it with: python -m benchmarks run")
    return figures(goal, {name: of[goal.strategy] for name, of in speeds.items()}, results[goal.strategy])
