"""Result files of training runs: where they lie, what they hold, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.device import Device
from benchmarks.common.result_files import RESULTS, read_record
from benchmarks.common.scores import Scores
from benchmarks.study.exports import Export
from benchmarks.study.runs import StudyRun
from edge_runtime.common.record import LEFT_OUT
from edge_runtime.metrics import ImageScore
from train.protocols import protocol_name
from train.strategies import Strategy

SCHEMA_VERSION = 1
TRAINING = RESULTS / "training"
"""One file for each run of the study."""


@dataclass(frozen=True)
class RunFacts:
    """The run, as it was called when it was trained; :attr:`TrainingResult.name` is its present name.

    Attributes:
        name: Its name.
        command: The command that trains it alone.
        strategy: Name of the strategy.
        protocol: Name of the protocol.
        image_size: (height, width) of the network's input, in pixels.
        train_images: Images of the training part that were used; None for all.
        seed: Seed of initial weights, order and augmentation.
        exported: It was exported in all recipes.
        change: The one thing that was done otherwise.
    """

    name: str
    command: str
    strategy: str
    protocol: str
    image_size: tuple[int, int]
    train_images: int | None
    seed: int
    exported: bool
    change: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Settings:
    """Training settings; :class:`train.config.TrainConfig` explains them.

    Attributes:
        image_size: (height, width) of the network's input, in pixels.
        protocol: Name of the preset.
        split: Name of the split.
        mask: What mask the network learns.
        augment: Name of the augmentation.
        loss: Name of the loss.
        optimizer: Name of the optimizer.
        schedule: How the learning rate changes.
        lr: Learning rate, the peak where it varies.
        batch_size: Images a step.
        epochs: Passes over the training part.
        keep: Which epoch is kept.
        encoder_weights: What the encoder starts from.
        precision: Number format of the computation.
        seed: Seed of initial weights, order and augmentation.
        train_images: Images of the training part that were used; None for all.
        judge_as_paper: Every epoch was judged as in the paper.
    """

    image_size: tuple[int, int]
    protocol: str
    split: str
    mask: str
    augment: str
    loss: str
    optimizer: str
    schedule: str
    lr: float
    batch_size: int
    epochs: int
    keep: str
    encoder_weights: str
    precision: str
    seed: int
    train_images: int | None
    judge_as_paper: bool | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Parts:
    """Number of images in each part of a split."""

    train: int
    val: int
    test: int


@dataclass(frozen=True)
class Data:
    """What a run was trained and tested on.

    Attributes:
        title: Title of the data set.
        split: Name of the split, ``paper`` or ``grouped``.
        split_sha256: Of the split.
        sha256: Of the images.
        images: Number of images in each part.
        limit: Most images of a part, to try things out; None for all.
    """

    title: str
    split: str
    split_sha256: str
    sha256: str
    images: Parts
    limit: int | None


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training.

    Attributes:
        epoch: Its number, from 1.
        loss: Mean training loss.
        seconds: Time it took, in seconds.
        images_per_second: Training images per second.
    """

    epoch: int
    loss: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class ValidatedEpoch(Epoch):
    """One epoch of a training whose split has a validation part.

    Attributes:
        val_dice: Mean Dice on the validation part, 0 to 1.
        val_hc_absolute_difference_mm: Mean absolute HC difference there, in mm; None where no image has one.
        val_hc_refused: Images there without a circumference.
    """

    val_dice: float
    val_hc_absolute_difference_mm: float | None
    val_hc_refused: int


@dataclass(frozen=True)
class Pooled:
    """The paper's metrics, which pool pixels over images; each 0 to 1 (:func:`edge_runtime.metrics.paper_pooled`).

    Attributes:
        paper_pixel_accuracy: Pixel accuracy over all pixels.
        paper_dice: Dice pooled over batches: random ones, or in results without ``paper_dice_in_order`` in its order.
        paper_miou: The head's IoU pooled over the same batches, which the paper calls mIoU.
        paper_dice_per_image: Dice of each image on the same masks, then averaged.
        paper_dice_in_order: Dice pooled over batches in the order of the file names; left out in older results.
    """

    paper_pixel_accuracy: float
    paper_dice: float
    paper_miou: float
    paper_dice_per_image: float
    paper_dice_in_order: float | None = field(default=None, metadata=LEFT_OUT)

    @property
    def is_mixed(self) -> bool:
        """Whether Dice and mIoU are pooled over random batches, as the paper's, not in the order of the file names."""
        return self.paper_dice_in_order is not None

    @property
    def percent(self) -> list[float]:
        """Pixel accuracy, Dice and mIoU in percent, as the paper prints them."""
        return [100 * self.paper_pixel_accuracy, 100 * self.paper_dice, 100 * self.paper_miou]


