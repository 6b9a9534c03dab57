"""Parse a .tflite file into objects of TensorFlow Lite's schema, and pack them into bytes again."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from export.tflite.flatbuffer import MARK

MAX_OLD_CODE = 127
"""Operator codes up to this are also in an older field of one byte. For greater codes, that field has this value."""


def schema() -> Any:
    """The classes that LiteRT generates from TensorFlow Lite's schema."""
    return require("ai_edge_litert.schema_py_generated")


def parse(data: bytes) -> Any:
    """Parse a .tflite file into the schema's ``ModelT``, which can be changed and packed again.

    Raises:
        ValueError: Data behind the flatbuffer, which files above 2 GB have, is truncated.
    """
    model = schema().ModelT.InitFromObj(schema().Model.GetRootAs(data, 0))
    for buffer in model.buffers or ():
        if buffer.offset > 1:  # 0 and 1 mean that there is no data behind the flatbuffer
            if buffer.offset + buffer.size > len(data):
                raise ValueError(f"a buffer ends at byte {buffer.offset + buffer.size} of {len(data)}")
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model: Any) -> bytes:
    """Pack a ``ModelT`` into the bytes of a .tflite file. The same object gives the same bytes."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    model = copy.copy(model)
    model.buffers = [_aligned(buffer) for buffer in model.buffers]
    builder.Finish(model.Pack(builder), MARK)
    return bytes(builder.Output())


def stored(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Values in the form of a buffer's data."""
    return np.frombuffer(values.tobytes(), np.uint8)


def _aligned(buffer: Any) -> Any:
    """A buffer that packs its data at a multiple of 16 bytes. The schema requires it; the generated code ignores it."""
    generated = schema()

    class Aligned(generated.BufferT):  # type: ignore[misc, name-defined]
        def Pack(self, builder: Any) -> int:
            vector = None
            if buffer.data is not None and len(buffer.data):
                data = bytes(buffer.data)
                builder.StartVector(1, len(data), 16)
                head = builder.Head() - len(data)
                builder.head = head
                builder.Bytes[head : head + len(data)] = data
                vector = builder.EndVector()
            generated.BufferStart(builder)
            if vector is not None:
                generated.BufferAddData(builder, vector)
            return int(generated.BufferEnd(builder))

    return Aligned()


def kind_name(code: Any) -> str:
    """Name of an ``OperatorCodeT``: for example ``CONV_2D``, or a custom operator's name."""
    if code.customCode:
        name = code.customCode.decode(errors="replace")
        return "".join(c if c.isprintable() else "?" for c in name)
    number = max(code.deprecatedBuiltinCode, code.builtinCode)
    return _names("BuiltinOperator").get(number, f"BUILTIN_{number}")


def dtype_name(number: int) -> str:
    """Name of a tensor's dtype in numpy, for example ``float32``."""
    return _names("TensorType").get(number, f"type_{number}").lower()


def activation_name(number: int) -> str:
    """Name of a fused activation, for example ``RELU6``."""
    return _names("ActivationFunctionType").get(number, f"ACTIVATION_{number}")


@lru_cache(maxsize=8)
def _names(enum: str) -> dict[int, str]:
    return {number: name for name, number in vars(getattr(schema(), enum)).items() if isinstance(number, int)}
