"""Every number that a .tflite file stores: of all its graphs and operators, each buffer once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from export.tflite.model import WEIGHTED, Graph, Model, Tensor

BITS = {
    "int2": 2, "int4": 4, "bool": 8, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "float16": 16, "bfloat16": 16,
    "int32": 32, "uint32": 32, "float32": 32, "int64": 64, "uint64": 64, "float64": 64, "complex64": 64,
    "complex128": 128,
}  # fmt: skip
"""What a stored number takes."""

_RECURRENT = (
    "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "RNN", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_RNN", "SVDF",
)  # fmt: skip
"""Operators whose inputs of two axes are weights, stored with one scale a tensor."""


@dataclass(frozen=True)
class Constant:
    """A constant.

    Attributes:
        tensor: The first that has its buffer.
        n_values: Numbers stored: of a sparse tensor those that are not zero.
        is_weight: A layer's weights, not a bias, a table or a shape.
        channels: Output channels that a scale each is expected for; None where it is not.
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
    """Numbers that a constant tensor stores; 0 where its type is not known here, texts included."""
    if tensor.dtype not in BITS:
        return 0
    bits = BITS[tensor.dtype]
    whole = tensor.n_values
    if not tensor.is_sparse and -(-whole * bits // 8) == tensor.n_bytes:
        return whole
    return tensor.n_bytes * 8 // bits


def uncounted(model: Model, stored: Sequence[Constant]) -> str | None:
    """What :func:`count` cannot count, in words; None where all is counted."""
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
    """Weights of layers, by the index of the constant that holds them: True, and the channels of :class:`Constant`."""
    found: dict[int, tuple[bool, int | None]] = {}
    for operator in graph.operators:
        if operator.kind not in WEIGHTED and operator.kind not in _RECURRENT:
            continue
        for index in operator.inputs:
            tensor = graph.source(index)
            # one axis: a bias, or the shape that TRANSPOSE_CONV is told
            if tensor is not None and len(tensor.shape) > 1:
                axis = WEIGHTED.get(operator.kind, len(tensor.shape))
                found[tensor.index] = (True, tensor.shape[axis] if axis < len(tensor.shape) else None)
    return found
