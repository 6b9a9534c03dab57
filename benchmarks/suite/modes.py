"""The modes of ``python -m benchmarks run``: how much is measured, and what a result must have to be official."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge_runtime.errors import UsageError

Mode = Literal["quick", "official", "sustained"]

OFFICIAL_FRAMES, OFFICIAL_SECONDS = 1024, 60.0
"""Of an official result: frames and seconds that were timed of each artifact, at least, as in MLPerf."""

STABLE = 0.05
"""Rounds of one artifact may be this far apart, largest over smallest median. A rerun is a round in a new process."""

SUSTAINED_MINUTES = 10


@dataclass(frozen=True)
class Plan:
    """How much is measured, and how.

    Attributes:
        mode: Its name.
        rounds: Rounds over all artifacts; of each artifact in a fresh process.
        frames: Frames that are timed in a round, at least.
        seconds: Time that they take, at least.
        warmup: Frames before them, not timed.
        cooldown_s: Pause before each artifact but the first, in s.
        shuffled: Whether each round has its own random order of artifacts.
        seed: Of these orders.
        timeline: Whether latency, clock and temperature are kept over time.
        threads: CPU threads.
    """

    mode: Mode
    rounds: int
    frames: int
    seconds: float
    warmup: int
    cooldown_s: float
    shuffled: bool
    timeline: bool = False
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.frames < 2 or self.warmup < 0 or self.seconds < 0 or self.cooldown_s < 0:
            raise UsageError(
                f"rounds is {self.rounds}, frames {self.frames}, warmup {self.warmup}, seconds {self.seconds:g} and "
                f"cooldown {self.cooldown_s:g}; they must be at least 1, 2, 0, 0 and 0."
            )


MODES: Mapping[Mode, Plan] = {
    "quick": Plan("quick", rounds=2, frames=50, seconds=0, warmup=5, cooldown_s=0, shuffled=False),
    # five rounds, because an interval over fewer is very wide; each takes its fifth of 1,024 frames and of 60 s
    "official": Plan("official", rounds=5, frames=205, seconds=12, warmup=20, cooldown_s=10, shuffled=True),
    "sustained": Plan(
        "sustained",
        rounds=1,
        frames=2,
        seconds=60 * SUSTAINED_MINUTES,
        warmup=5,
        cooldown_s=60,
        shuffled=False,
        timeline=True,
    ),
}
"""What each mode does unless the call says otherwise."""


def shortfall(frames: int, seconds: float, rounds: int, plan: Plan) -> str | None:
    """What an artifact's measurement lacks to be official; None if nothing.

    Args:
        frames: That were timed in all rounds.
        seconds: That they took.
        rounds: That were done.
        plan: What was wanted: its warm-up and its pauses.
    """
    lacks = [] if rounds > 1 else ["one round alone"]
    lacks += ["no warm-up"] if plan.warmup == 0 else []
    lacks += ["no pause before it"] if plan.cooldown_s == 0 else []
    if frames < OFFICIAL_FRAMES:
        lacks.append(f"{frames:,} of {OFFICIAL_FRAMES:,} frames")
    if seconds < OFFICIAL_SECONDS:
        lacks.append(f"{seconds:.1f} of {OFFICIAL_SECONDS:.0f} s")
    return " and ".join(lacks) or None
