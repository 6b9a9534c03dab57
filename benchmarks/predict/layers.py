"""What an operator computes and moves, whether it comes from a file or from the description of a known network."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.predict.instructions import ELEMENTWISE, Instructions, Kernels, convolution, depthwise
from benchmarks.roofline.moved import bytes_moved, tensors_moved
from benchmarks.roofline.operators import count_macs, fused
from export.tflite.model import WEIGHTED, Model, Operator


@dataclass(frozen=True)
class Layer:
    """A fused operator.

    Attributes:
        kind: TensorFlow Lite's name; with the PAD that belongs to it.
        shape: Shape of its output.
        pixels: Positions at which a convolution is computed; of other kinds, values that are passed through.
        inputs: Input channels; 1 where there are no weights.
        outputs: Output channels; 1 where there are no weights.
        taps: Height times width of the kernel; 1 where there are no weights.
        macs: Multiply-accumulates.
        weight_bytes: Bytes of its constants.
        activation_bytes: Bytes that it reads and writes besides.
        index: Place of its last operator in the order of computation.
    """

    kind: str
    shape: tuple[int, ...]
    pixels: int
    inputs: int
    outputs: int
    taps: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    index: int = 0

    @property
    def own_kind(self) -> str:
        """The kind without its PAD."""
        return self.kind.removeprefix("PAD + ")

    @property
    def group(self) -> str:
        """Kind in words, as far as the speed depends on it: ``3x3`` stands for every kernel above 1x1."""
        if self.own_kind == "DEPTHWISE_CONV_2D":
            return "depthwise"
        if self.own_kind in WEIGHTED:
            if min(self.inputs, self.outputs) < FEW_CHANNELS:
                return "few channels"
            return "1x1" if self.taps == 1 else "dense 3x3"
        return self.own_kind.lower()

    @property
    def n_bytes(self) -> int:
        """All bytes that it moves."""
        return self.weight_bytes + self.activation_bytes

    def instructions(self, kernels: Kernels) -> Instructions | None:
        """Instructions that it executes; None if its kind was never counted."""
        single = self.own_kind == "CONV_2D" and self.inputs == self.outputs == 1 < self.taps  # XNNPACK's choice
        if self.own_kind == "DEPTHWISE_CONV_2D" or single:
            return depthwise(self.pixels, self.outputs, self.taps)
        if self.own_kind in WEIGHTED:
            return convolution(kernels, self.pixels, self.inputs, self.outputs, self.taps)
        each = ELEMENTWISE.get(self.kind)
        return None if each is None else each * self.pixels


FEW_CHANNELS = 8
"""Fewer are rounded up so much that the convolution is a kind of its own."""


def layers_of(model: Model) -> list[Layer]:
    """The fused operators of a model's main graph, in order."""
    return [_layer(model, group) for group in fused(model)]


def _layer(model: Model, group: tuple[Operator, ...]) -> Layer:
    last = group[-1]
    tensors = model.tensors
    weighted = last.kind in WEIGHTED
    out = tensors[last.outputs[0]].shape if last.outputs else ()
    weight_bytes, activation_bytes = bytes_moved(model, group)
    weights = model.weights(last).shape if weighted else ()
    if not weighted:
        pixels = max((t.n_values for t in tensors_moved(model, group)[1]), default=0)
    elif last.kind == "TRANSPOSE_CONV":
        pixels = math.prod(tensors[last.inputs[2]].shape[:-1])
    else:
        pixels = math.prod(out[:-1])
    return Layer(
        kind=" + ".join(operator.kind for operator in group),
        shape=out,
        pixels=pixels,
        inputs=weights[-1] if weighted and last.kind != "DEPTHWISE_CONV_2D" else 1,
        outputs=out[-1] if weighted else 1,
        taps=math.prod(weights[1:3]) if len(weights) == 4 else 1,
        macs=count_macs(model, last),
        weight_bytes=weight_bytes,
        activation_bytes=activation_bytes,
        index=last.index,
    )
