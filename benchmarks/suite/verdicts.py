"""Verdicts on the figures of two results: is one faster, or do its rounds only differ by chance?

Frames of one round are alike, so a round is one value: intervals are over rounds. Images are the same on both sides, so
their differences are taken image by image.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.common.intervals import Interval, ratio_interval
from benchmarks.suite.document import Result
from benchmarks.suite.rounds import Round
from edge_runtime.metrics import ImageScore, summarize_values
from edge_runtime.stages import STEPS

SIZE = "size (MB)"
NO_DIFFERENCE, NOT_COMPARED = "no difference shown", "not compared"

MARGIN = 0.05
"""Share by which a time, a size or a memory must differ. An official rerun may differ as much by itself."""

DICE_POINTS, HC_MM, REFUSED = 0.1, 0.1, 0.01
"""By which the means over images must differ: points of Dice, mm of the circumference's error, share refused."""


@dataclass(frozen=True)
class Verdict:
    """What two results say of one figure of one artifact.

    Attributes:
        artifact: The artifact.
        figure: The figure, with its unit.
        before: Its value in A; None where it was not measured.
        after: Its value in B; likewise.
        change: B over A, or B minus A where ``is_difference``, with its 95 % interval; no interval where not compared.
        is_difference: Whether the change is a difference.
        word: The verdict, such as ``faster``, :data:`NO_DIFFERENCE` or :data:`NOT_COMPARED`.
        reason: Why it was not compared, else None.
        decides: Whether a regression of it decides the exit code. Single steps do not, unless nothing else was timed:
            they are too many.
        is_regression: Whether B is worse.
    """

    artifact: str
    figure: str
    before: float | None
    after: float | None
    change: Interval | None
    is_difference: bool
    word: str
    reason: str | None
    decides: bool
    is_regression: bool


@dataclass(frozen=True)
class OfRounds:
    """A figure that each round has; less is better.

    Attributes:
        name: Its name, with the unit.
        value: Reads it from a round, or from a run of a tool.
        less: Word for less of it.
        more: Word for more of it.
        scale: From the round's unit to the name's.
        decides: As in :class:`Verdict`.
        of_tool: It is that of a tool that ran the network alone.
    """

    name: str
    value: Callable[[Any], float | None]
    less: str = "faster"
    more: str = "slower"
    scale: float = 1.0
    decides: bool = True
    of_tool: bool = False


def _step(step: str, one: Round) -> float | None:
    return (one.steps_p50_ms or {}).get(step)


OF_ROUNDS = (
    OfRounds("median (ms)", lambda one: one.total_p50_ms),
    OfRounds("mean (ms)", lambda one: one.total_mean_ms),
    OfRounds("99th percentile (ms)", lambda one: one.total_p99_ms),
    OfRounds("process start to first result (ms)", lambda one: one.process_start_to_first_result_ms),
    OfRounds("peak memory (MB)", lambda one: one.peak_memory_bytes, "less", "more", 1e-6),
    OfRounds("energy of a frame (J)", lambda one: one.joules_per_frame, "less", "more"),
    *(OfRounds(f"{step}, median (ms)", partial(_step, step), decides=False) for step in STEPS),
    OfRounds("network alone, mean (ms)", lambda one: one.mean_ms, of_tool=True),
    OfRounds("network alone, loading (ms)", lambda one: one.init_ms, of_tool=True),
    OfRounds("network alone, peak memory (MB)", lambda one: one.peak_memory_mb, "less", "more", of_tool=True),
)


def compare_rounds(before: Result, after: Result, margin: float, reason: str | None) -> list[Verdict]:
    """Verdicts on times, memory and energy.

    Args:
        before: The artifact in A.
        after: The artifact in B.
        margin: Share by which they must differ.
        reason: Why they cannot be compared; None if they can.
    """
    verdicts = []
    steps_alone = all(one.total_p50_ms is None for result in (before, after) for one in result.rounds or ())
    for figure in OF_ROUNDS:
        a, b = (_values(result, figure) for result in (before, after))
        if not a and not b:
            continue
        change, why = _ratio(a, b, reason or (_other_tool(before, after) if figure.of_tool else None))
        word = NOT_COMPARED if change is None else _word(change, margin, figure.less, figure.more)
        verdicts.append(
            Verdict(
                artifact=before.artifact,
                figure=figure.name,
                before=_middle(a, figure.scale),
                after=_middle(b, figure.scale),
                change=change,
                is_difference=False,
                word=word,
                reason=why,
                decides=figure.decides or steps_alone,
                is_regression=word == figure.more,
            )
        )
    return verdicts


def _other_tool(before: Result, after: Result) -> str | None:
    """Why the runs of a tool cannot be compared; None if they can, or if one is missing."""
    tools = {result.network_only.tool_sha256 for result in (before, after) if result.network_only}
    return "another build of the tool" if len(tools) > 1 else None


