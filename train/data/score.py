"""Score any predictor on samples: the same code for torch, ONNX and TFLite. Needs numpy and Pillow only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.preprocess import prepare
from edge_runtime.frame.resize import resize
from edge_runtime.head.find_head import find_head
from edge_runtime.metrics import ImageScore, paper_pooled, score_image
from edge_runtime.quality.verdict import measure_head
from train.data.hc18 import Sample

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From a prepared frame uint8 (h, w) to logits float32 (h, w)."""


def score_sample(
    sample: Sample,
    network_input: NDArray[np.uint8],
    logits: NDArray[np.float32],
    distances: bool = True,
    threshold: float = 0.5,
) -> ImageScore:
    """Score logits of one image at its original resolution, refusals as the runtime makes them.

    Args:
        sample: The image and its reference.
        network_input: What the network saw, uint8 (h, w).
        logits: What it answered, float32 (h, w).
        distances: Compute the Hausdorff distance too.
        threshold: Probability above which a pixel is head.
    """
    reference = sample.mask()
    head = find_head(logits, (reference.shape[0], reference.shape[1]), threshold)
    _, hc, reason = measure_head(head, network_input, (sample.pixel_size_mm, sample.pixel_size_mm))
    return score_image(
        sample.name,
        head.mask,
        reference,
        pixel_size_mm=sample.pixel_size_mm,
        hc_mm=hc,
        reference_hc_mm=sample.hc_mm,
        reason=reason,
        distances=distances,
    )


def evaluate(
    predict: Predict, samples: Sequence[Sample], size: tuple[int, int], threshold: float = 0.5
) -> list[ImageScore]:
    """Score a predictor on samples.

    Args:
        predict: From prepared frame to logits.
        samples: What to score on.
        size: (height, width) of the network's input.
        threshold: Probability above which a pixel is head.
    """
    scores = []
    for sample in samples:
        network_input = prepare(sample.frame(), size)
        scores.append(score_sample(sample, network_input, predict(network_input), threshold=threshold))
    return scores


def evaluate_paper(predict: Predict, samples: Sequence[Sample], size: tuple[int, int]) -> dict[str, float]:
    """The paper's pooled figures, against its filled contours at network resolution."""
    predicted, reference = [], []
    for sample in samples:
        predicted.append(predict(prepare(sample.frame(), size)) > 0)
        reference.append(resize(sample.mask("contour"), size) > 0.5)
    return paper_pooled(np.stack(predicted), np.stack(reference))
