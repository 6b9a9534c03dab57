"""Tables in HC18's format: one row an image, with its pixel size in mm."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from edge_runtime.errors import UsageError

NAME_COLUMN = "filename"
PIXEL_SIZE_COLUMN = "pixel size(mm)"


def read_csv(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a CSV with a ``filename`` column, by file name.

    Raises:
        UsageError: The file is missing, is not text, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as a CSV table: {error}.") from error
    columns = [c.strip() for c in reader.fieldnames or []]
    for wanted in (NAME_COLUMN, PIXEL_SIZE_COLUMN):
        if wanted not in columns:
            raise UsageError(f"{path} has no column '{wanted}'; its columns are {columns}.")
    cleaned = [{(k or "").strip(): str(v).strip() for k, v in row.items()} for row in rows]
    return {row[NAME_COLUMN]: row for row in cleaned}


def check_pixel_size(value: float | str, where: str) -> float:
    """Check a pixel size.

    Args:
        value: mm.
        where: Where it came from, for the message.

    Raises:
        UsageError: Not a finite number above 0.
    """
    try:
        size = float(value)
    except (TypeError, ValueError):
        size = math.nan
    if not (math.isfinite(size) and size > 0):
        raise UsageError(
            f"The pixel size {value!r} ({where}) is not a number of millimetres above 0. "
            "HC18's lie between 0.049 and 0.393; the scanner's export or DICOM header holds yours."
        )
    return size


def pixel_size_of(rows: dict[str, dict[str, str]], name: str, table: Path) -> float:
    """The pixel size a table gives for an image, in mm.

    Raises:
        UsageError: No row for the image, or a value that cannot be.
    """
    if name not in rows:
        raise UsageError(f"{table} has no row for {name}. Add one, or give --pixel-size-mm.")
    return check_pixel_size(rows[name][PIXEL_SIZE_COLUMN], f"{table}, {name}")
