"""What a source holds: a folder of images and DICOM files, a list of them, or tables of frames."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

from edge_runtime.archive.place import Place, open_place
from edge_runtime.common.cli import escaped
from edge_runtime.common.optional import require
from edge_runtime.common.text import MAX_TEXT_BYTES, decode_text, read_text
from edge_runtime.errors import UsageError
from edge_runtime.frame.dicom.files import is_dicom
from edge_runtime.frame.image_folders import ANNOTATION, SUFFIXES, canonical_name
from edge_runtime.frame.pixel_sizes import NAME_COLUMN, pixel_size_of, read_csv

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""Files with these names are taken as DICOM. On this computer, so is every other file that has DICOM's mark."""

LISTS = (".csv", ".tsv", ".txt", ".lst")
TABLE = ".parquet"


@dataclass(frozen=True)
class Entry:
    """One image file, or one table of frames.

    Attributes:
        name: Path from the source's folder, or as a list names it: the image's id.
        count: Number of frames: 1 for an image file, the rows of a table, 1 for a damaged table.
        pixel_size_mm: What a table of pixel sizes says. None if nothing.
        doubt: Why that table says nothing of use, or why a table of frames cannot be read.
        content: Hash that tells one table of frames from another. None for image files and damaged tables.
    """

    name: str
    count: int = 1
    pixel_size_mm: float | None = None
    doubt: str | None = None
    content: str | None = None


@dataclass(frozen=True)
class Source:
    """What a source holds.

    Attributes:
        kind: ``files``, or ``table`` for tables of frames.
        place: The folder from which the entries are named.
        entries: Image files in the order of a list, else sorted by name.
        left_out: Files of a folder that are neither images nor DICOM.
    """

    kind: Literal["files", "table"]
    place: Place
    entries: Sequence[Entry]
    left_out: Sequence[str] = ()


def find_source(source: str, sizes: Path | None = None) -> Source:
    """Find the images of a source.

    Args:
        source: Path or URL of a folder, a list (.txt, .csv) or a table (.parquet).
        sizes: Table with the pixel sizes of image files.

    Raises:
        UsageError: There is no such source, it holds no images, or it is not one of these kinds.
    """
    if not source.strip():
        raise UsageError("The source is empty. Give a folder, a list of files, or a Parquet table.")
    place = open_place(source)
    kind = place.kind()
    if kind is None:
        raise UsageError(f"There is no file or folder {source}. Give a folder, a list of files, or a Parquet table.")
    if kind == "folder":
        return _folder(place, sizes)
    suffix, folder = PurePosixPath(source).suffix.lower(), _parent(place)
    if suffix == TABLE:
        return Source("table", folder, _tables(folder, [PurePosixPath(place.root).name], sizes))
    if suffix in LISTS:
        return Source("files", folder, _listed(place, folder, sizes))
    raise UsageError(
        f"{source} is a {suffix or 'file without a suffix'}; a source is a folder, a list of files "
        f"({', '.join(LISTS)}), or a Parquet table ({TABLE}). For one image: python -m edge_runtime measure"
    )


def _parent(place: Place) -> Place:
    if place.store is None:
        return Place(str(place.path.parent), None, str(place.path.parent))
    return Place(place.where.rpartition("/")[0], place.store, place.root.rpartition("/")[0])


def _folder(place: Place, sizes: Path | None) -> Source:
    images, tables, left_out = [], [], []
    for name in place.files():
        path = PurePosixPath(name)
        suffix = path.suffix.lower()
        if suffix == TABLE:
            tables.append(name)
        elif suffix in SUFFIXES and path.stem.lower().endswith(ANNOTATION.lower()):
            left_out.append(name)
        elif suffix in (*SUFFIXES, *DICOM_SUFFIXES) or (place.store is None and is_dicom(place.path / name)):
            images.append(name)
        else:
            left_out.append(name)
    if images and tables:
        raise UsageError(
            f"{place.where} holds image files, such as {images[0]}, and tables, such as {tables[0]}. Name a folder "
            "that holds one of them."
        )
    if not images and not tables:
        raise UsageError(f"{place.where} holds no images ({', '.join(SUFFIXES)}, DICOM) and no tables ({TABLE}).")
    if tables:
        return Source("table", place, _tables(place, sorted(tables), sizes), sorted(left_out))
    return Source("files", place, _with_sizes(sorted(images), sizes), sorted(left_out))


