"""Pixel sizes, and tables of them in HC18's format: one row an image."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.files import read_bounded
from edge_runtime.errors import UsageError, shown

PixelSize = float | tuple[float, float] | list[float] | NDArray[np.floating[Any]]
"""Side of a pixel in mm, or (x, y) where pixels are not square."""

NAME_COLUMN = "filename"
PIXEL_SIZE_COLUMN = "pixel size(mm)"
MAX_TABLE_BYTES = 1 << 26

PIXEL_SIZE_RANGE_MM = (1e-4, 100.0)
"""Beyond it no frame that is taken could show a head; within it nothing that is computed can overflow."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""What is read as a number; Python's float would also take 1_5 for 15."""


def read_csv(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a CSV with a ``filename`` column, by file name.

    Raises:
        UsageError: The file is missing, is not text, lacks a column, or says two things of one image.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_bounded(path, MAX_TABLE_BYTES).decode("utf-8-sig"), newline=""))
        rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as a CSV table: {error}.") from error
    columns = [c.strip() for c in reader.fieldnames or []]
    for wanted in (NAME_COLUMN, PIXEL_SIZE_COLUMN):
        if columns.count(wanted) != 1:
            found = "more than one" if wanted in columns else "no"
            raise UsageError(f"{path} has {found} column '{wanted}'; its columns are {columns}.")
    table: dict[str, dict[str, str]] = {}
    for values in rows:
        row = {(k or "").strip(): str(v).strip() for k, v in values.items()}
        if table.setdefault(row[NAME_COLUMN], row) != row:
            raise UsageError(f"{path} has two rows for {row[NAME_COLUMN]} that differ. Keep the right one.")
    return table


def check_pixel_size(value: float | str, where: str) -> float:
    """Check a pixel size.

    Args:
        value: mm.
        where: Where it came from, for the message.

    Raises:
        UsageError: Not a number above 0, or not within ``PIXEL_SIZE_RANGE_MM``.
    """
    try:
        size = float(value) if not isinstance(value, str) or _NUMBER.fullmatch(value.strip()) else math.nan
    except (TypeError, ValueError, OverflowError):
        size = math.nan
    low, high = PIXEL_SIZE_RANGE_MM
    if not low <= size <= high:
        raise UsageError(
            f"The pixel size {str(value)[:40]!r} ({where}) is no number of millimetres above 0, {low:g} to {high:g}. "
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


MAX_PIXEL_RATIO = 10
"""Between a pixel's sides. No scanner comes near; a unit mixed up does."""


def check_pixel_sizes(value: PixelSize) -> tuple[float, float]:
    """Check the side of a pixel in mm, or (x, y): a tuple, a list or an array of two.

    Returns:
        (x, y).

    Raises:
        UsageError: Not one or two numbers in range, or its sides differ too much.
    """
    given: object = value
    if isinstance(value, np.ndarray):
        given = value.tolist() if value.size <= 2 else ()
    pair = given if isinstance(given, tuple | list) else (given, given)
    low, high = PIXEL_SIZE_RANGE_MM
    plain = len(pair) == 2 and all(
        isinstance(v, int | float | np.integer | np.floating) and not isinstance(v, bool) and low <= v <= high
        for v in pair
    )
    if not plain:
        raise UsageError(
            f"pixel_size_mm is {shown(value)}; it is one number of mm above 0 ({low:g} to {high:g}), "
            "or a pair (x, y) of them."
        )
    x, y = float(pair[0]), float(pair[1])
    if max(x, y) > MAX_PIXEL_RATIO * min(x, y):
        raise UsageError(
            f"pixel_size_mm is ({x:g}, {y:g}); x and y differ at most {MAX_PIXEL_RATIO} times. Are both in mm?"
        )
    return x, y
