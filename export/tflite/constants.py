"""Find and count all numbers that a .tflite file stores, over all graphs and operators, each buffer once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from export.tflite.model import WEIGHTED, Graph, Model, Tensor

BITS = {
    "int2": 2, "int4": 4, "bool": 8, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "float16": 16, "bfloat16": 16,
    "int32": 32, "uint32": 32, "float32": 32, "int64": 64, "uint64": 64, "float64": 64, "complex64": 64,
    "complex128": 128,
}  # fmt: skip
"""Size of a stored number, in bits."""

_RECURRENT = (
    "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "RNN", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_RNN", "SVDF",
)  # fmt: skip
"""Operators whose inputs with two axes are weights with one scale per tensor."""


@dataclass(frozen=True)
class Constant:
    """A constant.

    Attributes:
        tensor: The tensor. If several share a buffer, it is the first one that is a layer's weights, or else the first.
        n_values: Count of stored numbers. A sparse tensor stores only some of its values.
        is_weight: Whether these are a layer's weights, not a bias, a table or a shape.
        channels: Number of output channels, which should have a scale each; None if one scale is enough.
    """

    tensor: Tensor
    n_values: int
    is_weight: bool
    channels: int | None


def constants(model: Model) -> list[Constant]:
    """All constants of a file, in the order of its graphs."""
    found: dict[int, Constant] = {}
    for graph in model.graphs:
        weights = _weights(graph)
        for tensor in graph.tensors:
            if tensor.is_constant:
                known = found.get(tensor.buffer)
                is_weight, channels = weights.get(tensor.index, (False, None))
                if known is None or (is_weight and not known.is_weight):
                    found[tensor.buffer] = Constant(tensor, count(tensor), is_weight, channels)
    return list(found.values())


def count(tensor: Tensor) -> int:
    """Count the numbers that a constant tensor stores; 0 if its type is not in :data:`BITS`, as for strings."""
    if tensor.dtype not in BITS:
        return 0
    bits = BITS[tensor.dtype]
    whole = tensor.n_values
    if not tensor.is_sparse and -(-whole * bits // 8) == tensor.n_bytes:
        return whole
    return tensor.n_bytes * 8 // bits


def uncounted(model: Model, stored: Sequence[Constant]) -> str | None:
    """Describe the constants that :func:`count` cannot count; None if there are none."""
    unknown = [c.tensor for c in stored if c.tensor.dtype not in BITS]
    elsewhere = sum(tensor.is_external for graph in model.graphs for tensor in graph.tensors)
    found = []
    if unknown:
        n_bytes = sum(tensor.n_bytes for tensor in unknown)
        found.append(f"{n_bytes:,} bytes of {' and '.join(sorted({t.dtype for t in unknown}))}")
    if elsewhere:
        found.append(f"{elsewhere} tensors that are stored in another file")
    return "; ".join(found) or None


def _weights(graph: Graph) -> dict[int, tuple[bool, int | None]]:
    """The weights of layers, by the index of their constant: ``is_weight`` and ``channels`` of :class:`Constant`."""
    found: dict[int, tuple[bool, int | None]] = {}
    for operator in graph.operators:
        if operator.kind not in WEIGHTED and operator.kind not in _RECURRENT:
            continue
        for index in operator.inputs:
            tensor = graph.source(index)
            # A tensor with one axis is a bias, or the output shape of TRANSPOSE_CONV.
            if tensor is not None and len(tensor.shape) > 1:
                axis = WEIGHTED.get(operator.kind, len(tensor.shape))
                found[tensor.index] = (True, tensor.shape[axis] if axis < len(tensor.shape) else None)
    return found
