"""Score any predictor on samples: the same code for torch, ONNX and TFLite. Needs numpy and Pillow only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.geometry import LETTERBOX, Geometry, ResizeRule
from edge_runtime.frame.preprocess import Prepared, prepare
from edge_runtime.frame.resize import resize
from edge_runtime.head.find_head import Head, find_head
from edge_runtime.head.mask import positive_at
from edge_runtime.metrics import ImageScore, paper_pooled, score_image
from edge_runtime.quality.verdict import measure_head
from train.data.hc18 import Sample
from train.data.reference import Reference

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From a prepared frame uint8 (h, w) to logits float32, of the same size or a part of it."""


def score_sample(
    sample: Sample,
    prepared: Prepared,
    logits: NDArray[np.float32],
    distances: bool = True,
    threshold: float = 0.5,
) -> ImageScore:
    """Score logits of one image at its original resolution, refusals as the runtime makes them.

    Args:
        sample: The image and its reference.
        prepared: What the network saw.
        logits: What it answered, float32 (h, w).
        distances: Compute the Hausdorff distance and the Dice of the ellipse, too.
        threshold: Probability above which a pixel is head.
    """
    return score_head(sample, prepared, find_head(logits, prepared.geometry, threshold=threshold), distances)


def score_head(sample: Sample, prepared: Prepared, head: Head, distances: bool = True) -> ImageScore:
    """Score a head that was found in one image. The arguments are those of :func:`score_sample`."""
    _, hc, reason = measure_head(head, prepared, (sample.pixel_size_mm, sample.pixel_size_mm))
    return score_result(sample, head, hc, reason, distances)


def score_result(
    sample: Reference, head: Head, hc_mm: float | None, reason: str | None, distances: bool = True
) -> ImageScore:
    """Score the head found in one image, and its circumference.

    Args:
        sample: The image and its reference.
        head: The head that was found, at the image's resolution.
        hc_mm: Measured head circumference in mm; None if refused.
        reason: Why it was refused.
        distances: Compute the Hausdorff distance and the Dice of the ellipse, too.
    """
    reference = sample.mask()
    return score_image(
        sample.name,
        head.mask,
        reference,
        pixel_size_mm=sample.pixel_size_mm,
        hc_mm=hc_mm,
        reference_hc_mm=sample.hc_mm,
        reason=reason,
        distances=distances,
        ellipse=_interior(head, reference) if distances else None,
    )


def _interior(head: Head, reference: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Interior of a head's ellipse, bool of the reference's shape; empty without an ellipse."""
    height, width = reference.shape
    return np.zeros_like(reference) if head.ellipse is None else head.ellipse.interior((height, width))


def place_mask(mask: NDArray[np.bool_], geometry: Geometry) -> NDArray[np.float32]:
    """A frame's mask as the network's output should be: the share of each pixel that it covers.

    Where the frame shrinks linearly, as the paper's do, the nearest pixel of the mask as in its program: 0 or 1.

    Args:
        mask: bool (H, W).
        geometry: Where the frame lies in the network's input.

    Returns:
        float32 (h, w), 0 to 1; 0 beside the frame's content.
    """
    coverage = np.zeros(geometry.network, dtype=np.float32)
    seen, size = mask[geometry.content.slices], geometry.place.size
    if geometry.shrink == "linear":
        down, across = (np.arange(few) * many // few for many, few in zip(seen.shape, size, strict=True))
        coverage[geometry.place.slices] = seen[np.ix_(down, across)]
    else:
        coverage[geometry.place.slices] = resize(seen, size)
    return coverage


def evaluate(
    predict: Predict,
    samples: Sequence[Sample],
    size: tuple[int, int],
    rule: ResizeRule = LETTERBOX,
    threshold: float = 0.5,
) -> list[ImageScore]:
    """Score a predictor on samples.

    Args:
        predict: From prepared frame to logits.
        samples: What to score on.
        size: (height, width) of the network's input.
        rule: How a frame is fitted into it.
        threshold: Probability above which a pixel is head.
    """
    scores = []
    for sample in samples:
        prepared = prepare(sample.frame(), size, rule=rule)
        scores.append(score_sample(sample, prepared, predict(prepared.image), threshold=threshold))
    return scores


def evaluate_paper(
    predict: Predict, samples: Sequence[Sample], size: tuple[int, int], rule: ResizeRule = LETTERBOX
) -> dict[str, float]:
    """The paper's pooled figures, against its filled contours at network resolution."""
    predicted, reference = [], []
    for sample in samples:
        prepared = prepare(sample.frame(), size, rule=rule)
        predicted.append(positive_at(predict(prepared.image), size))
        reference.append(place_mask(sample.mask("contour"), prepared.geometry) > 0.5)
    return paper_pooled(np.stack(predicted), np.stack(reference))
