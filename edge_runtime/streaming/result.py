"""What a stream tells its screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import FetalHeadError
from edge_runtime.measurement import Measurement
from edge_runtime.streaming.summary import Summary


@dataclass(frozen=True)
class Counts:
    """What became of a stream's frames so far: received = dropped + failed + accepted + refused, and one that waits.

    Attributes:
        received: Given by the source.
        dropped: Replaced by a newer frame before they were measured.
        failed: No frame, or an error while it was measured.
        accepted: With a head circumference.
        refused: Measured, and no head circumference given.
        late: Of those failed, accepted and refused, how many were done after the deadline.
        stalls: How often no frame came for ``stall_s``.
    """

    received: int = 0
    dropped: int = 0
    failed: int = 0
    accepted: int = 0
    refused: int = 0
    late: int = 0
    stalls: int = 0


@dataclass(frozen=True)
class StreamResult:
    """What the screen is to show now: one frame's result, or that no frame comes.

    Attributes:
        head_circumference_mm: The number that may be shown as the present one; None where the frame was refused, failed
            or late, or where none came.
        reason: Why there is no number, else None.
        sequence: The frame's number among all received, from 1; of the last one where ``stalled``, 0 before the first.
        arrived_s: When the frame arrived, by the stream's ``now_s()``; None where ``stalled``.
        age_ms: From its arrival to this result; where ``stalled``, from the last arrival or the stream's start.
        frame: uint8, read-only, what was measured: draw the outline on this and no other; None where ``stalled`` or
            where there is no frame.
        measurement: All that the frame gave, late or not; None where ``stalled`` or failed.
        error: Why the frame could not be measured, else None.
        late: ``age_ms`` is above the deadline.
        stalled: No frame came for ``stall_s``: take the number off the screen.
        summary: Of the last seconds; None where they hold too little.
        counts: Of the whole stream.
    """

    head_circumference_mm: float | None
    reason: str | None
    sequence: int
    arrived_s: float | None
    age_ms: float
    frame: NDArray[np.uint8] | None
    measurement: Measurement | None
    error: FetalHeadError | None
    late: bool
    stalled: bool
    summary: Summary | None
    counts: Counts


@dataclass(frozen=True)
class BestFrame:
    """The frame to freeze. Its number belongs to this picture, however old it is.

    Attributes:
        sequence: Its number among all received, from 1.
        arrived_s: When it arrived, by the stream's ``now_s()``.
        frame: uint8, read-only.
        measurement: With a head circumference.
    """

    sequence: int
    arrived_s: float
    frame: NDArray[np.uint8]
    measurement: Measurement
