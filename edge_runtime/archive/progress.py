"""How far an archive is, how fast, and how long it will take."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_runtime.archive.worker import Report


@dataclass
class Progress:
    """Counts of images.

    Attributes:
        total: Those of the archive.
        done: Those whose rows are written.
        seen: Those that this call did.
        measured: Those of them that have a circumference.
        unread: Those of them that cannot be read or measured.
        began_s: When the first part of this call was begun, in seconds since the epoch.
        ended_s: When the last one was done.
    """

    total: int
    done: int
    seen: int = 0
    measured: int = 0
    unread: int = 0
    began_s: float = math.inf
    ended_s: float = 0.0

    def add(self, report: Report) -> None:
        """Count a part."""
        self.done += report.images
        self.seen += report.images
        self.measured += report.measured
        self.unread += report.unread
        self.began_s, self.ended_s = min(self.began_s, report.began_s), max(self.ended_s, report.ended_s)

    def figures(self) -> dict[str, int | float | None]:
        """Images, those done, images per second of this call and seconds left; None before the first part is done."""
        rate = self.frames_per_s
        return {
            "of": self.total,
            "done": self.done,
            "frames_per_s": rate,
            "left_s": None if rate is None else (self.total - self.done) / rate,
        }

    @property
    def frames_per_s(self) -> float | None:
        """Images per second of this call, from the begin of its first part to the end of its last."""
        return self.seen / (self.ended_s - self.began_s) if self.seen and self.ended_s > self.began_s else None
