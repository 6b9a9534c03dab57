"""One fold: train a size on some exams, export it, derive its limits, and score the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.measured import Measured, here_and_now
from benchmarks.common.result_files import read_record
from benchmarks.common.stage import LOG, call_stage
from edge_runtime.artifact.manifest import load_manifest
from edge_runtime.errors import FetalHeadError
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.metrics import ImageScore
from edge_runtime.segmenter import Segmenter
from train.checkpoint import INFO
from train.data.hc18 import Dataset, Sample, find_data, hash_samples
from train.data.score import score_result
from train.data.splits import CROSS

SCHEMA_VERSION = 1

SCHEDULES: dict[str, tuple[str, ...]] = {
    "edge-s": ("--epochs", "60", "--lr", "2e-3"),
    "edge-m": ("--epochs", "60", "--lr", "2e-3"),
    "edge-l": (
        "--epochs", "64", "--encoder-weights", "imagenet-tonylins",
        "--set", "loss=bce_dice", "calm=0", "resize_rule=area-letterbox",
    ),
}  # fmt: skip
"""How each size is trained: as the shipped one, but in one stage, keeping the last epoch, and without outlines by
networks. Those that drew the committed outlines were trained on exams of every fold."""

WHOLE = "grouped"
"""The split that the shipped sizes are trained on."""

PSEUDO_LABELS = Path("checkpoints/pseudo-labels.csv")
"""In the repository; outlines of HC18's test_set too."""

AS_SHIPPED: dict[str, tuple[str, ...]] = {
    size: (*SCHEDULES[size], *more, "--pseudo-labels", PSEUDO_LABELS.as_posix())
    for size, more in (("edge-s", ("--set", "keep=best")), ("edge-m", ()))
}
"""How those sizes are trained that are shipped after one stage of training."""


