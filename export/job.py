"""What one export is: the checkpoint, the images chosen for it, what was asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import edge_runtime
import export
import train
from edge_runtime.common.provenance import tool_versions
from export.artifact import TOOLS
from export.conversion.rewrites import Rewrite, advised, pick_rewrites
from export.images import accuracy_parts, calibration_record, calibration_samples, parity_samples, split_of
from export.recipes import Budget, Recipe
from train.checkpoint import Checkpoint
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample, hash_samples
from train.data.splits import Split

VALIDATION_IMAGES = 100
"""Most images that full int8 is held to its budget on: all of the validation part of ``grouped``."""


@dataclass(frozen=True)
class Options:
    """What to export, and how thoroughly to check it.

    Attributes:
        recipes: Which, in the order of :data:`export.recipes.RECIPES`.
        out: Folder of artifacts.
        calibration_images: At most this many.
        verify_images: Compared with torch, at most this many.
        accuracy_images: Scored, at most this many of each test part; None for all.
        force: Export also what is up to date.
        budget: What full int8 may cost.
        fine_tune_epochs: Of training on in simulated int8 where nothing else is within the budget; 0 for none.
        threads: CPU threads to measure with, which no figure depends on: each value is computed by one of them.
        rewrites: Names of exact rewrites of the graph, see :mod:`export.conversion.rewrites`; None for those a network
            needs.
    """

    recipes: tuple[Recipe, ...]
    out: Path
    calibration_images: int = 100
    verify_images: int = 16
    accuracy_images: int | None = None
    force: bool = False
    budget: Budget = field(default_factory=Budget)
    fine_tune_epochs: int = 2
    threads: int = 2
    rewrites: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Job:
    """A checkpoint, and the images chosen for its export.

    Attributes:
        checkpoint: What to export.
        dataset: Where the images are from.
        split: Their division.
        calibration: Chosen for calibration; empty where no recipe needs it.
        parity: Chosen to compare with torch.
        validation: Chosen to hold full int8 to its budget on; empty where no recipe needs it.
        parts: Chosen to measure accuracy on, by part.
        options: As asked for.
    """

    checkpoint: Checkpoint
    dataset: Dataset
    split: Split
    calibration: tuple[Sample, ...]
    parity: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    parts: Mapping[str, list[Sample]]
    options: Options

    @property
    def name(self) -> str:
        """The strategy's."""
        return self.checkpoint.strategy.name

    @property
    def rewrites(self) -> tuple[Rewrite, ...]:
        """Exact ones of the graph that were asked for, or that the network needs."""
        asked = self.options.rewrites
        names = advised(self.checkpoint.model) if asked is None else asked
        return pick_rewrites(names, self.checkpoint.strategy, self.size)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the network's input in pixels."""
        return self.checkpoint.config.image_size

    def calibration_record(self, recipe: Recipe) -> dict[str, Any]:
        """What the manifest says of the calibration of a recipe."""
        return calibration_record(self.dataset, self.split, self.calibration) if recipe.calibrated else {}


def plan(checkpoint: Checkpoint, dataset: Dataset, options: Options) -> Job:
    """Choose the images of an export; nothing is converted yet.

    Raises:
        UsageError: A rewrite was asked for that does not fit the network.
        InputError: An image or its annotation cannot be used.
    """
    pick_rewrites(options.rewrites or (), checkpoint.strategy, checkpoint.config.image_size)
    split = split_of(checkpoint, dataset)
    calibrated = any(recipe.calibrated for recipe in options.recipes)
    chosen = calibration_samples(dataset, split, options.calibration_images) if calibrated else []
    parity = parity_samples(dataset, split, options.verify_images)
    validation = parity_samples(dataset, split, VALIDATION_IMAGES) if calibrated else []
    parts = accuracy_parts(dataset, split, options.accuracy_images)
    check_samples(dataset, [*chosen, *parity, *validation, *(sample for part in parts.values() for sample in part)])
    return Job(checkpoint, dataset, split, tuple(chosen), tuple(parity), tuple(validation), parts, options)


def request_sha256(job: Job, recipe: Recipe) -> str:
    """Hash of all an artifact depends on: the checkpoint, the images, what was asked, the tools, and this source."""
    request = {
        "checkpoint": job.checkpoint.sha256,
        "size": job.size,
        "recipe": asdict(recipe),
        "calibration": job.calibration_record(recipe),
        "parity": hash_samples(job.parity),
        "validation": hash_samples(job.validation) if recipe.calibrated else None,
        "budget": (asdict(job.options.budget), job.options.fine_tune_epochs) if recipe.calibrated else None,
        "rewrites": [rewrite.name for rewrite in job.rewrites],
        "accuracy": {part: hash_samples(samples) for part, samples in job.parts.items()},
        "source": source_sha256(),
        "tools": tool_versions(TOOLS),
    }
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1)
def source_sha256() -> str:
    """Hash of the source that an export runs, from which alone a change of it is known."""
    found = hashlib.sha256()
    for package in (edge_runtime, export, train):
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            found.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()
