"""Cells that several tables of training results share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.tables import interval, number, pick
from benchmarks.study.paper import TABLE

Document = Mapping[str, Any]
"""A training result."""

OWN = ("Dice an image (%)", "worst (%)", "ADF (mm)", "DF (mm)", "refused")


def own(run: Document) -> list[str]:
    """Our scores of a run on its split's test part, as :data:`OWN` names them."""
    scores = run["metrics"][run["data"]["split"]]
    return [
        interval(scores["dice"], 2, 100),
        number(pick(scores, "dice", "min"), 2, 100),
        interval(scores["hc_absolute_difference_mm"], 2),
        number(pick(scores, "hc_difference_mm", "mean"), 2, sign=True),
        str(scores["n_hc_refused"]),
    ]


def pooled_dice(run: Document) -> float:
    """Dice in percent, pooled as in the paper."""
    return 100.0 * float(run["metrics"]["paper_pooled"]["paper_dice"])


def paper_order(names: Sequence[str]) -> list[str]:
    """Strategies in the order of the paper's Dice, those it lacks first."""
    return sorted(names, key=lambda s: -TABLE[s].dice[0] if s in TABLE else -1000)
