"""The rows of an archive: the fields of ``measure --json``, and a few more, as Parquet."""

from __future__ import annotations

import time
import types
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from edge_runtime.archive.frames import Item
from edge_runtime.archive.plan import Settings
from edge_runtime.common.cli import escaped
from edge_runtime.common.optional import require
from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.geometry import Box
from edge_runtime.frame.pictures import scale_of
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.measurement import Latency
from edge_runtime.output.image_row import image_row, measure_picture, unread_row
from edge_runtime.quality.verdict import Quality
from edge_runtime.segmenter import Segmenter


def measure_item(segmenter: Segmenter, item: Item, settings: Settings, begun: float) -> dict[str, Any]:
    """Read and measure a frame. A frame that cannot be read or measured gives a row with the reason.

    Args:
        segmenter: The model.
        item: The frame.
        settings: How it is measured.
        begun: When the frame was first waited for, by ``time.perf_counter``.

    Raises:
        FetalHeadError: The model, this device or this installation is at fault, not the frame.
    """
    try:
        picture = item.read()
        read_ms = (time.perf_counter() - begun) * 1e3
        given = settings.pixel_size_mm or item.pixel_size_mm
        size, doubt = scale_of(picture, given, settings.first_size)
        if item.doubt and settings.pixel_size_mm is None:
            size, doubt = None, item.doubt
        result = measure_picture(segmenter, item.path, picture, size, doubt)
    except (InputError, UsageError) as error:
        row = unread_row(item.image, error)
        return {**row, "reason": escaped(row["reason"])}
    row = image_row(item.image, picture, result, None if given is None else settings.pixel_size_from)
    row["head_circumference_px"] = result.ellipse and result.ellipse.perimeter
    row["latency_ms"]["read"] = read_ms
    return row


def to_parquet(rows: list[dict[str, Any]]) -> bytes:
    """Rows as a Parquet file."""
    pyarrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    out = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows, _schema(pyarrow)), out, compression="zstd")
    data: bytes = out.getvalue().to_pybytes()
    return data


def from_parquet(data: bytes) -> list[dict[str, Any]]:
    """The rows of such a file."""
    pyarrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    rows: list[dict[str, Any]] = parquet.read_table(pyarrow.BufferReader(data)).to_pylist()
    return rows


def _schema(pyarrow: Any) -> Any:
    number, text, real = pyarrow.int64(), pyarrow.string(), pyarrow.float64()
    pair = pyarrow.list_(real)
    return pyarrow.schema(
        [
            ("number", number),
            ("image", text),
            ("head_circumference_mm", real),
            ("head_circumference_px", real),
            ("reason", text),
            ("interval_mm", pair),
            ("trust", real),
            ("caution", text),
            ("pixel_size_mm", pair),
            ("pixel_size_from", text),
            ("part", _struct(pyarrow, Box)),
            ("burnt_in_annotation", pyarrow.bool_()),
            ("ellipse", _struct(pyarrow, Ellipse)),
            ("quality", _struct(pyarrow, Quality)),
            ("latency_ms", _struct(pyarrow, Latency, ("total", real), ("read", real))),
            ("model_sha256", text),
        ]
    )


def _struct(pyarrow: Any, record: type, *more: tuple[str, Any]) -> Any:
    """A dataclass of numbers, texts and such dataclasses as a type of Parquet."""
    hints = get_type_hints(record)
    return pyarrow.struct([*((field.name, _type(pyarrow, hints[field.name])) for field in fields(record)), *more])


def _type(pyarrow: Any, hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        (hint,) = (kind for kind in get_args(hint) if kind is not types.NoneType)
    if is_dataclass(hint):
        return _struct(pyarrow, hint)  # type: ignore[arg-type]
    return {int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string(), bool: pyarrow.bool_()}[hint]
