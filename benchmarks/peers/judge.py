"""Scores an engine's answers as the export scores its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.scores import Scores, scores_of
from edge_runtime.errors import FetalHeadError
from edge_runtime.head.find_head import find_head
from edge_runtime.metrics import overlap
from export.images import Images
from train.data.score import score_sample


@dataclass(frozen=True)
class Judged:
    """An engine's answers on all images.

    Attributes:
        scores: Their scores.
        masks: The head in each image, at its size.
    """

    scores: Scores
    masks: tuple[NDArray[np.bool_], ...]

    def agreement(self, other: Judged) -> float:
        """Mean Dice of its masks with another's."""
        return float(np.mean([overlap(a, b)[0] for a, b in zip(self.masks, other.masks, strict=True)]))


def judge(path: Path, shape: tuple[int, int], images: Images) -> Judged:
    """Score a file of logits.

    Args:
        path: float32, one answer after the other.
        shape: Of one answer.
        images: What was answered.

    Raises:
        FetalHeadError: The file is not one answer for each image, or an answer is not finite.
    """
    answers = np.fromfile(path, np.float32)
    if answers.size != len(images.samples) * int(np.prod(shape)):
        raise FetalHeadError(f"it gave {answers.size} values for {len(images.samples)} images")
    if not np.isfinite(answers).all():
        raise FetalHeadError("it gave values that are not finite")
    triples = list(zip(images.samples, images.prepared, answers.reshape(-1, *shape), strict=True))
    scores = scores_of([score_sample(sample, prepared, logits) for sample, prepared, logits in triples])
    return Judged(scores, tuple(find_head(logits, prepared.geometry).mask for _, prepared, logits in triples))
