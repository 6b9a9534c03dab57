"""What the training runs show: paired differences, the paper's claims, and what the flaws of its protocol are worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

from benchmarks.common.scores import Summary, summary_of
from benchmarks.common.tables import NOT_MEASURED, interval
from benchmarks.study.paper import CLAIMED_FEWER_PARAMETERS, TABLE
from benchmarks.study.results import TrainingResult
from train.protocols import PAPER_FIRST

Runs = TypeVar("Runs")

Documents = Mapping[str, TrainingResult]
"""Training results by name of the run."""

NO_LOSS = 0.1
"""Points of Dice; a smaller loss counts as none."""

WORKS = 0.9
"""Pooled Dice above which a run counts for what the flaws of the protocol are worth."""


@dataclass(frozen=True)
class Finding:
    """A claim and what became of it.

    Attributes:
        claim: In words.
        verdict: ``confirmed``, ``refuted``, ``refuted in part``, ``not decided`` (the interval decides nothing) or
            :data:`.NOT_MEASURED`.
        evidence: The figures.
    """

    claim: str
    verdict: str
    evidence: str


def dice_of(document: TrainingResult) -> dict[str, float]:
    """Dice of each test image in percent, at its original resolution, by file name."""
    return {score.image: 100 * score.dice for score in document.per_image}


def difference(a: TrainingResult, b: TrainingResult) -> Summary:
    """Dice of ``a`` minus that of ``b`` in points, image by image, over the images that both were tested on."""
    first, second = dice_of(a), dice_of(b)
    return summary_of([first[name] - second[name] for name in sorted(first.keys() & second.keys())])


def verdict(summary: Summary, margin: float = 0.0) -> str:
    """What an interval says about the claim that the mean is above 0, or at most ``margin`` below it."""
    if summary.ci95_low is None or summary.ci95_high is None:
        return NOT_MEASURED
    if summary.ci95_low > -margin:
        return "confirmed"
    return "refuted" if summary.ci95_high < -margin else "not decided"


def points(summary: Summary) -> str:
    """A difference in points, with its interval and number of images."""
    return f"{interval(summary, 2, sign=True)} points over {summary.n} images"


def arithmetic(*runs: TrainingResult) -> str:
    """A remark if runs that are compared did not compute alike; else nothing."""
    kinds = list(dict.fromkeys(run.config.precision for run in runs))
    return f" ({' against '.join(kinds)})" if len(kinds) > 1 else ""


def claims(documents: Documents) -> list[Finding]:
    """The paper's claims and our control, each held against the runs in the paper's setting."""
    return [
        _best(documents),
        order({s: documents[_named(s)] for s in TABLE if _named(s) in documents}, difference),
        _fewer_parameters(documents),
        _pretraining(documents),
        _full(documents),
    ]


def _named(strategy: str, size: int = 256) -> str:
    return f"{strategy}-{PAPER_FIRST}" + ("" if size == 256 else f"-{size}")


def _best(documents: Documents) -> Finding:
    claim = "`decoder-all` is the best of the strategies"
    ours = documents.get(_named("decoder-all"))
    others = {s: documents[_named(s)] for s in TABLE if s != "decoder-all" and _named(s) in documents}
    if ours is None or not others:
        return Finding(claim, NOT_MEASURED, "")
    differences = {strategy: difference(ours, other) for strategy, other in others.items()}
    closest = min(differences, key=lambda s: differences[s].mean or 0.0)
    text = f"`decoder-all` minus `{closest}`, the best of the {len(others)} others: {points(differences[closest])}"
    text += arithmetic(ours, others[closest])
    return Finding(claim, verdict(differences[closest]), text)


def order(found: Mapping[str, Runs], apart: Callable[[Runs, Runs], Summary]) -> Finding:
    """Whether the strategies stand as in the paper's table.

    Args:
        found: What was trained of each strategy of the table.
        apart: Returns by how much the first is better than the second, in points of Dice.
    """
    claim = "the order of the strategies is that of the paper's table"
    present = [s for s in TABLE if s in found]
    if len(present) < 3:
        return Finding(claim, NOT_MEASURED, "")
    swapped, clear = [], 0
    for a, b in combinations(sorted(present, key=lambda s: -TABLE[s].dice[0]), 2):
        says = verdict(apart(found[a], found[b]))
        clear += says in ("confirmed", "refuted")
        if says == "refuted":
            swapped.append(f"`{b}` is above `{a}`")
    pairs = len(present) * (len(present) - 1) // 2
    text = f"{clear} of the {pairs} pairs of {len(present)} strategies have an interval without 0; " + (
        f"in the opposite order: {', '.join(swapped)}" if swapped else "all of them are in the paper's order"
    )
    return Finding(claim, "refuted in part" if swapped else "confirmed" if clear == pairs else "not decided", text)


def _fewer_parameters(documents: Documents) -> Finding:
    claim = f"`decoder-all` loses nothing against the plain U-Net with {CLAIMED_FEWER_PARAMETERS}% fewer parameters"
    ours, theirs = documents.get(_named("decoder-all", 128)), documents.get(_named("unet-scratch", 128))
    if ours is None or theirs is None:
        return Finding(claim, NOT_MEASURED, "")
    summary = difference(ours, theirs)
    share = 1 - ours.trainable_parameters / theirs.trainable_parameters
    text = f"`decoder-all` minus `unet-scratch`, both at {size_text(ours)}, {100 * share:.1f}% fewer: {points(summary)}"
    text += arithmetic(ours, theirs)
    return Finding(claim, verdict(summary, NO_LOSS), text)


def _pretraining(documents: Documents) -> Finding:
    claim = "freezing the encoder works because of its ImageNet weights"
    ours, random = documents.get(_named("decoder-all")), documents.get(_named("decoder-all-random"))
    if ours is None or random is None:
        return Finding(claim, NOT_MEASURED, "")
    summary = difference(ours, random)
    text = f"`decoder-all` minus `decoder-all-random`: {points(summary)}{arithmetic(ours, random)}"
    return Finding(claim, verdict(summary), text)


def _full(documents: Documents) -> Finding:
    claim = "freezing the encoder loses nothing against training everything (our control, not in the paper)"
    ours, full = documents.get(_named("decoder-all")), documents.get(_named("full"))
    if ours is None or full is None:
        return Finding(claim, NOT_MEASURED, "")
    summary = difference(ours, full)
    text = f"`decoder-all` minus `full`: {points(summary)}{arithmetic(ours, full)}"
    return Finding(claim, verdict(summary, NO_LOSS), text)


def size_text(document: TrainingResult) -> str:
    """Size of a network's input: ``256x256``."""
    return "{}x{}".format(*document.run.image_size)


