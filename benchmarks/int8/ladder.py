"""What each way of quantizing a network costs, up to the first within the budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common.device import Device
from benchmarks.common.result_files import read_record
from benchmarks.common.scores import ScoreFields
from edge_runtime.common.record import LEFT_OUT, from_json
from export.quantization.causes import Causes

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Rung:
    """One way of quantizing.

    Attributes:
        name: Its name; see :mod:`export.quantization.ladder`.
        dice_drop_points: Mean Dice of torch minus its own, in points of 100; None if no mask could be compared.
        hc_shift_mm: Mean absolute change of the head circumference, in mm; None likewise.
        holds: Whether both are within the budget; where there are upper limits, whether these are.
        dice_drop_at_most: Upper limit of the drop; None if no mask could be compared, and in older documents.
        hc_shift_at_most_mm: Upper limit of the change, likewise.
    """

    name: str
    dice_drop_points: float | None
    hc_shift_mm: float | None
    holds: bool
    dice_drop_at_most: float | None = field(default=None, metadata=LEFT_OUT)
    hc_shift_at_most_mm: float | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Budget:
    """What quantization may cost; None is no limit.

    Attributes:
        max_dice_drop: Points of Dice.
        max_hc_shift_mm: Mean absolute change of the head circumference, in mm.
        max_hc_shift_share: The same relative to the network's own difference from the reference; the larger counts.
    """

    max_dice_drop: float | None
    max_hc_shift_mm: float | None
    max_hc_shift_share: float | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Climb:
    """The ways that were tried.

    Attributes:
        method: The one that was taken, or the best if none held.
        budget: What it was held to.
        n_images: Images it was judged on.
        n_clear: Those that count, the clear ones: the network in torch is sure of nearly all their pixels.
        rungs: In the order they were tried.
        own_hc_difference_mm: Mean absolute difference of the head circumference from the reference in torch, in mm.
        noise_hc_shift_mm: What one grey level of noise does to it in torch, in mm; None if full int8 held.
        causes: What the loss of full int8 comes from; None likewise, and in older documents.
    """

    method: str
    budget: Budget
    n_images: int
    n_clear: int
    rungs: tuple[Rung, ...]
    own_hc_difference_mm: float | None = field(default=None, metadata=LEFT_OUT)
    noise_hc_shift_mm: float | None = field(default=None, metadata=LEFT_OUT)
    causes: Causes | None = field(default=None, metadata=LEFT_OUT)

    @property
    def allowed_hc_shift_mm(self) -> float:
        """The larger of the budget's two limits for this network; infinite without one."""
        if self.budget.max_hc_shift_mm is None:
            return math.inf
        return max(
            self.budget.max_hc_shift_mm, (self.budget.max_hc_shift_share or 0) * (self.own_hc_difference_mm or 0)
        )


@dataclass(frozen=True)
class Loss:
    """What int8 costs on a test part, against the same network in float32.

    Attributes:
        against: The float32 network.
        dice_points: Change of the mean Dice in points of 100; negative is worse.
        hc_shift_mm: Mean change of the head circumference, in mm; None if no image had both, as the next.
        hc_absolute_shift_mm: Mean absolute change, in mm.
        n_hc: Images that had both.
    """

    against: str
    dice_points: float | None
    hc_shift_mm: float | None
    hc_absolute_shift_mm: float | None
    n_hc: int


@dataclass(frozen=True, kw_only=True)
class Part(ScoreFields):
    """Scores on a test part, and what int8 costs there."""

    degradation: Loss


@dataclass(frozen=True)
class Accuracy:
    """Scores of the file, or of the best one if it was refused.

    Attributes:
        title: The data set's; None if nothing was scored.
        parts: By name of the part: ``grouped_test`` and ``paper_test``.
        limit: Most images scored in a part; None for all.
    """

    title: str | None
    parts: dict[str, Part]
    limit: int | None = None


@dataclass(frozen=True)
class LadderDocument:
    """A checkpoint's way to int8.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        name: The artifact's, ``<strategy>-<recipe>``.
        strategy: Name of the strategy.
        recipe: ``full_int8``, or ``mixed_int8`` if some layers stayed in float32.
        refused: Why no file was written; None if one was.
        size: (height, width) of the network's input, in pixels.
        checkpoint_sha256: SHA-256 of the weights.
        split: The split it was trained on.
        quantization: The ways that were tried.
        accuracy: Scores on the test parts.
        git_commit: Commit of the export.
        tools: Versions of the packages, by name.
        device: The machine it was exported on; left out for the shipped model, whose manifest does not say.
        rewrites: Exact rewrites of the graph, by name; left out in results older than this field, as the next.
        date: Day of the export, YYYY-MM-DD.
    """

    schema_version: int
    name: str
    strategy: str
    recipe: str
    refused: str | None
    size: tuple[int, int]
    checkpoint_sha256: str
    split: str
    quantization: Climb
    accuracy: Accuracy
    git_commit: str | None
    tools: dict[str, str]
    device: Device | None = field(default=None, metadata=LEFT_OUT)
    rewrites: tuple[str, ...] | None = field(default=None, metadata=LEFT_OUT)
    date: str | None = field(default=None, metadata=LEFT_OUT)


def read_ladder(path: Path) -> LadderDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, LadderDocument, SCHEMA_VERSION, "python -m benchmarks ladder CHECKPOINT")


def climbed(manifest: Mapping[str, Any], refused: str | None) -> LadderDocument:
    """What is kept of an export: the ways that were tried, and the cost of the one taken on the test parts.

    Args:
        manifest: The artifact's, as JSON.
        refused: Why it was not written; None if it was.

    Returns:
        The document without a device: the manifest does not say where it was exported.

    Raises:
        ModelError: The manifest lacks something.
    """
    values = {
        **{key: manifest[key] for key in ("name", "strategy", "recipe", "quantization", "accuracy", "git_commit")},
        "schema_version": SCHEMA_VERSION,
        "refused": refused,
        "size": [manifest["preprocessing"]["height"], manifest["preprocessing"]["width"]],
        "checkpoint_sha256": manifest["checkpoint"]["sha256"],
        "split": manifest["checkpoint"]["config"]["split"],
        "tools": manifest["tools"],
        "rewrites": list(manifest["rewrites"]),
    }
    return from_json(LadderDocument, values, manifest["name"])
