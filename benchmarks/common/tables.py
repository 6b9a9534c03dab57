"""Numbers as text: the same cells in the terminal, in Markdown and in HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from benchmarks.common.scores import Summary

T = TypeVar("T")

NOT_MEASURED = "not measured"

Columns = Sequence[tuple[str, Callable[[T], str]]]
"""Of each column its title, with the unit, and what fills a row's cell."""


def number(value: float | None, digits: int, scale: float = 1.0, sign: bool = False) -> str:
    """A number as text, :data:`NOT_MEASURED` for None.

    Args:
        value: The number.
        digits: Digits after the decimal point.
        scale: The number is multiplied with this for display.
        sign: Show a plus sign too.
    """
    if value is None:
        return NOT_MEASURED
    text = f"{value * scale:{'+' if sign else ''}.{digits}f}"
    return text if float(text) else text.replace("-", "").replace("+", "")  # no -0.00


def several(values: Sequence[float | None], digits: int) -> str:
    """Numbers in one cell: ``1.0 / 2.0``; :data:`NOT_MEASURED` where one of them was not measured."""
    texts = [number(value, digits) for value in values]
    return NOT_MEASURED if NOT_MEASURED in texts else " / ".join(texts)


def mean(summary: Summary | None, digits: int, scale: float = 1.0, sign: bool = False) -> str:
    """The mean of a summary."""
    return number(summary and summary.mean, digits, scale, sign)


def interval(summary: Summary | None, digits: int, scale: float = 1.0, sign: bool = False) -> str:
    """The mean of a summary and its 95 % interval."""
    middle = mean(summary, digits, scale, sign)
    if summary is None or summary.ci95_low is None or summary.ci95_high is None:
        return middle
    low, high = (number(end, digits, scale, sign) for end in (summary.ci95_low, summary.ci95_high))
    return f"{middle} [{low}, {high}]"


def cells(rows: Sequence[T], columns: Columns[T]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table."""
    return [title for title, _ in columns], [[fill(row) for _, fill in columns] for row in rows]


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal: names to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        aligned = [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)
