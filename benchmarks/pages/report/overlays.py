"""The best, the median and the worst image of one artifact for each set of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.render import Block, Heading, Paragraph, Sheet
from benchmarks.common.tables import NOT_MEASURED
from benchmarks.pages.report.sources import Entry, Group, scored_alike
from benchmarks.pictures.overlays import choose_result, draw_overlays
from benchmarks.suite.behind import Behind, model_behind
from edge_runtime.common.cli import say
from edge_runtime.errors import FetalHeadError

HC18_SHOWN = "These pictures show HC18 images: do not publish or commit this page. Git ignores reports/."


def section(
    entries: Sequence[Entry], behind: dict[str, Behind | str], artifacts: Path, wanted: str | None
) -> list[Block]:
    """The pictures, or why they are not drawn.

    Args:
        entries: The artifacts.
        behind: The images of each source, by its key, or why they are not at hand.
        artifacts: Folder of the artifacts.
        wanted: Name of the artifact to show; None for the full_int8 of the highest Dice.
    """
    blocks: list[Block] = [Heading("Best, median and worst image")]
    groups = scored_alike(entries)
    if not groups:
        return [*blocks, Paragraph(f"Dice: {NOT_MEASURED}.")]
    choose_result([entry.result for entry in entries], wanted)  # a wrong name ends it all, not one set of images
    for group in groups:
        blocks += _of(group, behind, artifacts, wanted)
    return blocks


def _of(group: Group, behind: dict[str, Behind | str], artifacts: Path, wanted: str | None) -> list[Block]:
    results = [entry.result for entry in group.entries]
    named = wanted if any(result.artifact == wanted for result in results) else None
    result = choose_result(results, named)
    if result is None:
        return [Paragraph("Not drawn: the result holds scores, but no images.")]
    entry = next(entry for entry in group.entries if entry.result is result)
    blocks: list[Block] = [Heading(f"{entry.title} on {group.text}", 3)]
    images, model = behind[entry.source.key], model_behind(entry.result, artifacts)
    missing = next((found for found in (images, model) if isinstance(found, str)), None)
    if missing is None and isinstance(images, Behind) and isinstance(model, Path):
        try:
            figures = draw_overlays(model, images, entry.result.images, f"{group.name}-")
        except FetalHeadError as error:
            missing = str(error)
        else:
            if not entry.source.document.conditions.is_phantom:
                blocks.append(Paragraph(HC18_SHOWN, warning=True))
            text = "Blue: the artifact's outline. Orange, dashed: the reference ellipse."
            return [*blocks, Paragraph(text), Sheet(figures, large=True)]
    say(f"no overlays of {entry.label}: {missing}")
    return [*blocks, Paragraph(f"Not drawn: {missing}.")]
