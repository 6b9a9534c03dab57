"""How well an artifact does against the reference, and what its conversion cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.metrics import ImageScore, paired_shifts, summarize
from export.images import Images, load_images
from train.data.hc18 import Dataset, Sample, cache
from train.data.score import Predict, score_sample


@dataclass(frozen=True)
class Exam:
    """What accuracy is measured on.

    Attributes:
        title: Of the data set.
        parts: File names by name of the part; parts may overlap.
        images: Every image of any part, once.
        limit: Most images of a part, or None.
    """

    title: str
    parts: Mapping[str, tuple[str, ...]]
    images: Images
    limit: int | None


def make_exam(
    dataset: Dataset, parts: Mapping[str, Sequence[Sample]], size: tuple[int, int], limit: int | None
) -> Exam:
    """Read and prepare the images of all parts, once for all artifacts of a checkpoint.

    Args:
        dataset: Where they come from.
        parts: Samples by name of the part.
        size: (h, w) of the network's input in pixels.
        limit: Recorded: the cap that the parts were chosen with.
    """
    union = {s.name: s for samples in parts.values() for s in samples}
    images = load_images(cache(list(union.values())), size)
    names = {part: tuple(s.name for s in samples) for part, samples in parts.items()}
    return Exam(dataset.title, names, images, limit)


def take(predict: Predict, exam: Exam | None) -> dict[str, ImageScore]:
    """Scores by file name; none without an exam."""
    if exam is None:
        return {}
    pairs = zip(exam.images.samples, exam.images.inputs, strict=True)
    return {s.name: score_sample(s, x, predict(x)) for s, x in pairs}


def accuracy(
    exam: Exam | None, scores: Mapping[str, ImageScore], baseline: Mapping[str, ImageScore], against: str
) -> dict[str, Any]:
    """What a manifest says of an artifact's accuracy.

    Args:
        exam: What it was measured on; None where no image is fair to test on.
        scores: The artifact's.
        baseline: Those of the same checkpoint in float32.
        against: Name of what gave them.

    Returns:
        ``title``, ``limit``, and under ``parts`` for each part its summary (see
        :func:`edge_runtime.metrics.summarize`) and ``degradation``.
    """
    if exam is None:
        return {"title": None, "parts": {}}
    parts = {}
    for part, names in exam.parts.items():
        own, base = ([scores_of[n] for n in names] for scores_of in (scores, baseline))
        parts[part] = {**summarize(own), "degradation": mean_degradation(own, base, against)}
    return {"title": exam.title, "limit": exam.limit, "parts": parts}


def mean_degradation(scores: Sequence[ImageScore], baseline: Sequence[ImageScore], against: str) -> dict[str, Any]:
    """What a conversion costs, for the manifest: means of the :class:`edge_runtime.metrics.Shifts` from float32.

    Returns:
        ``against``; ``dice_points``, the mean change of Dice in points of 100 (negative is worse);
        ``hc_shift_mm``, the mean change of the head circumference; ``hc_absolute_shift_mm``, the mean of its absolute
        values; ``n_hc``, images measured by both, which the two are taken over (both None where there are none).
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
