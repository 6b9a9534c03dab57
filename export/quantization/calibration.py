"""How many calibration images are enough, and which.

``calibration.json`` holds a measurement. The default of ``--calibration-images`` comes from it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.common.record import from_json
from edge_runtime.errors import ModelError, UsageError
from train.data.check import check_samples
from train.data.hc18 import Sample, cache
from train.data.splits import evenly_spaced

if TYPE_CHECKING:
    from export.job import Job

TABLE = Path(__file__).resolve().parents[1] / "calibration.json"
COUNTS = (10, 50, 100, 400)
SEEDS = 5
"""Random draws of each number of images."""

RUNGS = ("min-max", "bias-corrected")
"""The ways of quantizing that are measured; see :mod:`export.quantization.ladder`."""


@dataclass(frozen=True)
class Trial:
    """The result of calibrating on one set of images.

    Attributes:
        rung: Way of quantizing.
        count: Number of images.
        chosen: ``spread`` over the head circumference, or ``random``.
        seed: Seed of the random draw; None if the images are spread.
        sqnr_db: Signal-to-noise ratio of the logits against torch in dB, on the validation part.
        dice_drop_points: Mean Dice of torch minus that of int8, in points of 100; None if no image could be compared.
        hc_shift_mm: Mean absolute change of the head circumference in mm; None if no image could be compared.
    """

    rung: str
    count: int
    chosen: str
    seed: int | None
    sqnr_db: float
    dice_drop_points: float | None
    hc_shift_mm: float | None


@dataclass(frozen=True)
class CalibrationDocument:
    """The document that ``python -m export calibration`` writes.

    Attributes:
        checkpoint_sha256: SHA-256 of the weights.
        strategy: Name of the strategy.
        data: Title of the data set.
        n_validation: Number of validation images that every trial was judged on.
        git_commit: Commit of the export.
        tools: Versions of the packages, by name.
        trials: One for each set of calibration images and way of quantizing.
    """

    checkpoint_sha256: str
    strategy: str
    data: str
    n_validation: int
    git_commit: str | None
    tools: dict[str, str]
    trials: tuple[Trial, ...]


def read_calibration(path: Path) -> CalibrationDocument:
    """Read the document.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    try:
        return from_json(CalibrationDocument, json.loads(path.read_bytes()), path)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}. Make it with: python -m export calibration --write") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not a JSON document: {error}. Measure again, or restore the file.") from error


def draws(
    samples: Sequence[Sample], counts: Sequence[int], seeds: int
) -> Iterator[tuple[str, int | None, list[Sample]]]:
    """Sets of calibration images: each count spread, then drawn at random."""
    for count in counts:
        yield "spread", None, evenly_spaced(samples, count)
        for seed in range(seeds):
            yield "random", seed, random.Random(seed).sample(list(samples), count)


def measure(job: Job, counts: Sequence[int], seeds: int, folder: Path) -> Iterator[Trial]:
    """Quantize a checkpoint after calibration on each set of images.

    Args:
        job: The checkpoint, and its validation images.
        counts: Numbers of images.
        seeds: Number of random draws for each count.
        folder: Empty folder for temporary files.

    Raises:
        UsageError: A count is more than the training part has.
        ConversionError: A converter failed.
    """
    import torch

    from export.artifact import new_artifact
    from export.conversion.steps import to_float_model
    from export.images import load_images
    from export.quantization.ladder import Judge, candidates
    from export.verification.parity import ask_torch, run_on, sqnr_db
    from train.networks.model import make_predictor

    samples = cache(job.dataset.select(job.split.train))
    check_samples(job.dataset, samples)
    if max(counts) > len(samples):
        raise UsageError(
            f"--counts asks for {max(counts)} images; the training part has {len(samples)}. Ask for fewer."
        )
    predict = make_predictor(job.checkpoint.model, torch.device("cpu"))
    images = load_images(cache(list(job.validation)), job.size, job.resize_rule)
    judge = Judge(ask_torch(predict, images), job.options.budget)
    plain = to_float_model(job.checkpoint.model, images.inputs, folder, job.rewrites)
    for chosen, seed, drawn in draws(samples, counts, seeds):
        for candidate in candidates(plain, load_images(drawn, job.size, job.resize_rule).inputs, threads=2):
            if candidate.name in RUNGS:
                logits = run_on(new_artifact(candidate.data, job.checkpoint, candidate.recipe).network(2), images)
                rung = judge.rung(candidate.name, logits)
                sqnr = sqnr_db(judge.torch_answers.logits, logits)
                yield Trial(rung.name, len(drawn), chosen, seed, sqnr, rung.dice_drop_points, rung.hc_shift_mm)
            if candidate.name == RUNGS[-1]:
                break


def table(trials: Sequence[Trial]) -> str:
    """A table of means over the draws of each way, count and choice, and of the worst draw; ``-`` if there is none."""
    lines = [
        f"{'quantization':<15} {'images':>6} {'chosen':<7} {'SQNR (dB)':>10} {'Dice drop':>14} {'HC shift (worst)':>18}"
    ]
    keys = sorted({(RUNGS.index(t.rung), t.count, t.chosen != "spread") for t in trials})
    for rung, count, is_random in keys:
        of = [t for t in trials if (t.rung, t.count, t.chosen != "spread") == (RUNGS[rung], count, is_random)]
        drops = [t.dice_drop_points for t in of if t.dice_drop_points is not None]
        shifts = [t.hc_shift_mm for t in of if t.hc_shift_mm is not None]
        drop = f"{np.mean(drops):+.3f} points" if drops else "-"
        shift = f"{np.mean(shifts):.3f} ({max(shifts):.3f}) mm" if shifts else "-"
        sqnr = np.mean([t.sqnr_db for t in of])
        lines.append(f"{RUNGS[rung]:<15} {count:>6} {of[0].chosen:<7} {sqnr:>10.1f} {drop:>14} {shift:>18}")
    return "\n".join(lines)


def make_document(job: Job, trials: Sequence[Trial]) -> CalibrationDocument:
    """The document of trials that were measured on this machine now."""
    from export.artifact import TOOLS

    return CalibrationDocument(
        checkpoint_sha256=job.checkpoint.sha256,
        strategy=job.name,
        data=job.dataset.title,
        n_validation=len(job.validation),
        git_commit=git_commit(),
        tools=tool_versions(TOOLS),
        trials=tuple(trials),
    )
