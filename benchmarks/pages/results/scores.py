"""Cells and phrases that several tables of training results share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.common.render import Table, code
from benchmarks.common.tables import interval, mean, number
from benchmarks.study.findings import Finding
from benchmarks.study.paper import TABLE
from benchmarks.study.results import TrainingResult
from benchmarks.suite.columns import shipped_manifest
from edge_runtime.common.cli import counted

OWN = ("Dice per image (%)", "worst (%)", "ADF (mm)", "DF (mm)", "refused")

ALL_REFUSED = "all refused"


def own(run: TrainingResult) -> list[str]:
    """Our scores of a run on the test part of its split, as :data:`OWN` names them."""
    scores = run.scores
    return [
        interval(scores.dice, 2, 100),
        number(scores.dice.min, 2, 100),
        *(
            (ALL_REFUSED, ALL_REFUSED)
            if scores.n_hc_refused == scores.n_images
            else (interval(scores.hc_absolute_difference_mm, 2), mean(scores.hc_difference_mm, 2, sign=True))
        ),
        str(scores.n_hc_refused),
    ]


def verdicts(found: Iterable[Finding]) -> Table:
    """Claims and what became of them."""
    return Table(("claim", "verdict", "evidence"), [[f.claim, f.verdict, f.evidence] for f in found], facts=True)


def pooled_dice(run: TrainingResult) -> float:
    """Dice in percent, pooled as in the paper."""
    return 100 * run.metrics.paper_pooled.paper_dice


def joined(values: Iterable[float]) -> str:
    """Several figures in one cell."""
    return " / ".join(f"{value:.2f}" for value in values)


def goal_text(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Whether ours are at least the paper's, as a sentence."""
    reached = all(round(a, 2) >= b for a, b in zip(ours, theirs, strict=True))
    return f"The goal, to be at least equal in all three, is {'met' if reached else 'missed'}."


def paper_order(names: Sequence[str]) -> list[str]:
    """Strategies in the order of the paper's Dice, those it lacks first."""
    return sorted(names, key=paper_rank)


def paper_rank(strategy: str) -> float:
    """The key of :func:`paper_order`."""
    return -TABLE[strategy].dice[0] if strategy in TABLE else -1000


def shipped_epochs() -> int:
    """Epochs that the shipped model was trained for."""
    return int(shipped_manifest().checkpoint["config"]["epochs"])


def label(name: str, run: TrainingResult) -> str:
    """A name of a run or of its strategy; with the epochs where the shipped model has the same strategy."""
    return name + (f" ({run.config.epochs} epochs)" if run.run.strategy == shipped_manifest().strategy else "")


def label_code(name: str, run: TrainingResult) -> str:
    """:func:`label` with the name as a code span."""
    return code(name) + label(name, run).removeprefix(name)


def trained_on(runs: Iterable[TrainingResult]) -> str:
    """A sentence on the machines that runs were trained and tested on."""
    machines = {
        (f"`{run.device.type}` beside " if run.device.type != "cpu" else "")
        + f"{run.machine.cpu or 'an unknown CPU'} (`{run.machine.machine}`), "
        f"{counted(run.device.threads, 'thread')} per run"
        for run in runs
    }
    return f"Trained and tested on {'; '.join(sorted(machines))}."