@dataclass(frozen=True)
class JudgedEpoch(Epoch):
    """One epoch of a training that is judged as the paper's.

    Attributes:
        paper_augmented: The paper's metrics on the test part, augmented as in training.
        paper_plain: The same without augmentation.
    """

    paper_augmented: Pooled
    paper_plain: Pooled


@dataclass(frozen=True)
class Metrics:
    """Scores on the test part: the paper's, and ours under the name of the split.

    Attributes:
        paper_pooled: The paper's metrics.
        paper: Our scores on the split ``paper``.
        grouped: Our scores on the split ``grouped``.
    """

    paper_pooled: Pooled
    paper: Scores | None = field(default=None, metadata=LEFT_OUT)
    grouped: Scores | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, kw_only=True)
class TestedImage(ImageScore):
    """Scores of one test image.

    Attributes:
        reference_hc_mm: The reference circumference, in mm.
        exam_trained_on: The network was trained on another image of the same exam.
    """

    reference_hc_mm: float
    exam_trained_on: bool


@dataclass(frozen=True)
class TrainingDevice:
    """What torch computed on.

    Attributes:
        type: torch's name of the device.
        threads: CPU threads.
        machine: Architecture.
    """

    type: str
    threads: int
    machine: str


@dataclass(frozen=True)
class TrainingResult:
    """A result file: one training run, and what became of it in every recipe.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        run: The run, as it was called.
        strategy: What was trained.
        checkpoint_sha256: Of the weights.
        config: Training settings.
        data: What it was trained and tested on.
        trainable_parameters: Parameters that learn.
        kept_epoch: The epoch that was kept.
        history: Every epoch.
        seconds: Time the training took, in seconds.
        metrics: Scores on the test part.
        per_image: Scores of each test image.
        device: What torch computed on.
        git_commit: Commit that it was trained at.
        tools: Versions of the tools, by name.
        machine: The machine.
        exports: One for each recipe; None where it was not exported.
    """

    schema_version: int
    run: RunFacts
    strategy: Strategy
    checkpoint_sha256: str
    config: Settings
    data: Data
    trainable_parameters: int
    kept_epoch: int
    history: tuple[ValidatedEpoch | JudgedEpoch | Epoch, ...]
    seconds: float
    metrics: Metrics
    per_image: tuple[TestedImage, ...]
    device: TrainingDevice
    git_commit: str | None
    tools: dict[str, str]
    machine: Device
    exports: tuple[Export, ...] | None

    def __post_init__(self) -> None:
        if getattr(self.metrics, self.data.split, None) is None:
            raise ValueError(f"there are no scores on the split '{self.data.split}'")

    @property
    def study_run(self) -> StudyRun:
        """The run under its present name."""
        run = self.run
        return StudyRun(
            run.strategy,
            protocol_name(run.protocol, bool(self.config.judge_as_paper)),
            run.image_size,
            run.train_images,
            run.seed,
            run.exported,
            run.change,
        )

    @property
    def name(self) -> str:
        """The present name of the run."""
        return self.study_run.name

    @property
    def scores(self) -> Scores:
        """Our scores on the test part of the run's split."""
        scores: Scores = getattr(self.metrics, self.data.split)
        return scores


def load_training(path: Path) -> TrainingResult:
    """Read a run's result file.

    Raises:
        UsageError: There is no such file.
        ModelError: Not JSON, another schema version, or a field is missing or of another type.
    """
    return read_record(path, TrainingResult, SCHEMA_VERSION, "python -m benchmarks study")


def load_all(folder: Path = TRAINING) -> dict[str, TrainingResult]:
    """Every run's result that is there, by name of the run."""
    results = [load_training(path) for path in sorted(folder.glob("*.json"))]
    return {result.name: result for result in results}
