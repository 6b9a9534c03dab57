"""Tables of a report: columns that no row fills are named below instead of shown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.render import Block, Paragraph, Table
from benchmarks.common.tables import NOT_MEASURED, Columns, T, cells

RUN = "python -m benchmarks run"


def filled(rows: Sequence[T], columns: Columns[T]) -> list[Block]:
    """A table of the columns that at least one row fills, and a sentence that names the others."""
    header, texts = cells(rows, columns)
    empty = [i for i in range(len(header)) if all(row[i] in (NOT_MEASURED, "") for row in texts)]
    kept = [i for i in range(len(header)) if i not in empty]
    table = Table([header[i] for i in kept], [[row[i] for i in kept] for row in texts])
    missing = [header[i] for i in empty if any(row[i] for row in texts)]
    return [table, *([Paragraph(f"Not measured: {', '.join(missing)}.")] if missing else [])]


def not_measured(what: str, how: str) -> Paragraph:
    """What stands in place of figures that no result has."""
    return Paragraph(f"{what}: {NOT_MEASURED}. {how}")
