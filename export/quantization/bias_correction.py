"""Compare each layer alone in int8 and in float32, and correct biases for the mean error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.preprocess import to_unit
from export.quantization.side_by_side import alone, pair, run_all
from export.tflite.model import WEIGHTED, Model, Operator

_LEFT_ALONE = {"NONE": (-np.inf, np.inf), "RELU": (0.0, np.inf), "RELU6": (0.0, 6.0)}
"""Interval in which an activation leaves values unchanged."""

LEAST_ACTIVE = 0.01
"""A channel's bias is corrected only if its activation leaves more than this share of the values unchanged."""


AT_ONCE = 4
"""Number of images whose tensors are in memory together: 0.3 GB for the paper's network at 256x256."""


def _layers(
    plain: Model, quantized: Model, images: NDArray[np.uint8], threads: int
) -> Iterator[tuple[Operator, NDArray[np.float32], NDArray[np.float32]]]:
    """Yield each layer, its output in float32, and its output in int8 for the same inputs, a few images at a time."""
    pairs = [(p, q) for p, q in pair(plain, quantized) if p.kind in WEIGHTED]
    for start in range(0, len(images), AT_ONCE):
        frames = [to_unit(image) for image in images[start : start + AT_ONCE]]
        exact = run_all(plain, [p for p, _ in pairs], frames, threads)
        for layer, operator in pairs:
            yield layer, np.concatenate(exact[layer.outputs[0]]), alone(plain, quantized, layer, operator, exact)


def bias_shifts(
    plain: Model, quantized: Model, images: NDArray[np.uint8], threads: int = 1
) -> dict[int, NDArray[np.float32]]:
    """Empirical bias correction (Nagel et al., 2019, arXiv 1906.04721, appendix D).

    Values that an activation clips do not count: their error is hidden. The bias is corrected by the mean error of the
    other values.

    Args:
        plain: The network in float32.
        quantized: The same network in full int8.
        images: uint8 (N, h, w).
        threads: Number of CPU threads.

    Returns:
        The values to add to the bias of each layer, float32 (channels,), by the layer's index in ``plain``.
    """
    totals: dict[int, NDArray[np.float64]] = {}  # (3, channels): sum of errors, number of errors, number of values
    for layer, wanted, given in _layers(plain, quantized, images, threads):
        low, high = _LEFT_ALONE.get(plain.activation(layer), (np.inf, -np.inf))
        flat = wanted.reshape(-1, wanted.shape[-1])
        active = (flat > low) & (flat < high)
        error = np.where(active, given.reshape(flat.shape) - flat, 0).sum(axis=0, dtype=np.float64)
        found = np.stack([error, active.sum(axis=0), np.full(flat.shape[1], len(flat))])
        totals[layer.index] = totals.get(layer.index, np.zeros_like(found)) + found
    return {
        index: np.where(active > LEAST_ACTIVE * count, -error / np.maximum(active, 1), 0).astype(np.float32)
        for index, (error, active, count) in totals.items()
    }
