"""What the training runs say: paired differences, the paper's claims, the worth of its protocol's flaws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from benchmarks.common.tables import interval
from benchmarks.study.paper import TABLE
from edge_runtime.metrics import summarize_values

Documents = Mapping[str, dict[str, Any]]
"""Training results by name of the run."""

MISSING = "not measured"
NO_LOSS = 0.1
"""Points of Dice that count as no loss: a third of what two seeds differ by."""


@dataclass(frozen=True)
class Finding:
    """A claim and what became of it.

    Attributes:
        claim: In words.
        verdict: ``confirmed``, ``refuted``, ``not decided`` (the interval holds 0) or :data:`MISSING`.
        evidence: The figures.
    """

    claim: str
    verdict: str
    evidence: str


def dice_of(document: Mapping[str, Any]) -> dict[str, float]:
    """Dice of each test image in percent, at its original resolution, by file name."""
    return {score["image"]: 100 * score["dice"] for score in document["per_image"]}


def difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Summary of ``a``'s Dice less ``b``'s in points, image by image, over the images that both were tested on."""
    first, second = dice_of(a), dice_of(b)
    return summarize_values([first[name] - second[name] for name in sorted(first.keys() & second.keys())])


def verdict(summary: Mapping[str, Any], margin: float = 0.0) -> str:
    """What an interval says of the claim that the mean is above 0, or no more than ``margin`` below it."""
    if summary["mean"] is None:
        return MISSING
    if summary["ci95_low"] > -margin:
        return "confirmed"
    return "refuted" if summary["ci95_high"] < 0 else "not decided"


def points(summary: dict[str, Any]) -> str:
    """A difference in points, with its interval and number of images."""
    return f"{interval(summary, 2, sign=True)} points over {summary['n']} images"


def claims(documents: Documents) -> list[Finding]:
    """The paper's claims and our control, each held against the runs in the paper's setting."""
    return [
        _best(documents),
        _order(documents),
        _fewer_parameters(documents),
        _pretraining(documents),
        _full(documents),
    ]


def _named(strategy: str, size: int = 256) -> str:
    return f"{strategy}-paper" + ("" if size == 256 else f"-{size}")


def _best(documents: Documents) -> Finding:
    claim = "decoder-all is the best of the strategies"
    ours = documents.get(_named("decoder-all"))
    others = {s: documents[_named(s)] for s in TABLE if s != "decoder-all" and _named(s) in documents}
    if ours is None or not others:
        return Finding(claim, MISSING, "")
    differences = {strategy: difference(ours, other) for strategy, other in others.items()}
    closest = min(differences, key=lambda s: differences[s]["mean"])
    text = f"against {closest}, the next of {len(others)} trained: {points(differences[closest])}"
    return Finding(claim, verdict(differences[closest]), text)


def _order(documents: Documents) -> Finding:
    claim = "the order of the strategies is that of the paper's table"
    present = [s for s in TABLE if _named(s) in documents]
    if len(present) < 3:
        return Finding(claim, MISSING, "")
    swapped, clear = [], 0
    for a, b in combinations(sorted(present, key=lambda s: -TABLE[s].dice[0]), 2):
        says = verdict(difference(documents[_named(a)], documents[_named(b)]))
        clear += says != "not decided"
        if says == "refuted":
            swapped.append(f"{b} above {a}")
    pairs = len(present) * (len(present) - 1) // 2
    text = f"{pairs} pairs of {len(present)} strategies, {clear} with an interval without 0; " + (
        f"of these the other way round: {', '.join(swapped)}" if swapped else "all of these as in the paper"
    )
    return Finding(claim, "refuted in part" if swapped else "confirmed", text)


def _fewer_parameters(documents: Documents) -> Finding:
    claim = "decoder-all loses nothing against the plain U-Net with 85.8 % fewer parameters to train"
    ours, theirs = documents.get(_named("decoder-all", 128)), documents.get(_named("unet-scratch", 128))
    if ours is None or theirs is None:
        return Finding(claim, MISSING, "")
    summary = difference(ours, theirs)
    share = 1 - ours["trainable_parameters"] / theirs["trainable_parameters"]
    return Finding(claim, verdict(summary, NO_LOSS), f"both at 128x128, {share:.1%} fewer: {points(summary)}")


def _pretraining(documents: Documents) -> Finding:
    claim = "the encoder's ImageNet weights are what makes freezing it work"
    ours, random = documents.get(_named("decoder-all")), documents.get(_named("decoder-all-random"))
    if ours is None or random is None:
        return Finding(claim, MISSING, "")
    summary = difference(ours, random)
    return Finding(claim, verdict(summary), f"decoder-all less decoder-all-random: {points(summary)}")


def _full(documents: Documents) -> Finding:
    claim = "freezing the encoder costs nothing against training everything (our control, not in the paper)"
    ours, full = documents.get(_named("decoder-all")), documents.get(_named("full"))
    if ours is None or full is None:
        return Finding(claim, MISSING, "")
    summary = difference(ours, full)
    return Finding(claim, verdict(summary, NO_LOSS), f"decoder-all less full: {points(summary)}")


def flaws(documents: Documents) -> list[tuple[str, str, str]]:
    """What each flaw of the paper's protocol is worth, averaged over the strategies that it ranks above 90 %.

    Args:
        documents: Training results.

    Returns:
        Flaw, runs it was measured on, mean effect on Dice in points (positive: the flaw flatters).
    """
    runs = [
        documents[_named(s)] for s in (*TABLE, "full")
        if _named(s) in documents and documents[_named(s)]["metrics"]["paper_pooled"]["paper_dice"] > 0.9
    ]  # fmt: skip
    if not runs:
        return []
    pooled = [r["metrics"]["paper_pooled"] for r in runs]
    own = [r["metrics"]["paper"]["dice"]["mean"] for r in runs]
    gains = {
        "pixels pooled over ten images, instead of Dice an image": [
            100 * (p["paper_dice"] - p["paper_dice_per_image"]) for p in pooled
        ],
        "scored at network resolution on the filled contour it was trained on, instead of at the image's own "
        "resolution on the ellipse": [
            100 * (p["paper_dice_per_image"] - dice) for p, dice in zip(pooled, own, strict=True)
        ],
        "split at random over images: test images whose exam was trained on, less those whose exam was not": [
            _seen_less_unseen(r) for r in runs
        ],
    }
    return [
        (flaw, str(len(v)), f"{sum(v) / len(v):+.2f} ({min(v):+.2f} to {max(v):+.2f})") for flaw, v in gains.items()
    ]


def _seen_less_unseen(document: Mapping[str, Any]) -> float:
    means = []
    for wanted in (True, False):
        dice = [100 * score["dice"] for score in document["per_image"] if score["exam_trained_on"] is wanted]
        means.append(sum(dice) / len(dice))
    return means[0] - means[1]
