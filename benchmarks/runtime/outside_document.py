"""The document of ``python -m benchmarks outside``, its table and its goals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.common.goals import Goal, goals_text
from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from benchmarks.common.scores import Summary
from benchmarks.common.tables import Columns, cells, number, text_table
from benchmarks.runtime.outside_kinds import Meaning
from edge_runtime.common.cli import printable
from edge_runtime.quality.limits import EVEN_TRUST

SCHEMA_VERSION = 1

LEAST_DICE = 0.9
"""Dice from which an outline counts as right: two careful people differ by less."""

TRUNKS_AND_LABOUR = ("fetal_abdomen", "fetal_thorax", "intrapartum")
"""Folders of the frames most like a head that can be measured: round trunks, and heads during labour."""

MAX_TRUNKS, MAX_TRUSTED, MAX_ORGANS, MIN_RIGHT = 0.03, 0.0, 0.002, 0.95
"""The goals, as shares."""

_NONE = "-"


@dataclass(frozen=True)
class KindFound:
    """What was found in the frames of one kind.

    Attributes:
        name: The kind: its folder's path below the one that was measured.
        meaning: ``heads`` that are to be measured, ``not heads`` (no head that can be measured), or ``unknown``.
        n_frames: Frames that could be read.
        n_unread: Files that could not.
        n_unused_masks: Masks that could not be used as references.
        n_shown: Frames with a circumference; without pixel sizes, those with an ellipse.
        n_trusted: Those of them with a trust above 0.5. None if the artifact has no limits of its own.
        n_references: Frames with a reference, shown or not.
        n_right: Shown frames whose mask has a Dice of at least :data:`LEAST_DICE` with the reference.
        dice: Dice over the shown frames with a reference, 0 to 1.
        hc_percent: Measured circumference minus that of the reference's ellipse, in % of the latter, over the same.
        hc_absolute_percent: Its absolute value.
        reasons: Refused frames by the reason given, without its figures.
    """

    name: str
    meaning: Meaning
    n_frames: int
    n_unread: int
    n_unused_masks: int
    n_shown: int
    n_trusted: int | None
    n_references: int
    n_right: int
    dice: Summary
    hc_percent: Summary
    hc_absolute_percent: Summary
    reasons: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class OutsideDocument(Measured):
    """A result file. It holds no name of a frame.

    Attributes:
        artifact: Name of the artifact.
        model_sha256: SHA-256 of the .tflite file.
        has_pixel_sizes: Whether frames were measured in mm; without, no limit in mm could refuse one.
        most_frames: Most frames of a kind that were measured. None for all.
        kinds: What was found, by kind.
    """

    artifact: str
    model_sha256: str
    has_pixel_sizes: bool
    most_frames: int | None
    kinds: tuple[KindFound, ...]


def read_outside(path: Path) -> OutsideDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, OutsideDocument, SCHEMA_VERSION, "python -m benchmarks outside")


def _shown(kind: KindFound) -> str:
    return f"{kind.n_shown} ({kind.n_shown / kind.n_frames:.1%})" if kind.n_frames else _NONE


def _with_dice(fill: Callable[[KindFound], str]) -> Callable[[KindFound], str]:
    """A cell that says something only of kinds with a frame to compare."""
    return lambda kind: fill(kind) if kind.dice.n else _NONE


COLUMNS: Columns[KindFound] = (
    ("kind", lambda kind: printable(kind.name)),
    ("frames", lambda kind: str(kind.n_frames)),
    ("shown", _shown),
    (f"trust > {EVEN_TRUST:g}", lambda kind: _NONE if kind.n_trusted is None else str(kind.n_trusted)),
    ("outline right", _with_dice(lambda kind: f"{kind.n_right} of {kind.dice.n}")),
    ("median Dice", _with_dice(lambda kind: number(kind.dice.median, 3))),
    ("HC difference (%), median", _with_dice(lambda kind: number(kind.hc_percent.median, 1, sign=True))),
    ("absolute, 95th percentile", _with_dice(lambda kind: number(kind.hc_absolute_percent.p95, 1))),
)
"""The table of kinds. What stands right of the trust is of shown frames with a reference."""


class _Asked(NamedTuple):
    """A goal before it is measured: which kinds it is about, and what is counted of how many."""

    name: str
    asked: float
    at_most: bool
    belongs: Callable[[KindFound], bool]
    hits: Callable[[KindFound], int]
    of: Callable[[KindFound], int]


def _is_trunk(kind: KindFound) -> bool:
    return kind.meaning == "not heads" and kind.name.split("/")[-1] in TRUNKS_AND_LABOUR


_ASKED = (
    _Asked(
        "fetal trunks and labour measured", MAX_TRUNKS, True, _is_trunk,
        lambda kind: kind.n_shown, lambda kind: kind.n_frames,
    ),
    _Asked(
        f"fetal trunks and labour measured with trust above {EVEN_TRUST:g}", MAX_TRUSTED, True,
        lambda kind: _is_trunk(kind) and kind.n_trusted is not None,
        lambda kind: kind.n_trusted or 0, lambda kind: kind.n_frames,
    ),
    _Asked(
        "other organs measured", MAX_ORGANS, True, lambda kind: kind.meaning == "not heads" and not _is_trunk(kind),
        lambda kind: kind.n_shown, lambda kind: kind.n_frames,
    ),
    _Asked(
        "heads measured with the outline right", MIN_RIGHT, False, lambda kind: kind.meaning == "heads",
        lambda kind: kind.n_right, lambda kind: kind.n_references,
    ),
)  # fmt: skip


def goals(kinds: Sequence[KindFound]) -> tuple[list[Goal], list[str]]:
    """The goals that could be measured, and the names of those without frames or, where they ask for it, without trust.

    Only heads with a reference count, and a refused head counts as one that is not right.
    """
    measured, without = [], []
    for goal in _ASKED:
        about = [kind for kind in kinds if goal.belongs(kind)]
        hits, total = sum(map(goal.hits, about)), sum(map(goal.of, about))
        if total == 0:
            without.append(goal.name)
            continue
        measured.append(Goal(goal.name, goal.asked, hits / total, goal.at_most, f"{hits} of {total}"))
    return measured, without


def reasons(kinds: Sequence[KindFound]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: how often each reason of refusal was given, by kind."""
    rows = [[printable(kind.name), reason, str(n)] for kind in kinds for reason, n in kind.reasons.items()]
    return ["kind", "refused because", "frames"], rows


def table(kinds: Sequence[KindFound]) -> str:
    """Kinds, goals and reasons for a terminal."""
    measured, without = goals(kinds)
    parts = [text_table(*cells(kinds, COLUMNS)), goals_text(measured)]
    if without:
        parts.append(f"not measured, without such frames or without trust: {'; '.join(without)}")
    _, rows = reasons(kinds)
    if rows:
        named = [[f"{kind}: {reason}", n] for kind, reason, n in rows]
        parts.append(text_table(["refused because", "frames"], named))
    return "\n\n".join(part for part in parts if part)
