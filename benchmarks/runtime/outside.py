"""What an artifact shows and refuses of any frames, by kind, and how right its outlines are where there are masks."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.reasons import kind_of_reason
from benchmarks.common.scores import summary_of
from benchmarks.runtime.outside_document import LEAST_DICE, KindFound
from benchmarks.runtime.outside_kinds import Kind, Meaning, Reference, read_reference
from edge_runtime.common.cli import clock, counted, printable, say
from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.pixel_sizes import PixelSize
from edge_runtime.measurement import Measurement
from edge_runtime.metrics import overlap
from edge_runtime.quality.limits import EVEN_TRUST
from edge_runtime.segmenter import Segmenter

SAY_EVERY_S = 10.0

Draw = Callable[[NDArray[np.uint8], Measurement, NDArray[np.bool_] | None], bytes]
"""Draws a frame, its measurement and the reference mask, bool (H, W), if there is one."""


@dataclass(frozen=True)
class Seen:
    """One frame, and what the artifact made of it.

    Attributes:
        name: The file's name.
        reason: Why it was refused. None if it was shown.
        trust: The measurement's trust, 0 to 1. None if the artifact has no limits of its own.
        wrong: It was shown, and is known to be wrong: it has no head that can be measured, or a Dice below
            :data:`LEAST_DICE`.
        dice: Dice of the artifact's mask and the reference, 0 to 1. None without a reference, or if it was refused.
        hc_percent: Measured circumference minus that of the reference's ellipse, in % of the latter; None as ``dice``.
        has_reference: Whether there is a reference that can be used.
        picture: What a :data:`Draw` made of it. None if nothing was drawn.
    """

    name: str
    reason: str | None
    trust: float | None
    wrong: bool
    dice: float | None
    hc_percent: float | None
    has_reference: bool
    picture: bytes | None


@dataclass(frozen=True)
class Looked:
    """The frames of one kind.

    Attributes:
        kind: The kind.
        frames: Those that could be measured or refused, by name.
        unread: Why the others could not be read, with their names.
        unused_masks: Why masks could not be used, with their names.
    """

    kind: Kind
    frames: tuple[Seen, ...]
    unread: tuple[str, ...]
    unused_masks: tuple[str, ...]


def is_shown(result: Measurement) -> bool:
    """Whether a measurement is shown: its circumference, or its ellipse where no pixel size is known."""
    return (result.ellipse if result.pixel_size_mm is None else result.head_circumference_mm) is not None


def measure(
    segmenter: Segmenter,
    kinds: Sequence[Kind],
    pixel_size: Callable[[Path], PixelSize | None],
    number: int | None = None,
    draw: Draw | None = None,
) -> list[Looked]:
    """Measure all frames. One that cannot be read is told at once, and the others are still measured.

    Args:
        segmenter: The artifact.
        kinds: The frames.
        pixel_size: From an image file to its pixel size in mm, as :meth:`Segmenter.measure` takes it.
        number: Which frame of files that hold several, from 1.
        draw: Draws each frame; None for no pictures.
    """
    total, done = sum(len(kind.frames) for kind in kinds), 0
    begun = told = time.monotonic()
    found = []
    for kind in kinds:
        frames, unread = [], []
        unused = [f"{path.name} has no frame beside it" for path in kind.lone_masks]
        for path in kind.frames:
            try:
                frame = read_image(path, number)
                result = segmenter.measure(frame, pixel_size(path))
            except (InputError, UsageError) as error:
                unread.append(_named(error, path))
                print(f"error: {printable(f'{kind.name}: {unread[-1]}')}", file=sys.stderr)
            else:
                reference = _reference(kind.masks.get(path), frame, unused)
                frames.append(_seen(path.name, kind.meaning, frame, result, reference, draw))
            done += 1
            if time.monotonic() - told > SAY_EVERY_S:
                told = time.monotonic()
                say(f"  {done} of {counted(total, 'frame')}, {clock((told - begun) / done * (total - done))} left")
        found.append(Looked(kind, tuple(frames), tuple(unread), tuple(unused)))
    return found


def _named(error: Exception, path: Path) -> str:
    """An error with the file's name once, and without its folder: the kind is told beside it."""
    text = str(error).replace(str(path), path.name)
    return text if path.name in text else f"{path.name}: {text}"


def _reference(path: Path | None, frame: NDArray[np.uint8], unused: list[str]) -> Reference | None:
    """The reference of a frame. Why it cannot be used is added to ``unused``."""
    if path is None:
        return None
    try:
        return read_reference(path, (frame.shape[0], frame.shape[1]))
    except (InputError, UsageError) as error:
        unused.append(_named(error, path))
        return None


def _seen(
    name: str,
    meaning: Meaning,
    frame: NDArray[np.uint8],
    result: Measurement,
    reference: Reference | None,
    draw: Draw | None,
) -> Seen:
    shown = is_shown(result)
    dice = overlap(result.mask, reference.mask)[0] if shown and reference else None
    return Seen(
        name=name,
        reason=None if shown else result.reason,
        trust=result.trust,
        wrong=shown and (meaning == "not heads" or (dice is not None and dice < LEAST_DICE)),
        dice=dice,
        hc_percent=_hc_percent(result, reference) if shown and reference else None,
        has_reference=reference is not None,
        picture=draw(frame, result, reference.mask if reference else None) if draw else None,
    )


def _hc_percent(result: Measurement, reference: Reference) -> float | None:
    """The circumference against that of the reference's ellipse: both in mm, or both in pixels."""
    if result.ellipse is None:
        return None
    scale = result.pixel_size_mm or (1.0, 1.0)
    measured = result.head_circumference_mm or result.ellipse.perimeter
    return 100 * (measured / reference.ellipse.scaled(*scale).perimeter - 1)


def count(looked: Looked) -> KindFound:
    """The figures of a kind, without names of files."""
    shown = [seen for seen in looked.frames if seen.reason is None]
    dice = [seen.dice for seen in shown if seen.dice is not None]
    percent = [seen.hc_percent for seen in shown if seen.hc_percent is not None]
    trusts = [seen.trust for seen in looked.frames if seen.trust is not None]
    reasons = Counter(kind_of_reason(seen.reason) for seen in looked.frames if seen.reason is not None)
    return KindFound(
        name=looked.kind.name,
        meaning=looked.kind.meaning,
        n_frames=len(looked.frames),
        n_unread=len(looked.unread),
        n_unused_masks=len(looked.unused_masks),
        n_shown=len(shown),
        n_trusted=None if len(trusts) < len(looked.frames) else sum(trust > EVEN_TRUST for trust in trusts),
        n_references=sum(seen.has_reference for seen in looked.frames),
        n_right=sum(value >= LEAST_DICE for value in dice),
        dice=summary_of(dice),
        hc_percent=summary_of(percent),
        hc_absolute_percent=summary_of([abs(value) for value in percent]),
        reasons=dict(reasons.most_common()),
    )
