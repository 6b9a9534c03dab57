"""Goals on shares of frames, met or missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A goal.

    Attributes:
        name: What it asks.
        asked: The share it asks for, 0 to 1.
        value: The share that was measured.
        at_most: Whether less is better.
        detail: The figures behind it.
    """

    name: str
    asked: float
    value: float
    at_most: bool
    detail: str

    @property
    def met(self) -> bool:
        """Whether it is met."""
        return self.value <= self.asked if self.at_most else self.value >= self.asked

    @property
    def limit(self) -> str:
        """What it asks for, in words."""
        return f"{'at most' if self.at_most else 'at least'} {100 * self.asked:g}%"

    @property
    def verdict(self) -> str:
        """Met or missed; capitals make a missed one stand out."""
        return "met" if self.met else "MISSED"


def goals_text(goals: Sequence[Goal]) -> str:
    """Goals for a terminal, a line each."""
    width = max((len(goal.name) for goal in goals), default=0)
    return "\n".join(f"{g.name:<{width}} {g.value:>7.1%}  goal: {g.limit}, {g.verdict} ({g.detail})" for g in goals)
