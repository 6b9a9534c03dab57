"""Make the channels of a tensor equally loud, so that one int8 scale suits all of them.

Each channel of a layer's output is divided by a factor, and the weights that read the channel are multiplied by it, so
the network computes the same. This is cross-layer equalization (Nagel et al., 2019, arXiv 1906.04721). The factors
balance a channel's values against the weights that read it, as in SmoothQuant (Xiao et al., 2022, arXiv 2211.10438).
It is exact for linear layers and ReLU. Behind ReLU6, a channel is only made louder, and only so far that its largest
observed value is at most 6; this is exact for the observed values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.tflite.model import WEIGHTED, Model, Operator

PASSING = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
"""Operators that work on each channel alone and commute with scaling it."""

MOST = 1000.0
"""Maximum ratio between a channel's factor and the median factor, in either direction."""

_INPUT_CHANNELS = 3
"""Axis of a layer's weights that counts input channels, for all kinds of layers."""


@dataclass(frozen=True)
class _Reader:
    """A layer that reads a tensor, from the layer's input channel ``first`` on."""

    layer: Operator
    first: int


def equalize(model: Model, loudness: Mapping[str, NDArray[np.floating[Any]]]) -> bytes:
    """Equalize every tensor that is read only by layers with weights.

    Args:
        model: The network in float32.
        loudness: (channels,) maximum magnitude of each channel of every operator's output, by the tensor's name.

    Returns:
        The network as a .tflite file with changed weights and biases.
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
    """The layers that read a tensor, directly or behind operators that pass channels on.

    Empty if anything else reads it, too: then its channels cannot be scaled.
    """
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
    """Maximum magnitude of the weights that read each channel, relative to the loudest with the same scale, 0 to 1."""
    if reader.layer.kind == "DEPTHWISE_CONV_2D":  # each channel's weights have their own scale, so nothing is lost
        return np.zeros(n_channels)
    rows = np.abs(weights).reshape(weights.shape[0], -1, weights.shape[_INPUT_CHANNELS]).max(axis=1)
    relative = rows / np.maximum(rows.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray(relative.max(axis=0)[reader.first : reader.first + n_channels], np.float64)


def _factors(loudness: NDArray[np.float64], sensitivity: NDArray[np.float64], cap: float) -> NDArray[np.float64]:
    """Divisors of the channels.

    They make loudness and sensitivity equal for each channel, or all channels equally loud if no weights are sensitive.

    Args:
        loudness: (channels,) maximum magnitude of each channel.
        sensitivity: (channels,), see :func:`_sensitivity`.
        cap: Value at which the activation clips; inf if it does not.
    """
    alive = loudness > 0
    if not alive.any():
        return np.ones_like(loudness)
    factors = np.sqrt(loudness / np.maximum(sensitivity, 1e-6)) if sensitivity.any() else loudness.copy()
    median = float(np.median(factors[alive]))
    factors = np.clip(np.where(alive, factors, median), median / MOST, median * MOST)
    if np.isinf(cap):
        return factors / median
    # At most 1: a fainter channel would no longer be clipped at the cap. At least loudness / cap: a channel that is too
    # loud would be clipped at observed values.
    return np.maximum(factors / factors.max(), np.minimum(loudness / cap, 1))


def _multiply(weights: NDArray[np.float32], axis: int, factors: NDArray[np.float32], first: int = 0) -> None:
    """Multiply the channels from ``first`` on along an axis, in place."""
    np.moveaxis(weights, axis, -1)[..., first : first + len(factors)] *= factors
