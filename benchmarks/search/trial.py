"""One trained network of a search: what is recorded of it, and how it is trained and measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.measured import Measured, here_and_now
from benchmarks.common.result_files import read_record
from benchmarks.trainings.jobs import result_path
from edge_runtime.common.record import LEFT_OUT
from edge_runtime.frame.geometry import LETTERBOX
from edge_runtime.metrics import ImageScore, paired_shifts
from train.config import PROTOCOLS, TrainConfig
from train.data.hc18 import Dataset, find_data
from train.data.pseudo_labels import PseudoSample, read_pseudo_labels
from train.data.splits import FOLDS, SplitName, evenly_spaced, make_split
from train.protocols import LEAK_FREE
from train.strategies import Strategy

SCHEMA_VERSION = 1

CALIBRATION = 100
"""Training images that the ranges of int8 are taken from."""

SETTINGS: dict[str, Any] = {
    **PROTOCOLS[LEAK_FREE],
    "protocol": LEAK_FREE,
    "resize_rule": LETTERBOX,
    "epochs": 30,
    "lr": 2e-3,
    "keep": "last",
}
"""How every network of a search is trained, unless its trial says otherwise: on HC18 alone, without frames from
elsewhere, which would take four times as long. The precision is bfloat16 where the CPU is fast at it."""


@dataclass(frozen=True)
class Trial:
    """A network to train.

    Attributes:
        name: Unique; the name of its result file.
        strategy: The network.
        split: The fold whose fifth judges it.
        settings: What differs from :data:`SETTINGS`.
        teachers: Names of trials of the same fold, done before, whose outlines it learns too; see
            :mod:`train.pseudo_label`.
    """

    name: str
    strategy: Strategy
    split: SplitName = FOLDS[0]
    settings: Mapping[str, Any] = field(default_factory=dict)
    teachers: tuple[str, ...] = ()

    @property
    def config(self) -> TrainConfig:
        """All settings of its training."""
        weights = "imagenet" if self.strategy.encoder else "random"
        start = {"image_size": self.strategy.image_size, "split": self.split, "encoder_weights": weights}
        return TrainConfig(**{**SETTINGS, **start, **self.settings})


@dataclass(frozen=True)
class Judged:
    """A network's scores on the images that judge it, in the order of the result's ``images``.

    Attributes:
        dice: Dice of each image, 0 to 1.
        hc_difference_mm: Measured minus reference circumference of each; None where it was refused.
    """

    dice: tuple[float, ...]
    hc_difference_mm: tuple[float | None, ...]

    @property
    def mean_dice(self) -> float:
        """Mean Dice, 0 to 1."""
        return float(np.mean(self.dice))

    @property
    def adf_mm(self) -> float:
        """Mean absolute difference of the circumference in mm, over the images measured; infinite if there are none."""
        measured = [abs(mm) for mm in self.hc_difference_mm if mm is not None]
        return float(np.mean(measured)) if measured else math.inf


@dataclass(frozen=True, kw_only=True)
class TrialResult(Measured):
    """A trained network of a search.

    Attributes:
        name: Name of the trial.
        strategy: The network.
        config: Settings of its training; :class:`train.config.TrainConfig` explains them.
        data: Title of the data set.
        parameters: Number of parameters.
        seconds: Time of its training.
        size_bytes: Size of its full-int8 file.
        images: Names of the images that judge it.
        float32: Scores of the network as trained.
        int8: Scores in full int8, by minimum and maximum.
        int8_dice_points: Mean change of Dice by int8, in points of 100.
        int8_hc_shift_mm: Mean absolute change of the circumference by int8; None if no image was measured by both.
        losses: Mean training loss of each epoch. None before it was recorded.
    """

    name: str
    strategy: Strategy
    config: dict[str, Any]
    data: str
    parameters: int
    seconds: float
    size_bytes: int
    images: tuple[str, ...]
    float32: Judged
    int8: Judged
    int8_dice_points: float
    int8_hc_shift_mm: float | None
    losses: tuple[float, ...] | None = field(default=None, metadata=LEFT_OUT)


def read_trial(path: Path) -> TrialResult:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, TrialResult, SCHEMA_VERSION, "python -m benchmarks pareto")


def read_done(folder: Path, trials: Iterable[Trial]) -> list[TrialResult]:
    """The results of those trials that have one in a folder, in their order; errors are those of :func:`read_trial`."""
    paths = (result_path(trial.name, folder) for trial in trials)
    return [read_trial(path) for path in paths if path.exists()]


def run_trial(trial: Trial, data: str, folder: Path, threads: int) -> TrialResult:
    """Train a network on the best device there is, quantize it and score both. Goes on with an interrupted training.

    Args:
        trial: The network.
        data: Folder of the images.
        folder: Folder for its checkpoint.
        threads: CPU threads.

    Raises:
        FetalHeadError: A step failed, or the folder holds another network.
    """
    import torch

    from train.device import pick_device, pick_precision
    from train.loop import train
    from train.state import STATE, stored_precision

    torch.set_num_threads(threads)
    device = pick_device("auto")
    precision = pick_precision(stored_precision(folder / STATE) or "auto", device)
    trial = replace(trial, settings={"precision": precision, **trial.settings})
    dataset = find_data(data)
    pseudo = _taught(trial, dataset, folder) if trial.teachers else []
    train(trial.strategy, trial.config, dataset, folder, device=device, resume=True, pseudo=pseudo)
    return judge(trial, dataset, folder)


def _taught(trial: Trial, dataset: Dataset, folder: Path) -> list[PseudoSample]:
    """The outlines by a trial's teachers, whose checkpoints lie beside its own; made once."""
    from train.checkpoint import load_checkpoint
    from train.pseudo_label import make_table

    table = folder / "pseudo-labels.csv"
    if not table.with_suffix(".json").exists():  # it is written last
        teachers = [load_checkpoint(folder.parent / name) for name in trial.teachers]
        make_table(teachers, dataset, trial.split, table)
    return read_pseudo_labels(table, dataset.root)


