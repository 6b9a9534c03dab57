"""The frames of a part, one after the other. Files are read ahead, so that the network does not wait for a disk."""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge_runtime.archive.parts import Part
from edge_runtime.archive.place import Place
from edge_runtime.archive.plan import Settings
from edge_runtime.archive.sources import TABLE_COLUMNS, table_file
from edge_runtime.common.cli import escaped
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, InputError, SourceError, UsageError
from edge_runtime.frame.dicom.files import MAX_DICOM_BYTES
from edge_runtime.frame.pictures import Picture, decode_picture, read_bytes
from edge_runtime.frame.pixel_sizes import PixelSize

AHEAD = 4
"""Files that are read ahead, each by a thread of its own: an object store takes longer to answer than a frame to be
measured."""

BATCH = 16
"""Rows of a table that are in memory at a time."""


@dataclass(frozen=True)
class Item:
    """One frame that is to be measured.

    Attributes:
        image: Its id.
        path: What messages call it.
        read: Reads and decodes it; raises InputError or UsageError where that cannot be.
        pixel_size_mm: What the source says. None if it says nothing.
        doubt: Why what it says is of no use.
    """

    image: str
    path: Path
    read: Callable[[], Picture]
    pixel_size_mm: PixelSize | None = None
    doubt: str | None = None


def items(place: Place, kind: Literal["files", "table"], part: Part, settings: Settings) -> Iterator[Item]:
    """The frames of a part, in order.

    Args:
        place: The source's folder.
        kind: Of the source.
        part: The part.
        settings: Which frame and region of files that hold several.
    """
    return _of_table(place, part) if kind == "table" else _of_files(place, part, settings)


def _of_files(place: Place, part: Part, settings: Settings) -> Iterator[Item]:
    there: list[Path] = []

    def read(name: str) -> bytes:
        if place.store is not None:
            return place.read(name, MAX_DICOM_BYTES)
        path = place.path / name
        try:
            data = read_bytes(path)
        except (InputError, UsageError):
            _check_there(place.path, there)
            raise
        there[:] = [path]
        return data

    with ThreadPoolExecutor(AHEAD) as threads:
        waiting = deque(threads.submit(read, entry.name) for entry in part.entries[:AHEAD])
        for number, entry in enumerate(part.entries):
            path = place.path / entry.name if place.store is None else Path(entry.name)
            data = waiting.popleft()

            def picture(path: Path = path, data: Any = data) -> Picture:
                return decode_picture(data.result(), path, settings.frame, settings.region)

            yield Item(escaped(entry.name), path, picture, entry.pixel_size_mm, entry.doubt)
            if number + AHEAD < len(part.entries):
                waiting.append(threads.submit(read, part.entries[number + AHEAD].name))


def _check_there(folder: Path, last: Sequence[Path]) -> None:
    """Tell a file that is missing or damaged from a folder or disk that is gone, as after a cable was pulled.

    Args:
        folder: The source's folder.
        last: The file that was last read, if there is one.

    Raises:
        SourceError: The folder is gone or empty, or that file is gone.
    """
    try:
        with os.scandir(folder) as entries:
            lists = next(entries, None) is not None
    except OSError:
        lists = False
    gone = None if lists else folder
    if lists and last and not last[0].exists():
        gone = last[0]
    if gone is not None:
        raise SourceError(
            f"{gone} is not there any more, or not on {platform.node()}. Bring the source back, and make the same call "
            "again: what is done stays done."
        )


def _of_table(place: Place, part: Part) -> Iterator[Item]:
    name, damaged = part.entries[0].name, part.entries[0].doubt
    if damaged:
        yield _lost(escaped(name), damaged)
        return
    with place.open(name) as file:
        table = table_file(file, place.name_of(name))
        begin = 0
        for group in range(table.num_row_groups):
            end = begin + table.metadata.row_group(group).num_rows
            wanted = range(max(begin, part.first), min(end, part.first + part.count))
            yield from _of_group(table, group, begin, wanted, place.name_of(name)) if wanted else ()
            begin = end


def _of_group(table: Any, group: int, begin: int, wanted: range, name: str) -> Iterator[Item]:
    """Rows of one row group, in small batches. If it is damaged, the rows from there on say so.

    Args:
        table: The open table.
        group: Number of the row group.
        begin: Number of its first row in the table.
        wanted: Numbers of the rows that are wanted.
        name: The table's, for messages.
    """
    columns = [column for column in (*TABLE_COLUMNS, "pixel_size_mm") if column in table.schema_arrow.names]
    following = wanted.start
    try:
        for batch in table.iter_batches(batch_size=BATCH, row_groups=[group], columns=columns):
            for row in range(max(begin, wanted.start), min(begin + batch.num_rows, wanted.stop)):
                following = row + 1
                yield _row_item(f"{name}, row {row}", batch.slice(row - begin, 1).to_pylist()[0])
            begin += batch.num_rows
            if begin >= wanted.stop:  # the rest is another part's
                break
    except (require("pyarrow").ArrowException, OSError) as error:
        for row in range(following, wanted.stop):
            where = f"{name}, row {row}"
            yield _lost(where, f"{where} cannot be read: {str(error)[:200].rstrip('.')}. Write the table again.")


def _row_item(where: str, values: dict[str, Any]) -> Item:
    def picture() -> Picture:
        height, width, pixels = values["height"], values["width"], values["pixels"]
        if not (isinstance(pixels, bytes) and isinstance(height, int) and isinstance(width, int)):
            raise InputError(f"{where} lacks its pixels (bytes), height or width (whole numbers). Write the row again.")
        if min(height, width) < 1 or len(pixels) not in (height * width, 3 * height * width):
            raise InputError(
                f"{where} has {len(pixels)} bytes for {width} x {height} pixels; it needs one byte a pixel, or three "
                "(RGB). Write the row again."
            )
        shape = (height, width) if len(pixels) == height * width else (height, width, 3)
        return Picture(np.frombuffer(pixels, np.uint8).reshape(shape))

    name = values["image"]
    name = name.decode(errors="surrogateescape") if isinstance(name, bytes) else where if name is None else str(name)
    return Item(escaped(name), Path(where), picture, values.get("pixel_size_mm"))


def _lost(where: str, reason: str) -> Item:
    def picture() -> Picture:
        raise InputError(reason)

    return Item(where, Path(where), picture)


def first_size(found: Iterator[Item]) -> tuple[int, int] | None:
    """(height, width) of the first frame that can be read. None if none can."""
    for item in found:
        try:
            height, width = item.read().pixels.shape[:2]
            return height, width
        except FetalHeadError:  # its row will say why
            continue
    return None
