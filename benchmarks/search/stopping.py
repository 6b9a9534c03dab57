"""Whether trainings of a search could be stopped early: what their training losses say about the networks' accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.tables import text_table
from benchmarks.search.trial import TrialResult
from edge_runtime.common.cli import counted
from edge_runtime.errors import UsageError

SHARES = (1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6)
"""Of a training's epochs, after which it could be stopped."""

BEST = 5
"""Networks that a search must not lose."""

LEAST = 2 * BEST
"""Fewer trainings say nothing."""

HEADER = (
    "after epoch",
    "rank correlation with ADF",
    "with Dice",
    "epochs saved (%)",
    f"lost of the best {BEST} by ADF",
    "by Dice",
)


def stopping_table(results: Sequence[TrialResult]) -> str:
    """What the median rule would have saved and lost: a training ends if its loss is above the median of all.

    That is the rule of Golovin et al., "Google Vizier" (2017), and one rung of successive halving (ASHA). Here the
    trainings are those that were completed, so it is known what each would have become.

    Args:
        results: Trials. Those without losses, or of another number of epochs than most, are left out.

    Raises:
        UsageError: Too few have losses.
    """
    known = [(r, np.array(r.losses)) for r in results if r.losses]
    lengths = [len(losses) for _, losses in known]
    usual = max(set(lengths), key=lengths.count) if lengths else 0
    known = [(r, losses) for r, losses in known if len(losses) == usual]
    if len(known) < LEAST:
        raise UsageError(
            f"{counted(len(known), 'result')} with losses, at least {LEAST} are needed. Train more points."
        )
    adf = np.array([r.float32.adf_mm for r, _ in known])
    dice = np.array([r.float32.mean_dice for r, _ in known])
    rows = []
    for epoch in dict.fromkeys(max(1, round(share * usual)) for share in SHARES):
        if epoch == usual:
            continue
        losses = np.array([losses[epoch - 1] for _, losses in known])
        stopped = losses > np.median(losses)
        saved = stopped.mean() * (usual - epoch) / usual
        lost = [int(stopped[np.argsort(worse)[:BEST]].sum()) for worse in (adf, -dice)]
        rows.append(
            [
                str(epoch),
                *(f"{rank_correlation(losses, worse):.2f}" for worse in (adf, -dice)),
                f"{100 * saved:.0f}",
                *map(str, lost),
            ]
        )
    last = np.array([losses[-1] for _, losses in known])
    rows.append(
        [f"{usual}, the last", *(f"{rank_correlation(last, worse):.2f}" for worse in (adf, -dice)), "0", "0", "0"]
    )
    return (
        f"{text_table(list(HEADER), rows)}\n{len(known)} trainings of {usual} epochs, float32 scores. A correlation of "
        "1: the lower a network's loss is then, the better it is in the end."
    )


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's rank correlation of two (N,) arrays without ties, -1 to 1."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
