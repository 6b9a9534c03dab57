"""Find out what the loss of full int8 comes from: the weights or the values between the layers, and which layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.quantization.settings import Settings
from export.quantization.side_by_side import pair
from export.quantization.stretches import LAYERS
from export.quantization.to_int8 import quantize
from export.tflite.model import WEIGHTED, Model

WORST = 3
"""Number of stretches that are named."""


@dataclass(frozen=True)
class Causes:
    """The parts of the loss of a network in full int8.

    Attributes:
        method: The way of quantizing that was divided: the full int8 that loses least.
        weights_hc_shift_mm: Mean absolute change of the head circumference against torch if only the weights are
            rounded, in mm over clear images; None if there is none, as the next.
        values_hc_shift_mm: The same if only the values between the operators are rounded.
        n_layers: Number of layers with weights.
        stretch_costs: What each stretch of :data:`export.quantization.stretches.LAYERS` layers costs, in the order of
            computation; see :func:`export.quantization.stretches.stretch_costs`.
    """

    method: str
    weights_hc_shift_mm: float | None
    values_hc_shift_mm: float | None
    n_layers: int
    stretch_costs: tuple[float, ...]

    def lines(self) -> list[str]:
        """The parts as text."""
        parts = (("weights", self.weights_hc_shift_mm), ("values between the layers", self.values_hc_shift_mm))
        alone = [f"{mm:.3f} mm if only the {what} are rounded" for what, mm in parts if mm is not None]
        total = sum(self.stretch_costs) or 1.0
        worst = sorted(enumerate(self.stretch_costs), key=lambda one: -one[1])[:WORST]
        named = ", ".join(f"{self.span(place)} ({cost / total:.0%})" for place, cost in worst)
        return [
            *([f"HC shift with {self.method}: {', '.join(alone)}"] if alone else []),
            f"of {self.n_layers} layers, these change the probabilities most (with their share): {named}",
        ]

    def span(self, place: int) -> str:
        """The layers of a stretch, by its place in the order of computation, counted from 1."""
        first, last = LAYERS * place + 1, min(LAYERS * (place + 1), self.n_layers)
        return f"{first} to {last}" if last > first else str(first)


def only_weights(level: Model, settings: Settings) -> Model:
    """The network in float32 with the weights and biases of its full int8.

    Args:
        level: The network in float32, with equalized channels if the settings have them.
        settings: How it is quantized.
    """
    quantized = Model(quantize(level, settings.ranges, (), settings.bias_shift))
    layers: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    for layer, operator in pair(level, quantized):
        bias = quantized.bias(operator) if layer.kind in WEIGHTED else None
        if bias is None or level.bias(layer) is None:
            continue
        weights, axis = quantized.weights(operator), WEIGHTED[layer.kind]
        scales = np.array(weights.scales, np.float32).reshape([-1 if i == axis else 1 for i in range(4)])
        layers[layer.index] = (
            quantized.values(weights) * scales,
            (quantized.values(bias) * np.array(bias.scales)).astype(np.float32),
        )
    return Model(level.with_layers(layers))


def only_values(level: Model, settings: Settings) -> Model:
    """The network with the weights of float32, whose operators' outputs are rounded as in full int8.

    The arguments are those of :func:`only_weights`.
    """
    return Model(quantize(level, settings.ranges, weights=False))
