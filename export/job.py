"""One export: the checkpoint, the images chosen for it, and what was asked for."""

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
from edge_runtime.artifact.manifest import Manifest, load_manifest
from edge_runtime.common.provenance import tool_versions
from edge_runtime.frame.geometry import ResizeRule
from edge_runtime.shipped import shipped_model
from export.artifact import TOOLS
from export.conversion.rewrites import Rewrite, advised, pick_rewrites
from export.images import accuracy_parts, calibration_record, calibration_samples, parity_samples, split_of
from export.recipes import Budget, Recipe
from train.checkpoint import Checkpoint
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample, hash_samples
from train.data.splits import Split

VALIDATION_IMAGES = 100
"""Maximum number of images on which full int8 is held to its budget: all of ``grouped``'s validation part."""


@dataclass(frozen=True)
class Options:
    """What to export, and how thoroughly to check it.

    Attributes:
        recipes: The recipes, in the order of :data:`export.recipes.RECIPES`.
        out: Folder of artifacts.
        calibration_images: Maximum number of images to calibrate on.
        verify_images: Maximum number of images to compare with torch on.
        accuracy_images: Maximum number of images of each test part to score; None for all.
        force: Whether to export even if artifacts are up to date.
        budget: How much full int8 may lose.
        fine_tune_epochs: Epochs of further training in simulated int8, if nothing else is within the budget; 0 for
            none.
        threads: CPU threads to measure with. No figure depends on it: each value is computed by one thread.
        rewrites: Names of exact rewrites of the graph, see :mod:`export.conversion.rewrites`; None for those that the
            network needs.
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
        checkpoint: The checkpoint to export.
        dataset: The data set the images come from.
        split: Its split.
        calibration: Images to calibrate on; empty if no recipe needs them.
        parity: Images to compare with torch on.
        validation: Images on which full int8 is held to its budget; empty if no recipe needs them.
        parts: Images to measure accuracy on, by part.
        options: What was asked for.
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
        """The strategy's name."""
        return self.checkpoint.strategy.name

    @property
    def rewrites(self) -> tuple[Rewrite, ...]:
        """The exact rewrites of the graph: those asked for, else those of released settings, else those it needs."""
        names = self.options.rewrites
        if names is None:
            released = self.released()
            names = advised(self.checkpoint.model) if released is None else tuple(released.rewrites)
        return pick_rewrites(names, self.checkpoint.strategy, self.size)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the network's input in pixels."""
        return self.checkpoint.config.image_size

    @property
    def resize_rule(self) -> ResizeRule:
        """How a frame is fitted into the network's input."""
        return self.checkpoint.config.resize_rule

    def calibration_record(self, recipe: Recipe) -> dict[str, Any]:
        """The manifest's record of a recipe's calibration."""
        return calibration_record(self.dataset, self.split, self.calibration) if recipe.calibrated else {}

    def released(self, shipped: Path | None = None) -> Manifest | None:
        """The manifest whose quantization settings this export takes over, if any.

        These are the settings of the released model if it was made from the same checkpoint, and no other rewrites of
        the graph are asked for. It was calibrated on the images it was trained on. If these are not available, its
        settings are better than a calibration on others.

        Args:
            shipped: The released model; None for the shipped one of this strategy.
        """
        shipped = shipped or shipped_model(self.name)
        at_hand = self.checkpoint.info.get("data", {}).get("title") == self.dataset.title
        if at_hand or not shipped.is_file():
            return None
        manifest = load_manifest(shipped)
        same = manifest.checkpoint.get("sha256") == self.checkpoint.sha256
        same = same and self.options.rewrites in (None, tuple(manifest.rewrites))
        return manifest if same and manifest.quantization.get("settings") else None


def plan(checkpoint: Checkpoint, dataset: Dataset, options: Options) -> Job:
    """Choose the images of an export. Nothing is converted yet.

    Raises:
        UsageError: A rewrite was asked for that does not fit the network.
        InputError: An image or its annotation cannot be used.
    """
    pick_rewrites(options.rewrites or (), checkpoint.strategy, checkpoint.config.image_size)
    split = split_of(checkpoint, dataset)
    calibrated = any(recipe.calibrated for recipe in options.recipes)
    chosen = calibration_samples(dataset, split, options.calibration_images) if calibrated else []
    parity = parity_samples(dataset, split, chosen, options.verify_images)
    validation = parity_samples(dataset, split, chosen, VALIDATION_IMAGES) if calibrated else []
    earlier = checkpoint.trained_on.get(dataset.title, ())
    parts = accuracy_parts(dataset, split, options.accuracy_images, earlier)
    check_samples(dataset, [*chosen, *parity, *validation, *(sample for part in parts.values() for sample in part)])
    return Job(checkpoint, dataset, split, tuple(chosen), tuple(parity), tuple(validation), parts, options)


def request_sha256(job: Job, recipe: Recipe, shipped: Path | None = None) -> str:
    """Hash of everything an artifact depends on. An artifact with the same hash is up to date.

    That is: the checkpoint, the images, what was asked for, the released settings it takes over, the tools, and this
    source.
    """
    released = job.released(shipped) if recipe.calibrated else None
    request = {
        "checkpoint": job.checkpoint.sha256,
        "size": job.size,
        "recipe": asdict(recipe),
        "calibration": job.calibration_record(recipe),
        "parity": hash_samples(job.parity),
        "validation": hash_samples(job.validation) if recipe.calibrated else None,
        "budget": (asdict(job.options.budget), job.options.fine_tune_epochs) if recipe.calibrated else None,
        "rewrites": [rewrite.name for rewrite in job.rewrites],
        "released": (released.calibration, released.quantization) if released else None,
        "accuracy": {part: hash_samples(samples) for part, samples in job.parts.items()},
        "source": source_sha256(),
        "tools": tool_versions(TOOLS),
    }
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1)
def source_sha256() -> str:
    """Hash of the source that an export runs, so that a change of the source is noticed."""
    found = hashlib.sha256()
    for package in (edge_runtime, export, train):
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            found.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()
