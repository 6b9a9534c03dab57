"""Pixel sizes, and tables of them in HC18's format: one row an image."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.text import decode_text, read_text
from edge_runtime.errors import UsageError, shown
from edge_runtime.frame.image_folders import canonical_name

PixelSize = float | tuple[float, float] | list[float] | NDArray[np.floating[Any]]
"""Side of a pixel in mm, or (x, y) where pixels are not square."""

NAME_COLUMN = "filename"
PIXEL_SIZE_COLUMN = "pixel size(mm)"

PIXEL_SIZE_RANGE_MM = (1e-4, 100.0)
"""Outside it no frame could show a head; within it nothing that is computed can overflow."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""What is read as a number. Python's float would also read 1_5 as 15."""

_SEPARATOR_LINE = "sep="
"""Begin of a line above the header in which Excel says what separates the fields."""


def to_number(text: str) -> float | None:
    """The number that a text is, with a decimal point; None where it is anything else."""
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def read_csv(path: Path, data: bytes | None = None) -> dict[str, dict[str, str]]:
    """Read a table with the columns ``filename`` and ``pixel size(mm)``.

    Fields are separated by commas, semicolons or tabs, whichever makes the header hold both columns. With semicolons
    and tabs, as Excel saves tables in much of Europe, a decimal comma is read as a decimal point. Between commas a
    decimal comma would split a number in two, so every row must have as many fields as the header.

    Args:
        path: UTF-8 text, or UTF-16 with a byte-order mark.
        data: Its content, if the file is not on this computer.

    Returns:
        Rows by file name (see :func:`canonical_name`), each from column to value without surrounding spaces.

    Raises:
        UsageError: The file is missing, is not text, lacks a column, has a row of another length or no rows, or says
            two things about one image.
    """
    try:
        text = read_text(path) if data is None else decode_text(data)
        separator = _separator(text)
        rows = _rows(text, separator)
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.") from None
    except (OSError, ValueError, csv.Error) as error:
        cause = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be read as a CSV table: {cause}.") from error
    if not rows:
        raise UsageError(f"{path} is an empty table. It needs the columns '{NAME_COLUMN}' and '{PIXEL_SIZE_COLUMN}'.")
    columns = rows.pop(0)[1]
    for wanted in (NAME_COLUMN, PIXEL_SIZE_COLUMN):
        if columns.count(wanted) != 1:
            found = "more than one" if wanted in columns else "no"
            raise UsageError(f"{path} has {found} column '{wanted}'; its columns are {columns!s:.300}.")
    if not rows:
        raise UsageError(f"{path} has a header and no rows. Add one row for each image.")
    table: dict[str, dict[str, str]] = {}
    for number, values in rows:
        advice = _row_advice(values, separator)
        if len(values) != len(columns):
            fields = f"{len(values)} field{'s' * (len(values) != 1)}"
            raise UsageError(f"{path}: row {number} has {fields}, the header has {len(columns)}. {advice}")
        row = dict(zip(columns, values, strict=True))
        if row.get(""):  # Excel may end a header with commas, which would make room for half a number
            raise UsageError(f"{path}: row {number} has {row['']!r} in a column without a name. {advice}")
        name = canonical_name(row[NAME_COLUMN])
        if not name:
            raise UsageError(f"{path}: row {number} has no file name. Add it, or delete the row.")
        if {**table.setdefault(name, row), NAME_COLUMN: ""} != {**row, NAME_COLUMN: ""}:
            raise UsageError(f"{path} has two rows for {name} that differ. Keep the right one.")
    if separator != ",":
        _read_decimal_commas(table, path)
    return table


def _separator(text: str) -> str:
    """What stands between the fields: a comma, unless only a semicolon or a tab gives the columns that are needed."""
    for line in text.splitlines():
        if not line.strip() or line.lower().startswith(_SEPARATOR_LINE):
            continue
        for separator in (",", ";", "\t"):
            columns = {field.strip() for field in next(csv.reader([line], delimiter=separator))}
            if {NAME_COLUMN, PIXEL_SIZE_COLUMN} <= columns:
                return separator
        break
    return ","


def _rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Line number and fields of every row, the header first. Blank rows and Excel's rows of empty cells are no rows."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = [(reader.line_num, [value.strip() for value in values]) for values in reader]
    return [(n, row) for n, row in rows if any(row) and not (n == 1 and row[0].lower().startswith(_SEPARATOR_LINE))]


def _row_advice(values: list[str], separator: str) -> str:
    if separator == "," and sum(value.isdecimal() for value in values) > 1:
        return (
            "It looks as if numbers have a decimal comma, which also separates the fields. Save the table with "
            "decimal points, or with semicolons between the fields."
        )
    return "Correct the row, or delete it."


def _read_decimal_commas(table: dict[str, dict[str, str]], path: Path) -> None:
    """Turn decimal commas into points, in place.

    Raises:
        UsageError: Some numbers have a comma and others a point: one of them may separate thousands.
    """
    has_comma = has_point = False
    for row in table.values():
        for column, value in row.items():
            if column == NAME_COLUMN:
                continue
            if "," in value and to_number(value.replace(",", ".")) is not None:
                row[column] = value.replace(",", ".")
                has_comma = True
            else:
                has_point |= "." in value and to_number(value) is not None
    if has_comma and has_point:
        raise UsageError(
            f"{path} has numbers with a decimal comma and others with a decimal point. Save it with points."
        )


def check_pixel_size(value: float | str, where: str) -> float:
    """Check a pixel size.

    Args:
        value: mm.
        where: Where it came from, for the message.

    Raises:
        UsageError: Not a number above 0, or not within ``PIXEL_SIZE_RANGE_MM``.
    """
    try:
        size = to_number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        size = None
    low, high = PIXEL_SIZE_RANGE_MM
    if size is None or not low <= size <= high:
        comma = " Write it with a decimal point." if isinstance(value, str) and "," in value else ""
        raise UsageError(
            f"The pixel size {str(value)[:40]!r} ({where}) is not a number of millimetres above 0, {low:g} to {high:g}."
            f"{comma} HC18's lie between 0.049 and 0.393; the scanner's export or DICOM header holds yours."
        )
    return size


def pixel_size_of(rows: dict[str, dict[str, str]], name: str, table: Path) -> float:
    """The pixel size a table gives for an image, in mm.

    Raises:
        UsageError: No row for the image, or a value that cannot be.
    """
    row = rows.get(canonical_name(name))
    if row is None:
        raise UsageError(f"{table} has no row for {name}. Add one, or give --pixel-size-mm.")
    return check_pixel_size(row[PIXEL_SIZE_COLUMN], f"{table}, {name}")


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
