"""Quantize a checkpoint to full int8, by calibration within a budget or with the settings of a released model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from edge_runtime.common.cli import say
from export.artifact import new_artifact
from export.images import load_images
from export.job import Job
from export.quantization.ladder import Candidate, Judge, climb
from export.quantization.settings import Settings
from export.recipes import MIXED_INT8, RECIPES, Recipe
from export.tflite.model import Model
from export.verification.parity import ask_torch, run_on, under_noise
from train.data.hc18 import cache
from train.networks.model import make_predictor


@dataclass(frozen=True)
class Int8:
    """A network in int8.

    Attributes:
        data: The .tflite file's bytes.
        recipe: Full int8 or mixed int8.
        calibration: Record of the calibration set.
        quantization: Record of how it was quantized.
        table: Text table of all attempts and their loss; None if released settings were used.
        holds: Whether the loss is within the budget.
    """

    data: bytes
    recipe: Recipe
    calibration: dict[str, Any]
    quantization: dict[str, Any]
    table: str | None
    holds: bool


def make_int8(job: Job, plain: Model, fine_tune: Callable[[], Model] | None = None) -> Int8:
    """Quantize a network within its budget.

    If there is a released model of this checkpoint, and the data set is not the one that the checkpoint was trained on,
    the released model's settings are used.

    Args:
        job: The checkpoint, the images and the budget.
        plain: The network in float32.
        fine_tune: See :func:`export.quantization.ladder.climb`.
    """
    released = job.released()
    if released:
        say(f"  not trained on {job.dataset.title}: quantized with the settings of the released {released.name}")
        data = Settings.from_json(released.quantization["settings"]).apply(plain)
        return Int8(data, RECIPES["full_int8"], released.calibration, released.quantization, None, holds=True)
    threads = job.options.threads
    predict = make_predictor(job.checkpoint.model, torch.device("cpu"))
    judge = Judge(
        ask_torch(predict, load_images(cache(list(job.validation)), job.size, job.resize_rule)), job.options.budget
    )

    def run(candidate: Candidate) -> Any:
        artifact = new_artifact(candidate.data, job.checkpoint, candidate.recipe)
        return run_on(artifact.network(threads), judge.torch_answers.images)

    found = climb(plain, load_images(job.calibration, job.size, job.resize_rule).inputs, judge, run, fine_tune, threads)
    candidate = found.candidate
    if candidate.recipe is MIXED_INT8 or not found.holds:
        found = replace(found, noise_hc_shift_mm=under_noise(predict, judge.torch_answers).hc_shift_mean_mm)
    record = job.calibration_record(RECIPES["full_int8"])
    return Int8(candidate.data, candidate.recipe, record, found.record(), found.table(), found.holds)