def _listed(place: Place, folder: Place, sizes: Path | None) -> list[Entry]:
    suffix = PurePosixPath(place.root).suffix.lower()
    data = None if place.store is None else place.read("", MAX_TEXT_BYTES)
    if suffix in (".csv", ".tsv"):
        if sizes is not None:
            raise UsageError(
                f"{place.where} has pixel sizes of its own. Leave out --pixel-size-csv, or give a .txt list."
            )
        rows = read_csv(Path(place.root), data)
        return list(_sized([row[NAME_COLUMN] for row in rows.values()], rows, Path(place.where), lambda name: name))
    try:
        text = read_text(place.path) if data is None else decode_text(data)
    except (OSError, ValueError) as error:
        raise UsageError(f"{place.where} cannot be read as a list, one file a line: {error}.") from error
    names = [str(PurePosixPath(line.strip())) for line in text.splitlines() if line.strip()]
    if not names:
        raise UsageError(f"{place.where} is empty. It needs the path of one file a line.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"{place.where} names {twice[0]} {names.count(twice[0])} times. Each image has one row.")
    return _with_sizes(names, sizes)


def _with_sizes(names: Sequence[str], table: Path | None) -> list[Entry]:
    if table is None:
        return [Entry(name) for name in names]
    rows = read_csv(table)
    found = Counter(canonical_name(PurePosixPath(name).name) for name in names)

    def key(name: str) -> str:
        """A row may name an image by its path, or by its file name if no other has the same."""
        short = PurePosixPath(name).name
        if canonical_name(name) in rows or found[canonical_name(short)] == 1:
            return name if canonical_name(name) in rows else short
        return name

    return list(_sized(names, rows, table, key))


def _sized(
    names: Sequence[str], rows: dict[str, dict[str, str]], table: Path, key: Callable[[str], str]
) -> Iterator[Entry]:
    for name in names:
        try:
            yield Entry(name, pixel_size_mm=pixel_size_of(rows, key(name), table))
        except UsageError as error:
            yield Entry(name, doubt=escaped(str(error)))


def _tables(place: Place, names: Sequence[str], sizes: Path | None) -> list[Entry]:
    if sizes is not None:
        raise UsageError(
            f"{place.name_of(names[0])} is a table of frames. Give its pixel sizes in its column pixel_size_mm, or "
            "leave out --pixel-size-csv."
        )
    entries, damaged = [], []
    for name in names:
        with place.open(name) as file:
            try:
                rows = table_file(file, place.name_of(name)).metadata.num_rows
                entries.append(Entry(name, rows, content=_footer_sha256(file)))
            except DamagedTableError as error:
                damaged.append(error)
                entries.append(Entry(name, doubt=escaped(str(error))))
    if len(damaged) == len(names):
        raise damaged[0]
    if not any(entry.count for entry in entries if entry.content):
        raise UsageError(f"{place.name_of(names[0])} has no rows" + (", nor has another table." if names[1:] else "."))
    return [entry for entry in entries if entry.count]


def _footer_sha256(file: BinaryIO) -> str:
    """Hash of a Parquet file's footer. It says where every column lies, how long it is, and what its extremes are."""
    file.seek(-8, os.SEEK_END)
    length = int.from_bytes(file.read(4), "little")
    file.seek(-8 - length, os.SEEK_END)
    return hashlib.sha256(file.read(length)).hexdigest()


class DamagedTableError(UsageError):
    """A file is not Parquet, or only a part of it."""


TABLE_COLUMNS = ("image", "height", "width", "pixels")


def table_file(file: Any, name: str) -> Any:
    """Open a table of frames.

    Args:
        file: The open file.
        name: What it is called in messages.

    Returns:
        A ``pyarrow.parquet.ParquetFile`` that has the columns of :data:`TABLE_COLUMNS`.

    Raises:
        DamagedTableError: It is not Parquet, or only a part of it.
        UsageError: It lacks a column.
    """
    pyarrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    try:
        table = parquet.ParquetFile(file, buffer_size=1 << 20)
    except (pyarrow.ArrowException, OSError) as error:
        raise DamagedTableError(
            f"{name} cannot be read as a Parquet table: {str(error)[:200].rstrip('.')}. Copy or write it again."
        ) from error
    missing = [column for column in TABLE_COLUMNS if column not in table.schema_arrow.names]
    if missing:
        raise UsageError(
            f"{name} has no column '{missing[0]}'. A table of frames has {', '.join(TABLE_COLUMNS)}, and may have "
            f"pixel_size_mm; its columns are {', '.join(table.schema_arrow.names)[:200]}."
        )
    return table
