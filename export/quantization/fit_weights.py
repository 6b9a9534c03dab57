"""Round each layer's weights together, so that their errors cancel on real images.

Rounding each weight to the nearest step is best for the weight, not for the layer's output. Here the weights that are
not rounded yet make up for an error, as far as their inputs vary together. This is GPTQ (Frantar et al., 2023, arXiv
2210.17323), with the objective of AdaRound (Nagel et al., 2020, arXiv 2004.10568). The mean error goes into the bias.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.preprocess import to_unit
from export.quantization.ranges import INPUT_RANGE, Range
from export.quantization.to_int8 import scale_and_zero, weight_scales
from export.tflite.interpreter import Kept
from export.tflite.model import WEIGHTED, Model, Operator

MOST_INPUTS = 1300
"""Layers whose outputs read more values are left alone: among so many weights the errors average out."""

PLACES = 50
"""Places of each image at which a layer's inputs are looked at."""

_DAMPING = 0.01
"""Share of the mean variance that is added to each input's, so that inputs that hardly vary are not relied on."""


class _Inputs:
    """What a layer reads: the mean of (groups, d) values, and their covariance (groups, d, d)."""

    def __init__(self) -> None:
        self.n, self._total, self._products = 0, np.zeros(()), np.zeros(())

    def add(self, read: NDArray[np.float64]) -> None:
        """Look at places, (groups, places, d)."""
        self.n += read.shape[1]
        self._total = self._total + read.sum(axis=1)
        self._products = self._products + read.transpose(0, 2, 1) @ read

    @property
    def mean(self) -> NDArray[np.float64]:
        return self._total / self.n

    @property
    def covariance(self) -> NDArray[np.float64]:
        return self._products / self.n - self.mean[:, :, None] * self.mean[:, None, :]


