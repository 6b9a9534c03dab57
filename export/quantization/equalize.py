"""Make the channels of a tensor equally loud, so that one int8 scale serves them all; the network's answer stays.

What a layer gives is divided, channel by channel, and the weights that read it are multiplied by as much: cross-layer
equalization (Nagel et al., 2019, arXiv 1906.04721), balanced between a channel's values and the weights that read it
as in SmoothQuant (Xiao et al., 2022, arXiv 2211.10438). Exact for linear layers and ReLU. Behind ReLU6 a channel is
only made louder, and what was seen of it stays below 6: there it is exact on what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.tflite.model import WEIGHTED, Model, Operator

PASSING = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
"""Operators that treat every channel by itself, and 0 as 0."""

MOST = 1000.0
"""No channel is made more than so many times louder or fainter than the median one."""

_INPUT_CHANNELS = 3
"""Axis of every kind of weight that counts what a layer reads."""


@dataclass(frozen=True)
class _Reader:
    """A layer that reads a tensor; the tensor's first channel is its channel ``first``."""

    layer: Operator
    first: int


def equalize(model: Model, loudness: Mapping[str, NDArray[np.floating[Any]]]) -> bytes:
    """Equalize every tensor that only layers with weights read.

    Args:
        model: In float32.
        loudness: (channels,) largest magnitude of each channel of what every operator gives, by the tensor's name.

    Returns:
        The network as a .tflite file, with other weights and biases.
    """
    layers = {operator.index: operator for operator in model.operators if operator.kind in WEIGHTED}
    weights = {i: model.values(model.weights(layer)).copy() for i, layer in layers.items()}
    biases = {i: model.values(bias).copy() for i, layer in layers.items() if (bias := model.bias(layer))}
    for index in biases:
        output = model.tensors[layers[index].outputs[0]]
        readers = _readers(model, output.index)
        cap = {"NONE": np.inf, "RELU": np.inf, "RELU6": 6.0}.get(model.activation(layers[index]))
        if not readers or cap is None:
            continue
        loud = loudness[output.name].astype(np.float64)
        sensitivity = np.max([_sensitivity(r, weights[r.layer.index], len(loud)) for r in readers], axis=0)
        factors = _factors(loud, sensitivity, cap).astype(np.float32)
        _multiply(weights[index], WEIGHTED[layers[index].kind], 1 / factors)
        biases[index] /= factors
        for reader in readers:
            _multiply(weights[reader.layer.index], _INPUT_CHANNELS, factors, reader.first)
    return model.with_layers({index: (weights[index], bias) for index, bias in biases.items()})


def _readers(model: Model, index: int, first: int = 0) -> list[_Reader]:
    """The layers that read a tensor, also by way of what passes channels on; empty where something else does too."""
    if any(output.index == index for output in model.outputs):
        return []
    found = []
    for operator in model.operators:
        if index not in operator.inputs:
            continue
        if operator.kind in WEIGHTED:
            further = [_Reader(operator, first)]
        elif operator.kind in PASSING:
            further = _readers(model, operator.outputs[0], first)
        elif operator.kind == "CONCATENATION":
            before = operator.inputs[: operator.inputs.index(index)]
            channels = sum(model.tensors[i].shape[-1] for i in before)
            further = _readers(model, operator.outputs[0], first + channels)
        else:
            further = []
        if not further:
            return []
        found += further
    return found


def _sensitivity(reader: _Reader, weights: NDArray[np.float32], n_channels: int) -> NDArray[np.float64]:
    """How loud the weights that read each channel are, in units of their own scales; 0 where each has its own."""
    if reader.layer.kind == "DEPTHWISE_CONV_2D":
        return np.zeros(n_channels)
    rows = np.abs(weights).reshape(weights.shape[0], -1, weights.shape[_INPUT_CHANNELS]).max(axis=1)
    relative = rows / np.maximum(rows.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray(relative.max(axis=0)[reader.first : reader.first + n_channels], np.float64)


def _factors(loudness: NDArray[np.float64], sensitivity: NDArray[np.float64], cap: float) -> NDArray[np.float64]:
    """What each channel is divided by: so that loudness and sensitivity meet halfway, or loudness alone is levelled."""
    alive = loudness > 0
    if not alive.any():
        return np.ones_like(loudness)
    factors = np.sqrt(loudness / np.maximum(sensitivity, 1e-6)) if sensitivity.any() else loudness.copy()
    median = float(np.median(factors[alive]))
    factors = np.clip(np.where(alive, factors, median), median / MOST, median * MOST)
    if np.isinf(cap):
        return factors / median
    return np.maximum(factors / factors.max(), np.minimum(loudness / cap, 1))


def _multiply(weights: NDArray[np.float32], axis: int, factors: NDArray[np.float32], first: int = 0) -> None:
    """Multiply channels along an axis, from ``first`` on, in place."""
    np.moveaxis(weights, axis, -1)[..., first : first + len(factors)] *= factors