@dataclass(frozen=True)
class Fold:
    """A size, and what it is trained and scored on.

    Attributes:
        size: Name of the strategy.
        split: Name of the split, ``cross-1`` to ``cross-5``, or :data:`WHOLE`.
        seed: Seed of initial weights, order and augmentation.
    """

    size: str
    split: str
    seed: int = 0

    @property
    def name(self) -> str:
        """Of its folder and its result file."""
        return f"{self.size}-seed{self.seed}" if self.split == WHOLE else f"{self.size}-{self.split}"

    @property
    def epochs(self) -> int:
        """Of its schedule."""
        return int(self.arguments[self.arguments.index("--epochs") + 1])

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments of ``python -m train``."""
        schedule = AS_SHIPPED if self.split == WHOLE else SCHEDULES
        seed = ("--seed", str(self.seed)) if self.seed else ()
        return ("--strategy", self.size, "--split", self.split, *schedule[self.size], *seed)


@dataclass(frozen=True)
class Scored:
    """One image, as the runtime measured it.

    Attributes:
        score: Its scores; the reason, if the runtime shows no circumference.
        reference_mm: Reference head circumference.
        interval_mm: The runtime's interval; None if it shows no circumference.
        trust: The runtime's trust, 0 to 1; None likewise.
        ellipse: The ellipse that was found, in pixels, also where it is not shown; None if none was.
        pixel_size_mm: Side of a pixel.
    """

    score: ImageScore
    reference_mm: float
    interval_mm: tuple[float, float] | None
    trust: float | None
    ellipse: Ellipse | None
    pixel_size_mm: float

    @property
    def covered(self) -> bool | None:
        """Whether the reference lies in the interval; None without one."""
        if self.interval_mm is None:
            return None
        low, high = self.interval_mm
        return low <= self.reference_mm <= high

    @property
    def found_error_mm(self) -> float:
        """How far the circumference of the ellipse that was found is off, also where it is not shown; else infinite."""
        if self.ellipse is None:
            return float("inf")
        return abs(self.ellipse.perimeter * self.pixel_size_mm - self.reference_mm)


@dataclass(frozen=True, kw_only=True)
class FoldResult(Measured):
    """The result of a fold.

    Attributes:
        size: Name of the strategy.
        split: Name of the split.
        split_sha256: Hash of its lists.
        data: Title of the data set.
        data_sha256: Hash of all its images, annotations and table rows.
        commands: What was run, without the places of files.
        config: Settings of the training; :class:`train.config.TrainConfig` explains them.
        n_train: Number of images trained on.
        n_val: Number of images that the quantization and the limits were chosen on.
        others: Number of frames from elsewhere that were trained on, by kind.
        pseudo_labels: Number of outlines by networks that were trained on: 0 for a fold.
        seconds: Time of the training.
        recipe: ``full_int8``, or ``mixed_int8`` if that was beyond the budget.
        model_sha256: Hash of the artifact.
        images: Every image of the fold's test part.
        val_images: Every image of its validation part, on which the export and the limits were chosen.
    """

    size: str
    split: str
    split_sha256: str
    data: str
    data_sha256: str
    commands: tuple[str, ...]
    config: dict[str, Any]
    n_train: int
    n_val: int
    others: dict[str, int]
    pseudo_labels: int
    seconds: float
    recipe: str
    model_sha256: str
    images: tuple[Scored, ...]
    val_images: tuple[Scored, ...]


def all_folds(sizes: Sequence[str]) -> list[Fold]:
    """The folds of some sizes: the first of each, then the second, so that every size has some results early."""
    return [Fold(size, split) for split in CROSS for size in sizes]


def read_fold(path: Path) -> FoldResult:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, FoldResult, SCHEMA_VERSION, "python -m benchmarks cross")


def run_fold(fold: Fold, epochs: int | None, data: str, folder: Path, threads: int) -> FoldResult:
    """Train, export, derive limits and score. Goes on with an interrupted training, and keeps what is done.

    Args:
        fold: What to do.
        epochs: Epochs in place of the schedule's; None for these.
        data: Folder of the images.
        folder: For the checkpoint and the artifact.
        threads: CPU threads.

    Raises:
        FetalHeadError: A step failed, or the folder holds a network of another schedule.
    """
    log, checkpoint, artifacts = folder / LOG, folder / fold.size, folder / "artifacts"
    commands = [["train", *fold.arguments, *(["--epochs", str(epochs)] if epochs else [])]]
    images = ["--data", data]
    call_stage([*commands[0], *images, "--out", str(folder), "--resume"], log, threads)
    commands.append(["export", "--recipes", "full_int8"])
    call_stage([*commands[1], "--checkpoint", str(checkpoint), *images, "--out", str(artifacts)], log, threads)
    models = list(artifacts.rglob("*.tflite"))
    if len(models) != 1:
        raise FetalHeadError(f"{artifacts} holds {len(models)} models, not one. Move it away, and start again.")
    model = models[0]
    commands.append(["export", "quality"])
    if not load_manifest(model).quality:
        call_stage([*commands[2], str(model), *images], log, threads)
    info = json.loads((checkpoint / INFO).read_text())
    return result_of(fold, info, [f"python -m {' '.join(c)}" for c in commands], model, find_data(data))


def result_of(fold: Fold, info: dict[str, Any], commands: Sequence[str], model: Path, dataset: Dataset) -> FoldResult:
    """Score a fold's artifact on the images that its network has not seen.

    Args:
        fold: The fold.
        info: Its checkpoint's record.
        commands: What was run.
        model: Its artifact, with limits.
        dataset: The images.
    """
    manifest, data, segmenter = load_manifest(model), info["data"], Segmenter.load(model)
    return FoldResult(
        **here_and_now(SCHEMA_VERSION, ("torch", "tensorflow", "onnx2tf", "ai-edge-litert", "numpy"), threads=1),
        size=fold.size,
        split=fold.split,
        split_sha256=data["split_sha256"],
        data=data["title"],
        data_sha256=hash_samples(list(dataset.samples.values())),
        commands=tuple(commands),
        config=info["config"],
        n_train=len(data["files"]["train"]),
        n_val=len(data["files"]["val"]),
        others=data["others"],
        pseudo_labels=data["pseudo_labels"],
        seconds=info["seconds"],
        recipe=manifest.recipe,
        model_sha256=manifest.model_sha256,
        images=tuple(score(segmenter, dataset.select(data["files"]["test"]))),
        val_images=tuple(score(segmenter, dataset.select(data["files"]["val"]))),
    )


def score(segmenter: Segmenter, samples: Sequence[Sample]) -> list[Scored]:
    """Measure and score images, with the artifact's own limits."""
    found = []
    for sample in samples:
        stages = segmenter.examine(sample.frame(), sample.pixel_size_mm, own_limits=True)
        head, verdict = stages.head, stages.verdict
        scores = score_result(sample, head, verdict.head_circumference_mm, verdict.reason)
        found.append(
            Scored(scores, sample.hc_mm, verdict.interval_mm, verdict.trust, head.ellipse, sample.pixel_size_mm)
        )
    return found
