"""Verify that a .tflite file is a complete flatbuffer, before a reader or an interpreter follows its offsets.

LiteRT 2.1 crashes on truncated files, and the flatbuffers package for Python has no verifier.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from edge_runtime.common.optional import require
from edge_runtime.errors import ModelError

MARK = b"TFL3"
"""Bytes 4 to 7 of every .tflite file."""

MAX_TABLES = 1_000_000
"""The limit of the C++ verifier. A table that is reached twice counts twice."""
SHARING = 16
"""Tables and vectors may share bytes, but their total size may be at most this many times the file's size."""

_TABLES = {
    "Model": "4 [OperatorCode] [SubGraph] s [Buffer] [4] [Metadata] [SignatureDef] [ExternalBufferGroup] "
    "[ExternalBuffer]",
    "OperatorCode": "1 s 4 4",
    "SubGraph": "[Tensor] [4] [4] [Operator] s 4",
    "Tensor": "[4] 1 4 s QuantizationParameters 1 SparsityParameters [4] 1 [VariantSubType] 4",
    "Operator": "4 [4] [4] 1 |BuiltinOptions [1] 1 [1] [4] 8 8 1 |BuiltinOptions2 4",
    "Buffer": "[1] 8 8",
    "Metadata": "s 4",
    "SignatureDef": "[TensorMap] [TensorMap] s 4 4",
    "TensorMap": "s 4",
    "ExternalBufferGroup": "s",
    "ExternalBuffer": "4 4 8 8 s",
    "QuantizationParameters": "[4] [4] [4] [8] 1 |QuantizationDetails 4",
    "CustomQuantization": "[1]",
    "SparsityParameters": "[4] [4] [DimensionMetadata]",
    "DimensionMetadata": "1 4 1 |SparseIndexVector 1 |SparseIndexVector",
    "Int32Vector": "[4]",
    "Uint16Vector": "[2]",
    "Uint8Vector": "[1]",
    "VariantSubType": "[4] 1 1",
    "ConcatEmbeddingsOptions": "4 [4] [4]",
    "ReshapeOptions": "[4]",
    "SqueezeOptions": "[4]",
    "BucketizeOptions": "[4]",
    "VarHandleOptions": "s s",
    "StablehloBroadcastInDimOptions": "[8]",
    "StablehloCaseOptions": "[4]",
    "StablehloConvolutionOptions": "[8] [8] [8] [8] [1] 8 8 [8] 8 8 [8] 8 8 [8] 8 8 [4]",
    "StablehloCustomCallOptions": "s 1 s 4 [4] [1]",
    "StablehloDotGeneralOptions": "[8] [8] [8] [8] [4]",
    "StablehloDynamicSliceOptions": "[8]",
    "StablehloGatherOptions": "[8] [8] [8] 8 [8] 1",
    "StablehloPadOptions": "[8] [8] [8]",
    "StablehloReduceOptions": "[8] 4",
    "StablehloReduceWindowOptions": "[8] [8] [8] [8] [8] 4",
    "StablehloScatterOptions": "1 [8] [8] [8] 8 1 4",
    "StablehloSliceOptions": "[8] [8] [8]",
    "StablehloTransposeOptions": "[8]",
    "StableHLOCompositeOptions": "s 4 [1] 1 4",
}
"""The schema: for each table its fields in order.

A number is a scalar with this many bytes, ``s`` a string, a name a table, and ``[...]`` a vector. ``|Name`` is a union,
whose type is given by the field before it. Tables that are missing here contain only scalars, or are newer than this
list.
"""

_WIDTHS = {"1": 1, "2": 2, "4": 4, "8": 8}
_U16, _U32, _I32 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<i")


def check_flatbuffer(data: bytes) -> None:
    """Follow every offset of a .tflite file, and check that all tables, vectors and strings are within the file.

    Raises:
        ModelError: It is not a .tflite file, or it is truncated or damaged.
    """
    if not data:
        raise ModelError("The file is empty.")
    if data[4:8] != MARK:
        raise ModelError(f"This is not a .tflite file: it lacks the mark {MARK.decode()} at byte 4.")
    walk = _Walk(data)
    todo = [("Model", walk.offset(0))]
    while todo:
        walk.tables += 1
        if walk.tables > MAX_TABLES:
            raise _damaged(f"it has more than {MAX_TABLES:,} tables")
        todo += walk.table(*todo.pop())


class _Walk:
    """The file, and how much of it was checked."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.tables = 0
        self.left = SHARING * len(data)

    def number(self, form: struct.Struct, at: int) -> int:
        """Read a number."""
        self.within(at, form.size)
        return int(form.unpack_from(self.data, at)[0])

    def within(self, at: int, length: int) -> None:
        """Check that bytes are within the file."""
        if at < 0 or at + length > len(self.data):
            raise _damaged(f"an offset leads to bytes {at:,} to {at + length:,} of {len(self.data):,}")
        self.left -= length
        if self.left < 0:
            raise _damaged("its parts overlap")

    def offset(self, at: int) -> int:
        """Follow the offset at a place."""
        return at + self.number(_U32, at)

    def vector(self, at: int, width: int) -> tuple[int, int]:
        """Check a vector. Returns the place of its first item, and the number of items."""
        length = self.number(_U32, at)
        self.within(at + 4, length * width)
        return at + 4, length

    def table(self, name: str, at: int) -> list[tuple[str, int]]:
        """Check a table. Returns the name and place of each table that it refers to."""
        vtable = at - self.number(_I32, at)
        length, size = self.number(_U16, vtable), self.number(_U16, vtable + 2)
        if length < 4 or length % 2:
            raise _damaged(f"the layout of the {name or 'options'} at byte {at:,} has {length} bytes")
        self.within(vtable, length)
        self.within(at, size)
        places = struct.unpack_from(f"<{length // 2 - 2}H", self.data, vtable + 4)
        if any(place and not 4 <= place < size for place in places):
            raise _damaged(f"a field of the {name or 'options'} at byte {at:,} is outside of it")
        found: list[tuple[str, int]] = []
        member = 0  # type of the union that follows
        for kind, place in zip(_TABLES.get(name, "").split(), places, strict=False):
            if place:
                found += self.field(kind, at + place, member)
            member = self.data[at + place] if place else 0
        return found

    def field(self, kind: str, at: int, member: int) -> list[tuple[str, int]]:
        """Check a field. Returns the tables that it refers to. ``member`` is the type if the field is a union."""
        if kind in _WIDTHS:
            self.within(at, _WIDTHS[kind])
            return []
        target = self.offset(at)
        if kind == "s":
            start, length = self.vector(target, 1)
            self.within(start + length, 1)
            if self.data[start + length]:
                raise _damaged(f"the text at byte {target:,} has no end")
            return []
        if kind.startswith("|"):  # readers skip a union without a type
            return [(_members(kind[1:]).get(member, ""), target)] if member else []
        if kind.startswith("["):
            inner = kind[1:-1]
            start, length = self.vector(target, _WIDTHS.get(inner, 4))
            return [] if inner in _WIDTHS else [(inner, self.offset(start + 4 * i)) for i in range(length)]
        return [(kind, target)]


@lru_cache(maxsize=8)
def _members(union: str) -> dict[int, str]:
    enum = getattr(require("ai_edge_litert.schema_py_generated"), union)
    return {number: name for name, number in vars(enum).items() if isinstance(number, int)}


def _damaged(what: str) -> ModelError:
    return ModelError(f"LiteRT cannot read the model: the file is truncated or damaged ({what}). Copy it again.")
