"""The goals of trust for every shipped size, side by side; for the quality page."""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.goals import Goal
from benchmarks.common.render import Block, Heading, Paragraph, Table, code
from benchmarks.pages.measured import measured_on
from benchmarks.pages.quality.tried import OUTSIDE, QUALITY
from benchmarks.runtime import outside_document, quality_document
from benchmarks.runtime.outside_document import read_outside
from benchmarks.runtime.quality_document import QualityDocument, read_quality
from edge_runtime.shipped import DEFAULT_SIZE, SIZES


def sizes(folder: Path) -> list[Block]:
    """Goals with a column for each size; nothing if the default size alone was measured.

    Args:
        folder: Results of the default size; folders in it, named after the other sizes, have theirs.
    """
    places = {size: folder if size == DEFAULT_SIZE else folder / size for size in SIZES}
    documents = {
        size: read_quality(place / QUALITY.name) for size, place in places.items() if (place / QUALITY.name).is_file()
    }
    if len(documents) < 2:
        return []
    columns = {size: _goals(document, places[size] / OUTSIDE.name) for size, document in documents.items()}
    limits = {name: goal.limit for of in columns.values() for name, goal in of.items()}
    rows = [[name, limit, *(_cell(of, name) for of in columns.values())] for name, limit in limits.items()]
    text = (
        f"The rest of this page is about {code(DEFAULT_SIZE)}. Each size has its own limits, trust and interval, "
        "derived in the same way. The last rows are about frames from elsewhere. A goal that is missed is in capitals. "
        + " ".join(f"{code(size)}: {measured_on(document)}" for size, document in documents.items())
    )
    header = ("goal", "asked", *(code(size) for size in columns))
    return [Heading("The three sizes"), Paragraph(text), Table(header, rows, facts=True)]


def _goals(document: QualityDocument, outside: Path) -> dict[str, Goal]:
    found = quality_document.goals(document)
    if outside.is_file():
        found += outside_document.goals(read_outside(outside).kinds)[0]
    return {goal.name: goal for goal in found}


def _cell(goals: dict[str, Goal], name: str) -> str:
    goal = goals.get(name)
    return "not measured" if goal is None else f"{goal.measured}, {goal.verdict}"
