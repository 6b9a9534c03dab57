"""Measure an artifact's accuracy against the annotations, and the loss of its conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.frame.geometry import ResizeRule
from edge_runtime.metrics import ImageScore, paired_shifts, summarize
from export.images import Images, load_images
from train.data.hc18 import Dataset, Sample, cache
from train.data.score import Predict, score_sample


@dataclass(frozen=True)
class Exam:
    """The images on which accuracy is measured.

    Attributes:
        title: Title of the data set.
        parts: File names by name of the part. Parts may overlap.
        images: The images of all parts, each once.
        limit: Maximum number of images per part; None for no maximum.
    """

    title: str
    parts: Mapping[str, tuple[str, ...]]
    images: Images
    limit: int | None


def make_exam(
    dataset: Dataset,
    parts: Mapping[str, Sequence[Sample]],
    size: tuple[int, int],
    rule: ResizeRule,
    limit: int | None,
) -> Exam:
    """Read and prepare the images of all parts, once for all artifacts of a checkpoint.

    Args:
        dataset: The data set.
        parts: Samples by name of the part.
        size: (h, w) of the network's input in pixels.
        rule: How a frame is fitted into it.
        limit: Maximum number of images that the parts were chosen with. It is only recorded.
    """
    union = {s.name: s for samples in parts.values() for s in samples}
    images = load_images(cache(list(union.values())), size, rule)
    names = {part: tuple(s.name for s in samples) for part, samples in parts.items()}
    return Exam(dataset.title, names, images, limit)


def take(predict: Predict, exam: Exam | None) -> dict[str, ImageScore]:
    """Score a network on all images of an exam. Returns scores by file name; empty without an exam."""
    if exam is None:
        return {}
    pairs = zip(exam.images.samples, exam.images.prepared, strict=True)
    return {s.name: score_sample(s, x, predict(x.image)) for s, x in pairs}


def accuracy(
    exam: Exam | None, scores: Mapping[str, ImageScore], baseline: Mapping[str, ImageScore], against: str
) -> dict[str, Any]:
    """The manifest's record of an artifact's accuracy.

    Args:
        exam: The images; None if there are no unseen test images.
        scores: The artifact's scores.
        baseline: Scores of the same checkpoint in float32.
        against: Name of the network that gave the baseline.

    Returns:
        ``title`` and ``limit``. ``parts`` has the summary of each part (see :func:`edge_runtime.metrics.summarize`)
        and its ``degradation``.
    """
    if exam is None:
        return {"title": None, "limit": None, "parts": {}}
    parts = {}
    for part, names in exam.parts.items():
        own, base = ([scores_of[n] for n in names] for scores_of in (scores, baseline))
        parts[part] = {**summarize(own), "degradation": mean_degradation(own, base, against)}
    return {"title": exam.title, "limit": exam.limit, "parts": parts}


def mean_degradation(scores: Sequence[ImageScore], baseline: Sequence[ImageScore], against: str) -> dict[str, Any]:
    """The manifest's record of the loss: means of the :class:`edge_runtime.metrics.Shifts` from float32.

    Returns:
        ``against``; ``dice_points``, the mean change of Dice in points of 100 (negative is worse);
        ``hc_shift_mm``, the mean change of the head circumference; ``hc_absolute_shift_mm``, the mean absolute change;
        and ``n_hc``, the number of images that both measured. The last two means are over these, and None if there are
        none.
    """
    paired = paired_shifts(scores, baseline)
    return {
        "against": against,
        "dice_points": _mean(paired.dice_points),
        "hc_shift_mm": _mean(paired.hc_mm),
        "hc_absolute_shift_mm": _mean(paired.hc_absolute_mm),
        "n_hc": len(paired.hc_mm),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
