"""Bytes that a fused operator reads and writes, from the file alone."""

from __future__ import annotations

from export.tflite.model import Model, Operator, Tensor

SIZES = {"int8": 1, "uint8": 1, "bool": 1, "int16": 2, "float16": 2, "int32": 4, "float32": 4, "int64": 8}
"""Bytes of a value, by its type; of another type 1."""


def tensors_moved(model: Model, group: tuple[Operator, ...]) -> tuple[list[Tensor], list[Tensor]]:
    """The constants that a fused operator reads, and what it reads and writes besides.

    What one operator of the group makes for the next is not moved.
    """
    made = {index for operator in group[:-1] for index in operator.outputs}
    read = [model.tensors[index] for operator in group for index in operator.inputs]
    moved = [tensor for tensor in read if not tensor.is_constant and tensor.index not in made]
    written = [model.tensors[index] for index in group[-1].outputs]
    return [tensor for tensor in read if tensor.is_constant], moved + written


def bytes_moved(model: Model, group: tuple[Operator, ...]) -> tuple[int, int]:
    """Bytes of the constants that a fused operator reads, and of what it reads and writes besides."""
    constants, moved = tensors_moved(model, group)
    return sum(t.n_bytes for t in constants), sum(t.n_values * SIZES.get(t.dtype, 1) for t in moved)
