"""The parts of a source: a listing that is written once, from which each process reads its own part."""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from edge_runtime.archive.place import Place
from edge_runtime.archive.sources import Entry, Source
from edge_runtime.common.optional import require

LISTING = "listing.parquet"

MOST_IN_A_PART = 512
"""Images. A killed process loses the part that it was at: some ten seconds of work."""

WANTED_PARTS = 64
"""Of a small source: as many parts as keep several processes busy to the end."""

LEAST_IN_A_PART = 8


@dataclass(frozen=True)
class Part:
    """Some images that follow each other in the source.

    Attributes:
        number: Its number, from 0.
        begin: Number of its first image in the source.
        entries: Its image files; or the one table that holds its frames.
        first: Its first row in that table; 0 for image files.
        count: Number of its images.
    """

    number: int
    begin: int
    entries: list[Entry]
    first: int
    count: int


def part_size(images: int) -> int:
    """Number of images in a part."""
    return min(max(-(-images // WANTED_PARTS), LEAST_IN_A_PART), MOST_IN_A_PART)


def count_parts(source: Source, size: int) -> list[int]:
    """Number of images of each part of a source. A part holds frames of one table only."""
    wholes = [len(source.entries)] if source.kind == "files" else [entry.count for entry in source.entries]
    return [min(size, whole - first) for whole in wholes for first in range(0, whole, size)]


def write_listing(source: Source, size: int) -> tuple[bytes, str]:
    """List a source as a Parquet file. Image files have one row group a part, so that a process reads its own alone.

    Args:
        source: The source.
        size: Number of images in a part.

    Returns:
        The file, and the hash of what is listed.
    """
    pyarrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    # names as the system has them: on Linux, any bytes
    columns = [("name", "binary"), ("count", "int64"), ("pixel_size_mm", "float64"), ("doubt", "string")]
    columns += [("content", "string")] if source.kind == "table" else []
    schema, digest, out = pyarrow.schema(columns), hashlib.sha256(), pyarrow.BufferOutputStream()
    rows = size if source.kind == "files" else len(source.entries)
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for at in range(0, len(source.entries), rows):
            entries = source.entries[at : at + rows]
            values = [[getattr(entry, name) for entry in entries] for name, _ in columns]
            digest.update(json.dumps(values).encode())
            values[0] = [os.fsencode(name) for name in values[0]]
            writer.write_table(pyarrow.table(values, schema=schema))
    return out.getvalue().to_pybytes(), digest.hexdigest()


class Listing:
    """A listing, open to read parts of it.

    Args:
        place: The folder that holds it.
        kind: Of the source.
        size: Number of images in a part.
    """

    def __init__(self, place: Place, kind: Literal["files", "table"], size: int) -> None:
        self._file = require("pyarrow.parquet").ParquetFile(place.open(LISTING))
        self._kind, self._size = kind, size
        self._tables = self._entries(0) if kind == "table" else []
        self._begins = [0, *accumulate(table.count for table in self._tables)]
        self._firsts = [0, *accumulate(-(-table.count // size) for table in self._tables)]

    def _entries(self, group: int) -> list[Entry]:
        rows = self._file.read_row_group(group).to_pylist()
        return [Entry(**{**row, "name": os.fsdecode(row["name"])}) for row in rows]

    def part(self, number: int) -> Part:
        """One part, by its number from 0."""
        if self._kind == "files":
            entries = self._entries(number)
            return Part(number, number * self._size, entries, 0, len(entries))
        at = bisect_right(self._firsts, number) - 1
        first = (number - self._firsts[at]) * self._size
        count = min(self._size, self._tables[at].count - first)
        return Part(number, self._begins[at] + first, [self._tables[at]], first, count)
