"""How right artifacts are: scores, agreement of circumferences, and what each recipe costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.common.render import Block, Details, Figure, Heading, Paragraph, Sheet, code
from benchmarks.common.tables import Columns, interval, number
from benchmarks.pages.report.conditions import scored_under
from benchmarks.pages.report.shown import RUN, filled, not_measured
from benchmarks.pages.report.sources import Entry, Group, scored_alike
from benchmarks.pages.report.speed import names
from benchmarks.pictures.report.agreement import LIMITS_SD, Agreement, draw
from benchmarks.suite.behind import Behind
from benchmarks.suite.columns import ACCURACY
from benchmarks.suite.document import Result

_TEXT = (
    "Scores are taken for each image at its own resolution; tables give the mean over images with its bootstrap 95% "
    "interval. HC is the head circumference. DF is the mean difference of HC from the reference, ADF the mean absolute "
    'difference. An empty prediction counts as Dice 0. "No HC" counts images without a circumference by the runtime\'s '
    'general limits, which are the same for every model; DF and ADF are over the others. "Refused on the device" '
    "counts with the limits in the model's own manifest, too."
)
_AGREEMENT = (
    "Bland-Altman plots: each dot is an image. The solid line is the mean difference (bias), the dashed lines the "
    f"limits of agreement, {LIMITS_SD} standard deviations from it: 95% of the differences lie between them if they "
    "are normally distributed."
)
_SHOWN_RECIPE = "full_int8"
_MOST_PLOTS = 6


@dataclass(frozen=True)
class _Agreeing:
    """An artifact whose circumferences can be compared with the references."""

    entry: Entry
    agreement: Agreement


def section(entries: Sequence[Entry]) -> list[Block]:
    """Tables of scores, one for each set of images."""
    blocks: list[Block] = [Heading("Accuracy"), Paragraph(_TEXT)]
    groups = scored_alike(entries)
    if not groups:
        return [*blocks, not_measured("Accuracy", f"Measure it with `{RUN}`.")]
    if len(groups) > 1:
        blocks.append(
            Paragraph(f"These results were scored on {len(groups)} sets of images. Each has a table of its own.")
        )
    for group in groups:
        rows = _rows(group.entries)
        blocks += [Heading(f"Scored on {group.text}", 3), *filled(rows, _columns(rows))]
        if len(rows) < len(group.entries):
            blocks.append(Paragraph("Results with equal scores of every image share a row."))
        blocks += scored_under(group)
    return blocks


_Row = tuple[Entry, str]
"""An artifact, and the letters of the results that have the same scores of it."""


def _rows(entries: Sequence[Entry]) -> list[_Row]:
    found: dict[object, list[Entry]] = {}
    for entry in entries:
        result = entry.result
        found.setdefault((result.model_sha256, result.images, result.n_refused_on_device), []).append(entry)
    return [(of[0], of[0].where if len(of) == 1 else ", ".join(e.source.key for e in of)) for of in found.values()]


def _columns(rows: Sequence[_Row]) -> Columns[_Row]:
    def of(read: Callable[[Result], str]) -> Callable[[_Row], str]:
        return lambda row: read(row[0].result)

    where: Columns[_Row] = () if all(entry.alone for entry, _ in rows) else (("measured in", lambda row: row[1]),)
    return (
        ("artifact", lambda row: code(row[0].result.artifact)),
        *where,
        *((title, of(read)) for title, read in ACCURACY[1:]),
    )


_LIMITS: Columns[_Agreeing] = (
    ("images", lambda a: str(len(a.agreement.differences_mm))),
    ("no HC", lambda a: number(a.entry.result.accuracy and a.entry.result.accuracy.n_hc_refused, 0)),
    (
        "bias [95% interval] (mm)",
        lambda a: interval(a.entry.result.accuracy and a.entry.result.accuracy.hc_difference_mm, 2, sign=True),
    ),
    ("lower limit (mm)", lambda a: number(a.agreement.limits_mm and a.agreement.limits_mm[0], 2, sign=True)),
    ("upper limit (mm)", lambda a: number(a.agreement.limits_mm and a.agreement.limits_mm[1], 2, sign=True)),
)


def agreement(entries: Sequence[Entry], behind: dict[str, Behind | str]) -> list[Block]:
    """Bland-Altman plots and limits of agreement.

    Args:
        entries: The artifacts.
        behind: The images of each source, by its key, or why they are not at hand.
    """
    blocks: list[Block] = [Heading("Agreement of the head circumference")]
    groups = scored_alike(entry for entry in entries if _differences(entry))
    if not groups:
        return [*blocks, not_measured("HC", f"Measure it with `{RUN}`.")]
    blocks.append(Paragraph(_AGREEMENT))
    for group in groups:
        found = [_Agreeing(entry, _agreement(entry, behind[entry.source.key])) for entry in group.entries]
        blocks += [Heading(f"HC of {group.text}", 3), Sheet(_plots(group, _chosen(found)), large=True)]
        blocks += [Details("Limits of agreement of all artifacts", filled(found, [*_names(entries), *_LIMITS]))]
        blocks += scored_under(group)
    return blocks


def _names(entries: Sequence[Entry]) -> Columns[_Agreeing]:
    def of(read: Callable[[Entry], str]) -> Callable[[_Agreeing], str]:
        return lambda found: read(found.entry)

    return [(title, of(read)) for title, read in names(entries)]


def _differences(entry: Entry) -> list[float]:
    return [s.hc_difference_mm for s in entry.result.images if s.hc_difference_mm is not None]


def _agreement(entry: Entry, behind: Behind | str) -> Agreement:
    if isinstance(behind, str):
        return Agreement(_differences(entry))
    images = [score.image for score in entry.result.images if score.hc_difference_mm is not None]
    return Agreement(_differences(entry), [behind.images[name].hc_mm for name in images])


def _chosen(found: Sequence[_Agreeing]) -> list[_Agreeing]:
    """What devices run, once where several devices measured the same; else what there is."""
    runs = [one for one in found if one.entry.result.recipe == _SHOWN_RECIPE] or list(found)
    runs = [one for one in runs if one.agreement.limits_mm]
    return list({tuple(one.agreement.differences_mm): one for one in reversed(runs)}.values())[::-1][:_MOST_PLOTS]


def _plots(group: Group, chosen: Sequence[_Agreeing]) -> list[Figure]:
    figures = []
    for i, one in enumerate(chosen):
        bias, limits = one.agreement.bias_mm, one.agreement.limits_mm
        spread = f", limits of agreement {limits[0]:+.2f} to {limits[1]:+.2f} mm" if limits else ""
        unknown = "" if one.agreement.references_mm else (
            " The references are not at hand, so the differences are in order; name the data with --data."
        )  # fmt: skip
        text = f"{one.entry.title}: {len(one.agreement.differences_mm)} images, bias {bias:+.2f} mm{spread}.{unknown}"
        alt = f"Bland-Altman plot of {one.entry.result.artifact}"
        figures.append(Figure(f"{group.name}-hc-{i + 1}.svg", draw(one.agreement), alt, text))
    return figures
