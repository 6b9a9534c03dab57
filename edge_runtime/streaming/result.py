"""What a stream gives to a screen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import FetalHeadError
from edge_runtime.measurement import Measurement
from edge_runtime.streaming.summary import Summary


@dataclass(frozen=True)
class Counts:
    """What has happened to a stream's frames so far.

    Apart from at most one frame that is waiting, received = dropped + failed + accepted + refused.

    Attributes:
        received: Frames that the source gave.
        dropped: Frames replaced by a newer one before they were measured.
        failed: Frames that were not valid, or whose measurement raised an error.
        accepted: Frames with a head circumference.
        refused: Frames that were measured, but have no head circumference.
        late: Failed, accepted and refused frames that were done after the deadline.
        stalls: How often no frame arrived for ``stall_s``.
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
    """What the screen should show now: the result of one frame, or that no frame arrives.

    Attributes:
        head_circumference_mm: The number that may be shown as the current one. None if the frame was refused, failed or
            was late, or if no frame arrived.
        reason: Why there is no number. None if there is one.
        sequence: The frame's number among all received, from 1. If ``stalled``, the number of the last frame, or 0
            before the first.
        arrived_s: When the frame arrived, on the clock of the stream's ``now_s()``. None if ``stalled``.
        age_ms: Time from the frame's arrival to this result. If ``stalled``, time since the last arrival or since the
            stream's start.
        frame: uint8, read-only: the frame that was measured. Draw the outline on this frame only. None if ``stalled``
            or if the frame was not valid.
        measurement: The frame's full result, even if it is late. None if ``stalled`` or failed.
        error: Why the frame could not be measured, else None.
        late: Whether ``age_ms`` is above the deadline.
        stalled: Whether no frame arrived for ``stall_s``. If so, take the number off the screen.
        summary: Summary of the last seconds. None if there were too few frames.
        counts: Counts of the whole stream.
        tag: What the source tagged the frame with (:class:`edge_runtime.Frame`). None if ``stalled``.
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
    tag: object = None

    def figures(self, begun_s: float) -> dict[str, Any]:
        """What programs are told of it, ready for JSON.

        Args:
            begun_s: When the stream began, on the stream's clock.
        """
        measurement = self.measurement
        return {
            "head_circumference_mm": self.head_circumference_mm,
            "reason": self.reason,
            "interval_mm": measurement and measurement.interval_mm and list(measurement.interval_mm),
            "caution": measurement and measurement.caution,
            "arrived_s": None if self.arrived_s is None else self.arrived_s - begun_s,
            "age_ms": self.age_ms,
            "late": self.late,
            "stalled": self.stalled,
            "failed": self.error is not None,
            "measured_mm": measurement.head_circumference_mm if measurement else None,
            "latency_ms": measurement.latency_ms.total if measurement else None,
            "summary": self.summary and asdict(self.summary),
            "counts": asdict(self.counts),
        }


@dataclass(frozen=True)
class BestFrame:
    """The frame to freeze. Its circumference belongs to this picture, however old it is.

    Attributes:
        sequence: The frame's number among all received, from 1.
        arrived_s: When it arrived, on the clock of the stream's ``now_s()``.
        frame: uint8, read-only.
        measurement: Its result, with a head circumference.
    """

    sequence: int
    arrived_s: float
    frame: NDArray[np.uint8]
    measurement: Measurement
