"""What each recipe costs against the same strategy's float32, and whether that is worth it."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Sheet, code
from benchmarks.common.tables import NOT_MEASURED
from benchmarks.pages.report.conditions import scored_under
from benchmarks.pages.report.shown import filled
from benchmarks.pages.report.sources import Entry, Group, scored_alike, timed_alike
from benchmarks.pages.report.speed import names, of_result
from benchmarks.pictures.report import pareto, recipes
from benchmarks.suite.accuracy import find_reference, shifts
from benchmarks.suite.artifacts import REFERENCE_RECIPE
from benchmarks.suite.columns import DEGRADATION
from edge_runtime.metrics import Shifts


def section(entries: Sequence[Entry]) -> list[Block]:
    """Differences from float32, image by image: tables and pictures."""
    blocks: list[Block] = [
        Heading("What each recipe costs"),
        Paragraph("Differences from the same strategy's float32 in the same result, image by image."),
    ]
    found = [entry for entry in entries if entry.result.recipe != REFERENCE_RECIPE]
    groups = [(group, pairs) for group in scored_alike(found) if (pairs := _pairs(group))]
    if not groups:
        return [*blocks, Paragraph(f"Degradation by recipe: {NOT_MEASURED}, because there is no pair with float32.")]
    columns = [(title, of_result(read)) for title, read in DEGRADATION[1:-1]]
    for group, pairs in groups:
        rows = [entry for entry in group.entries if entry.result.degradation]
        blocks += [Heading(f"On {group.text}", 3), *filled(rows, [*names(entries), *columns])]
        without = [f"{code(e.label)} ({e.result.degradation_reason})" for e in group.entries if e not in rows]
        blocks += [Paragraph(f"{NOT_MEASURED.capitalize()}: {', '.join(without)}.")] if without else []
        blocks += [*scored_under(group), Sheet(_costs(group, pairs), large=True)]
    return blocks


def _pairs(group: Group) -> list[tuple[Entry, Shifts]]:
    """Those artifacts whose float32 is in the same result; where two results agree in all images, the first."""
    found: dict[object, tuple[Entry, Shifts]] = {}
    for entry in group.entries:
        reference, _ = find_reference(entry.result, entry.source.document.results)
        if reference is not None and entry.result.images:
            paired = shifts(entry.result, reference)
            found.setdefault((entry.result.artifact, tuple(paired.dice_points), tuple(paired.hc_mm)), (entry, paired))
    return list(found.values())


def _costs(group: Group, pairs: Sequence[tuple[Entry, Shifts]]) -> list[Figure]:
    how = (
        "A dot is an image. The box spans the quartiles, the whiskers the 5th to the 95th percentile; the thick line "
        "is the median, the diamond the mean."
    )
    dice = [recipes.Differences(entry.label, paired.dice_points) for entry, paired in pairs]
    hc = [recipes.Differences(entry.label, paired.hc_mm) for entry, paired in pairs if paired.hc_mm]
    figures = [
        Figure(
            f"{group.name}-recipe-dice.svg", recipes.draw(dice, "change of Dice (points)"),
            "Box plots of the change of Dice for each artifact", f"Change of Dice from float32. {how}",
        )
    ]  # fmt: skip
    if hc:
        figures.append(
            Figure(
                f"{group.name}-recipe-hc.svg", recipes.draw(hc, "shift of HC (mm)"),
                "Box plots of the shift of the circumference for each artifact", f"Shift of HC from float32. {how}",
            )
        )  # fmt: skip
    return figures


def tradeoffs(entries: Sequence[Entry]) -> list[Block]:
    """Latency and size against Dice, a picture for artifacts that were timed and scored alike."""
    blocks: list[Block] = [
        Heading("Size and latency against Dice"),
        Paragraph(
            "The dashed line joins artifacts that no other beats: none is at least as accurate and costs less. Their "
            "markers are filled. Intervals over images are wide because images differ; what a recipe changes in the "
            "same images is in the section above."
        ),
    ]
    timed = {id(entry): group for group in timed_alike(entries) for entry in group.entries}
    drawn: list[Block] = []
    for scored in scored_alike(entries):
        apart: dict[str, list[Entry]] = {}
        for entry in scored.entries:
            if id(entry) in timed and entry.result.sustained is None:
                apart.setdefault(timed[id(entry)].name, []).append(entry)
        several = [(timed[id(of[0])], of) for of in apart.values() if len(of) > 1]
        figures = [*(_over_latency(scored, how, of) for how, of in several), *_over_size(scored)]
        if figures:
            drawn += [Heading(f"Scored on {scored.text}", 3), Sheet(figures, large=True), *scored_under(scored)]
    if not drawn:
        return [*blocks, Paragraph(f"{NOT_MEASURED.capitalize()}: a picture needs two artifacts measured alike.")]
    return [*blocks, *drawn, Paragraph("What times were measured under is below their tables.")]


def _over_latency(scored: Group, how: Group, entries: Sequence[Entry]) -> Figure:
    points = [_point(e, e.result.latency_ms.total.p50) for e in entries if e.result.latency_ms]
    return Figure(
        f"{scored.name}-{how.name}-dice.svg",
        pareto.draw(points, "latency of a frame, median (ms)", sized=True),
        "Scatter plot of Dice over latency",
        f"Dice over latency, timed on {how.text}. The larger the file, the larger the marker.",
    )


def _over_size(scored: Group) -> list[Figure]:
    """The same over the size, which does not depend on the device."""
    files = {e.result.model_sha256: e for e in reversed(scored.entries) if e.result.size_bytes}
    points = [_point(e, (e.result.size_bytes or 0) / 1e6, of_device=False) for e in files.values()]
    if len(points) < 2:
        return []
    picture = pareto.draw(points, "file size (MB)", sized=False)
    return [
        Figure(f"{scored.name}-size-dice.svg", picture, "Scatter plot of Dice over file size", "Dice over file size.")
    ]


def _point(entry: Entry, x: float, of_device: bool = True) -> pareto.Point:
    result, accuracy = entry.result, entry.result.accuracy
    dice = accuracy.dice if accuracy else None
    middle = (dice and dice.mean) or 0.0  # not None: accuracy is over at least one image
    low, high = (middle if end is None else end for end in (dice and dice.ci95_low, dice and dice.ci95_high))
    name = str(result.strategy or result.artifact) + (f" · {entry.source.key}" if of_device and not entry.alone else "")
    size = (result.size_bytes or 0) / 1e6
    return pareto.Point(name, str(result.recipe), x, 100 * middle, 100 * low, 100 * high, size)