def _ratio(a: Sequence[float], b: Sequence[float], reason: str | None) -> tuple[Interval | None, str | None]:
    """The ratio of two figures, without an interval where they cannot be compared, and why."""
    if not a or not b:
        return None, f"not measured in {'B' if a else 'A'}"
    change = ratio_interval(a, b)
    if reason is None and change.low is None:
        reason = "one round, so its noise is unknown"
    return (Interval(change.value, None, None) if reason else change), reason


def compare_size(before: Result, after: Result, margin: float) -> list[Verdict]:
    """The verdict on the file's size, which has no noise."""
    if not before.size_bytes or not after.size_bytes:
        return []
    a, b = before.size_bytes, after.size_bytes
    change = Interval(b / a, b / a, b / a)
    word = "the same" if a == b else _word(change, margin, "smaller", "larger")
    return [Verdict(before.artifact, SIZE, a / 1e6, b / 1e6, change, False, word, None, True, word == "larger")]


def compare_images(before: Result, after: Result, reason: str | None) -> list[Verdict]:
    """Verdicts on Dice, the circumference's error and refusals, image by image.

    Args:
        before: The artifact in A.
        after: The artifact in B.
        reason: Why they cannot be compared; None if they can.
    """
    a, b = ({score.image: score for score in result.images} for result in (before, after))
    if not a and not b:
        return []
    if not reason and a.keys() != b.keys():
        reason = "other images" if a and b else f"not measured in {'B' if a else 'A'}"
    pairs = [] if reason else [(a[name], b[name]) for name in sorted(a)]
    kinds: tuple[tuple[str, Callable[[ImageScore], float | None], float, bool], ...] = (
        ("Dice (points)", lambda score: 100 * score.dice, DICE_POINTS, False),
        ("error of HC (mm)", _hc_error, HC_MM, True),
        ("refused (share)", lambda score: float(score.hc_difference_mm is None), REFUSED, True),
    )
    return [
        _of_images(before.artifact, name, value, (list(a.values()), list(b.values())), pairs, least, reason, less)
        for name, value, least, less in kinds
    ]


def _hc_error(score: ImageScore) -> float | None:
    return None if score.hc_difference_mm is None else abs(score.hc_difference_mm)


def _of_images(
    artifact: str,
    figure: str,
    value: Callable[[ImageScore], float | None],
    both: tuple[Sequence[ImageScore], Sequence[ImageScore]],
    pairs: Sequence[tuple[ImageScore, ImageScore]],
    least: float,
    reason: str | None,
    less_is_better: bool,
) -> Verdict:
    """The verdict on one figure that each image has."""
    found = [[v for score in scores if (v := value(score)) is not None] for scores in both]
    before, after = (sum(values) / len(values) if values else None for values in found)
    known = [(value(a), value(b)) for a, b in pairs]
    differences = [b - a for a, b in known if a is not None and b is not None]
    if not reason and not differences:
        reason = "no image has it in both"
    change, word = None, NOT_COMPARED
    if not reason:
        summary = summarize_values(differences)
        change = Interval(*(float(summary[key] or 0.0) for key in ("mean", "ci95_low", "ci95_high")))
        word = "the same" if not any(differences) else _word_of(change, least, less_is_better)
    return Verdict(artifact, figure, before, after, change, True, word, reason, True, word == "worse")


def _word(ratio: Interval, margin: float, less: str, more: str) -> str:
    """The verdict on a ratio: its interval must leave 1 out, and it must differ from 1 by the margin."""
    if ratio.low is None or ratio.high is None:
        return NOT_COMPARED
    if ratio.low > 1 and ratio.value >= 1 + margin:
        return more
    if ratio.high < 1 and ratio.value <= 1 / (1 + margin):
        return less
    return NO_DIFFERENCE


def _word_of(difference: Interval, least: float, less_is_better: bool) -> str:
    """The verdict on a difference: its interval must leave 0 out, and it must be large enough to matter."""
    if difference.low is None or difference.high is None:
        return NOT_COMPARED
    if abs(difference.value) < least or difference.low <= 0 <= difference.high:
        return NO_DIFFERENCE
    return "better" if (difference.value < 0) == less_is_better else "worse"


def _values(result: Result, figure: OfRounds) -> list[float]:
    """A figure of all rounds; empty where a round lacks it or it is 0."""
    runs = result.network_only.runs if result.network_only else ()
    values = [figure.value(one) for one in (runs if figure.of_tool else result.rounds or ())]
    return [float(value) for value in values if value] if all(values) else []


def _middle(values: Sequence[float], scale: float) -> float | None:
    """What is shown of rounds: their geometric mean, of which the change is the ratio."""
    return statistics.geometric_mean(values) * scale if values else None
