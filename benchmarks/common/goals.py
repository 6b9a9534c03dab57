"""Goals on shares of frames and on mm, met or missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A goal.

    Attributes:
        name: What it asks.
        asked: What it asks for: a share, 0 to 1, or in ``unit``.
        value: What was measured, the same.
        at_most: Whether less is better.
        detail: The figures behind it.
        unit: Of both; % for shares.
    """

    name: str
    asked: float
    value: float
    at_most: bool
    detail: str
    unit: str = "%"

    @property
    def met(self) -> bool:
        """Whether it is met."""
        return self.value <= self.asked if self.at_most else self.value >= self.asked

    @property
    def limit(self) -> str:
        """What it asks for, in words."""
        return f"{'at most' if self.at_most else 'at least'} {self._said(self.asked, 'g')}"

    @property
    def measured(self) -> str:
        """What was measured, in words."""
        return self._said(self.value, ".1f" if self.unit == "%" and self.value >= 0.01 else ".2f")

    def _said(self, value: float, form: str) -> str:
        return f"{100 * value:{form}}%" if self.unit == "%" else f"{value:{form}} {self.unit}"

    @property
    def verdict(self) -> str:
        """Met or missed; capitals make a missed one stand out."""
        return "met" if self.met else "MISSED"


def goals_text(goals: Sequence[Goal]) -> str:
    """Goals for a terminal, a line each."""
    width = max((len(goal.name) for goal in goals), default=0)
    return "\n".join(f"{g.name:<{width}} {g.measured:>8}  goal: {g.limit}, {g.verdict} ({g.detail})" for g in goals)
