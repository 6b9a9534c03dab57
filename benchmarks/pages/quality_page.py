"""The page ``docs/quality.md``: when a frame is refused, and how far to trust a circumference that is shown."""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table, code
from benchmarks.common.tables import number
from benchmarks.pages.measured import measured_on
from benchmarks.pages.quality.limits import known_look, limits
from benchmarks.pages.quality.sizes import sizes
from benchmarks.pages.quality.tried import LEFT_OUT, OUTSIDE, QUALITY, elsewhere, left_out, looks_of
from benchmarks.pages.quality.trust import PARTS, SHORT, interval, trust
from benchmarks.pictures.quality_plots import error_by_look, refusal_and_interval
from benchmarks.runtime.quality_document import (
    MIN_INSIDE,
    WRONG_MM,
    Count,
    LookFound,
    QualityDocument,
    goals,
    read_quality,
)
from train.frames.bad_frames import KINDS
from train.frames.looks import FAMILIES


def build(path: Path = QUALITY, outside: Path = OUTSIDE, unseen: Path = LEFT_OUT) -> list[Block]:
    """The page's blocks; none without a result.

    Args:
        path: Result of ``python -m benchmarks quality``.
        outside: Result of ``python -m benchmarks outside``. The part about it is left out if there is none.
        unseen: Folder of such results, of networks that were trained without the kinds that they measure.
    """
    if not path.is_file():
        return []
    document = read_quality(path)
    text = (
        "The runtime judges every frame by figures, such as the sharpness of the outline. It refuses a frame that "
        "cannot be measured and says why. A circumference that is shown carries a trust from 0 to 1 and a "
        f"{MIN_INSIDE:.0%} interval. It also carries a caution if it is less certain than usual, or if the frame looks "
        "unlike those that the interval was measured on. What is behind this is in the model's manifest, in its "
        "section `quality`. `python -m export quality` derives it from the training and validation parts, from other "
        "looks of their images, from bad frames and from frames from elsewhere. This page shows how well it works on "
        "images that it was not derived from, as measured by `python -m benchmarks quality`."
    )
    about = (
        f"This page is about {code(document.artifact)} on {document.data}. HC is the head circumference, and an |HC "
        "error| is the absolute difference of the measured from the reference circumference. Not a medical device. "
        f"{measured_on(document)}"
    )
    return [
        Heading("How far to trust a result", 1),
        Paragraph(text),
        Paragraph(about),
        *_goals(document),
        *sizes(path.parent),
        *_refused(document),
        *_looks(document),
        *trust(document),
        *interval(document),
        *limits(document),
        *known_look(document),
        *elsewhere(outside),
        *left_out(unseen),
    ]


def _goals(document: QualityDocument) -> list[Block]:
    rows = [[goal.name, goal.limit, goal.measured, goal.detail, goal.verdict] for goal in goals(document)]
    text = "All goals are about the test part: no exam in it was used to train the network or to derive the limits."
    header = ("goal", "asked", "measured", "details", "verdict")
    return [Heading("Goals"), Paragraph(text), Table(header, rows, facts=True)]


def _refused(document: QualityDocument) -> list[Block]:
    parts = [
        [title, *(_refused_of(count) for count in (groups.real, groups.looks, groups.bad))]
        for part, title in PARTS.items()
        if (groups := document.refused.get(part))
    ]
    bad = document.refused["test"].bad
    text = (
        "Other looks are the images themselves, altered as another scanner, program or camera would. Their head can "
        "still be measured. Bad frames cannot be measured. They are made from the images of the same part, from "
        "photographs and at random. Each part has its own seeds, but the same kinds, and the network was trained on "
        "frames of these kinds: bad frames made by somebody else would be a fairer test. The bounds and the largest "
        "doubt know good frames only."
    )
    more = (
        f"The general limits and the bounds alone refuse {document.refused_without_doubt} of the {bad.n} bad frames of "
        f"the test part. With the doubt {bad.n_refused} are refused."
    )
    kinds = [
        [
            code(kind),
            KINDS[kind].why if kind in KINDS else "-",
            _refused_of(count),
        ]
        for kind, count in bad.kinds.items()
    ]
    reasons = [[reason, str(count)] for reason, count in bad.reasons.items()]
    points = {SHORT[part]: points for part, points in document.points.items()}
    return [
        Heading("What is refused"),
        Paragraph(text),
        Table(("images of", "real images refused", "other looks refused", "bad frames refused"), parts),
        Paragraph(more),
        Table(("kind", "why no head can be measured", "refused"), kinds, facts=True),
        Paragraph("The reasons given for these bad frames:"),
        Table(("reason", "frames"), reasons),
        Figure(
            "refusal.svg",
            refusal_and_interval(bad.kinds, points, document.limits),
            "Share of bad frames refused by kind, and errors of unseen images beside their intervals",
            "Left: bad frames of the test part, with the number of each kind in brackets. Right: images that the "
            "network was not trained on. Where the look is known, the true circumference of a point outside the grey "
            "wedge lies outside its interval.",
        ),
    ]


def _refused_of(count: Count) -> str:
    return f"{count.n_refused:,} of {count.n:,} ({count.n_refused / count.n:.1%})" if count.n else "-"


def _looks(document: QualityDocument) -> list[Block]:
    families = {family: found for family in FAMILIES if (found := looks_of(document, family))}
    rows = [_look(family, code(kind), found) for family, kinds in families.items() for kind, found in kinds.items()]
    rows.append(_look("several", "compounds", document.compounds))
    text = (
        "Each image of the test part is altered in every kind of look, and in compounds of two to four kinds of "
        "different families. A kind is left out for an image that it would cut the head of. Wrong: shown with an |HC "
        f"error| above {WRONG_MM:g} mm. Not validated: shown with the caution that the image looks unlike those that "
        "the interval was measured on. The last three columns are about the frames that are shown. The network was "
        "trained on the same kinds of looks, of other images and with other seeds."
    )
    header = (
        "family",
        "kind",
        "frames",
        "refused",
        "wrong",
        "median |HC error| (mm)",
        "not validated",
        "interval holds",
    )
    figure = Figure(
        "looks.svg",
        error_by_look(families, document.compounds),
        "Median error of each kind of look and share of it that is refused, by family",
        "A point for each kind of look of the test part's images. Left: the median error of what is shown. Right: the "
        "share that is refused.",
    )
    return [Heading("Other looks"), Paragraph(text), figure, Table(header, rows)]


def _look(family: str, kind: str, found: LookFound) -> list[str]:
    return [
        family,
        kind,
        f"{found.n:,}",
        f"{found.n_refused:,}",
        f"{found.n_wrong:,}",
        "-" if found.median_mm is None else number(found.median_mm, 2),
        _share(found.n_unlike, found.n_shown),
        _share(found.n_inside, found.n_shown),
    ]


def _share(count: int, of: int) -> str:
    return f"{count / of:.0%}" if of else "-"