def judge(trial: Trial, dataset: Dataset, folder: Path) -> TrialResult:
    """Score a trained network as trained and in full int8.

    Args:
        trial: The network.
        dataset: The images.
        folder: Its checkpoint.
    """
    import torch

    from benchmarks.search.convert import to_full_int8
    from export.artifact import new_artifact
    from export.images import load_images
    from export.recipes import RECIPES
    from export.verification.accuracy import make_exam, take
    from train.checkpoint import load_checkpoint
    from train.networks.model import make_predictor

    checkpoint = load_checkpoint(folder)
    split, size, rule = make_split(dataset, trial.split), trial.config.image_size, trial.config.resize_rule
    calibration = load_images(evenly_spaced(dataset.select(split.train), CALIBRATION), size, rule)
    data = to_full_int8(checkpoint.model, calibration.inputs)
    network = new_artifact(data, checkpoint, RECIPES["full_int8"]).network(1)
    exam = make_exam(dataset, {"test": dataset.select(split.test)}, size, rule, None)
    plain = list(take(make_predictor(checkpoint.model, torch.device("cpu")), exam).values())
    int8 = list(take(network, exam).values())
    shifts = paired_shifts(int8, plain)
    return TrialResult(
        **here_and_now(SCHEMA_VERSION, ("torch", "tensorflow", "onnx2tf", "ai-edge-litert"), threads=None),
        name=trial.name,
        strategy=trial.strategy,
        config=checkpoint.config.to_json(),
        data=dataset.title,
        parameters=sum(p.numel() for p in checkpoint.model.parameters()),
        seconds=checkpoint.info["seconds"],
        size_bytes=len(data),
        images=tuple(score.image for score in plain),
        float32=_judged(plain),
        int8=_judged(int8),
        int8_dice_points=float(np.mean(shifts.dice_points)),
        int8_hc_shift_mm=float(np.mean(shifts.hc_absolute_mm)) if shifts.hc_mm else None,
        losses=tuple(epoch["loss"] for epoch in checkpoint.info["history"]),
    )


def _judged(scores: Sequence[ImageScore]) -> Judged:
    differences = [None if s.hc_difference_mm is None else round(s.hc_difference_mm, 4) for s in scores]
    return Judged(tuple(round(s.dice, 6) for s in scores), tuple(differences))