def flaws(documents: Documents) -> list[tuple[str, str, str]]:
    """What each flaw of the paper's protocol is worth, averaged over the runs with a pooled Dice above :data:`WORKS`.

    Args:
        documents: Training results.

    Returns:
        The flaw, the runs it was measured on, and its mean effect on Dice in points; positive where it flatters.
    """
    named = [documents[_named(s)] for s in (*TABLE, "full") if _named(s) in documents]
    runs = [run for run in named if run.metrics.paper_pooled.paper_dice > WORKS and run.scores.dice.mean is not None]
    if not runs:
        return []
    pooled = [run.metrics.paper_pooled for run in runs]
    own = [run.scores.dice.mean or 0.0 for run in runs]
    gains = {
        "pixels are pooled over batches; Dice is not taken for each image": [
            100 * (p.paper_dice - p.paper_dice_per_image) for p in pooled
        ],
        "scored at network resolution on the filled contour that it was trained on, not at the image's own resolution "
        "on the ellipse": [100 * (p.paper_dice_per_image - dice) for p, dice in zip(pooled, own, strict=True)],
        "split at random over images: test images of exams in the training part, minus the other test images": [
            _seen_minus_unseen(run) for run in runs
        ],
    }
    return [
        (flaw, str(len(v)), f"{sum(v) / len(v):+.2f} ({min(v):+.2f} to {max(v):+.2f})") for flaw, v in gains.items()
    ]


def _seen_minus_unseen(document: TrainingResult) -> float:
    means = []
    for wanted in (True, False):
        dice = [100 * score.dice for score in document.per_image if score.exam_trained_on is wanted]
        means.append(sum(dice) / len(dice))
    return means[0] - means[1]