def fit_weights(model: Model, ranges: Mapping[str, Range], images: NDArray[np.uint8], seed: int = 0) -> Model:
    """Choose weights that int8 holds exactly, and biases.

    Args:
        model: The network in float32.
        ranges: Those it will be quantized with; see :func:`export.quantization.to_int8.quantize`.
        images: Calibration images, uint8 (N, h, w).
        seed: Seed of the places.

    Returns:
        The network in float32 with the chosen weights. Quantized with the same ranges, it keeps them.
    """
    layers = [layer for layer in model.operators if _is_fitted(model, layer)]
    steps = {name: scale_and_zero(bounds)[0] for name, bounds in ranges.items()}
    steps[model.inputs[0].name] = scale_and_zero(INPUT_RANGE)[0]
    changed = {}
    for layer, inputs in zip(layers, _observe(model, layers, images, seed), strict=True):
        stored, bias = (model.values(tensor) for tensor in (model.weights(layer), model.bias(layer)) if tensor)
        source, target = (steps[model.tensors[i].name] for i in (layer.inputs[0], layer.outputs[0]))
        scales = weight_scales(stored, WEIGHTED[layer.kind], bias, source, target).astype(np.float64)
        rows, mean = _rows(layer, stored), inputs.mean
        groups = zip(np.split(rows, len(mean)), np.split(scales, len(mean)), inputs.covariance, strict=True)
        fitted = np.concatenate([_round(part, scale, spread) for part, scale, spread in groups])
        lost = ((fitted - rows) * np.repeat(mean, len(rows) // len(mean), axis=0)).sum(axis=1)
        changed[layer.index] = _stored(layer, fitted, stored.shape), (bias - lost).astype(np.float32)
    return Model(model.with_layers(changed))


def _is_fitted(model: Model, layer: Operator) -> bool:
    """Whether it is a plain or depthwise convolution that reads few enough values."""
    options = model.options(layer)
    if layer.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D") or model.bias(layer) is None:
        return False
    _, height, width, channels = model.weights(layer).shape
    is_grouped = layer.kind == "CONV_2D" and channels != model.tensors[layer.inputs[0]].shape[-1]
    is_dilated = max(options.dilationHFactor, options.dilationWFactor) > 1
    read = height * width * (channels if layer.kind == "CONV_2D" else 1)
    return read <= MOST_INPUTS and not is_grouped and not is_dilated


def _observe(model: Model, layers: list[Operator], images: NDArray[np.uint8], seed: int) -> list[_Inputs]:
    """What each layer reads in float32, at random places of each image."""
    rng, kept = np.random.default_rng(seed), Kept(model)
    found = [_Inputs() for _ in layers]
    for image in images:
        frame = to_unit(image)[None, :, :, None]
        kept.run(frame)
        for layer, inputs in zip(layers, found, strict=True):
            index = layer.inputs[0]
            read = frame if index == model.inputs[0].index else kept.value(index)
            inputs.add(_patches(model, layer, read[0], rng).astype(np.float64))
            del read  # no view may outlive the next run
    return found


def _patches(model: Model, layer: Operator, read: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The values that :data:`PLACES` outputs read, (groups, places, d): one group for all channels, or one for each."""
    _, height, width, _ = model.weights(layer).shape
    options = model.options(layer)
    if options.padding == 0:  # SAME: the odd row or column of zeros is at the end
        around = [_same(length, taps, step) for length, taps, step in
                  zip(read.shape, (height, width), (options.strideH, options.strideW), strict=False)]  # fmt: skip
        read = np.pad(read, (*around, (0, 0)))
    tops = rng.integers(0, (read.shape[0] - height) // options.strideH + 1, PLACES) * options.strideH
    lefts = rng.integers(0, (read.shape[1] - width) // options.strideW + 1, PLACES) * options.strideW
    taps = np.stack([read[tops + y, lefts + x] for y in range(height) for x in range(width)], axis=1)
    return taps.reshape(1, PLACES, -1) if layer.kind == "CONV_2D" else np.moveaxis(taps, 2, 0)


def _same(length: int, taps: int, step: int) -> tuple[int, int]:
    total = max((-(-length // step) - 1) * step + taps - length, 0)
    return total // 2, total - total // 2


def _rows(layer: Operator, stored: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weights as (output channels, d), in the order in which :func:`_patches` gives what they read."""
    values = stored.reshape(len(stored), -1) if layer.kind == "CONV_2D" else stored[0].reshape(-1, stored.shape[3]).T
    return np.asarray(values, np.float64)


def _stored(layer: Operator, rows: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The inverse of :func:`_rows`."""
    values = rows if layer.kind == "CONV_2D" else rows.T
    return np.ascontiguousarray(values, dtype=np.float32).reshape(shape)


def _round(rows: NDArray[np.float64], scales: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """GPTQ: round column by column, the one that varies most first, and make up for each error in those to come.

    A row's largest weight stays as it is, since the row's scale follows from it.

    Args:
        rows: (channels, d).
        scales: (channels,), of each row.
        spread: (d, d), covariance of what is read.

    Returns:
        (channels, d), whole multiples of the scales.
    """
    d = rows.shape[1]
    spread = spread + np.eye(d) * max(_DAMPING * np.trace(spread) / d, 1e-12)
    order = np.argsort(-np.diag(spread), kind="stable")
    left = rows[:, order].copy()
    pinned = np.arange(d) == np.abs(left).argmax(axis=1)[:, None]
    factor = np.linalg.cholesky(np.linalg.inv(spread[np.ix_(order, order)])).T
    rounded = np.empty_like(left)
    for j in range(d):
        rounded[:, j] = np.clip(np.rint(left[:, j] / scales), -127, 127) * scales
        error = (left[:, j] - rounded[:, j]) / factor[j, j]
        left[:, j + 1 :] -= np.where(pinned[:, j + 1 :], 0, error[:, None] * factor[j, j + 1 :])
    found = np.empty_like(rounded)
    found[:, order] = rounded
    return found
