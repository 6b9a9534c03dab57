"""The page ``docs/quality.md``: when a frame is refused, and how far to trust a circumference that is shown."""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table, code
from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import number
from benchmarks.pages.measured import measured_on
from benchmarks.pictures.quality_plots import refusal_and_interval, risk_coverage
from benchmarks.runtime.quality_document import (
    GOAL_COVERAGE,
    LARGE_MM,
    MIN_FALL,
    MIN_INSIDE,
    Count,
    QualityDocument,
    goals,
    read_quality,
)
from edge_runtime.quality.limits import EVEN_TRUST
from export.quality.derive_limits import CAUTION_SHARE, CONFIDENCE, COVERAGE, FURTHER, MARGIN
from train.frames.bad_frames import KINDS

RESULT = RESULTS / "runtime" / "quality.json"

PARTS = {
    "val": "validation part (limits and interval derived from it)",
    "test": "test part of `grouped` (no exam seen before)",
    "paper_test": "test part of `paper` (the same, and images of exams trained on)",
    "train": "training part (limits and trust derived from it)",
}
_DAMAGED = "test part of `paper` and slightly damaged frames"
_SHORT = {"val": "validation part", "test": "test part of grouped", "paper_test": "test part of paper"}
"""For the legends of pictures."""


def build(path: Path = RESULT) -> list[Block]:
    """The page's blocks; none without a result."""
    if not path.is_file():
        return []
    document = read_quality(path)
    text = (
        "The runtime judges every frame by figures, such as the sharpness of the outline. It refuses a frame that "
        "cannot be measured and says why. A circumference that is shown carries a trust from 0 to 1 and a "
        f"{MIN_INSIDE:.0%} interval, and a caution if it is less certain than usual. The model's manifest holds the "
        "limits behind this, in its section `quality`. `python -m export quality` derives them from the training and "
        "validation parts. This page shows how well they work on other images, as measured by "
        "`python -m benchmarks quality`."
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
        *_refused(document),
        *_risk(document),
        *_intervals(document),
        *_limits(document),
    ]


def _goals(document: QualityDocument) -> list[Block]:
    rows = [
        [
            goal.name,
            goal.limit,
            f"{goal.value:.1%}",
            goal.detail,
            goal.verdict,
        ]
        for goal in goals(document)
    ]
    return [Heading("Goals"), Table(("goal", "asked", "measured", "details", "verdict"), rows, facts=True)]


def _refused(document: QualityDocument) -> list[Block]:
    parts = [
        [title, *(_share(count) for count in (groups.real, groups.variants, groups.bad))]
        for part, title in PARTS.items()
        if (groups := document.refused.get(part))
    ]
    bad = document.refused["test"].bad
    text = (
        "Mild variants can still be measured: an image is mirrored, turned upside down, turned by up to 30 degrees or "
        "by 180 degrees, made darker or brighter, changed in gamma, rescaled, shifted or trimmed. Bad frames cannot be "
        "measured. They are made from the images of the same part, from photographs and at random, with other seeds "
        "for each part. The figures, and the smallest trust that is shown, were chosen after looking at the bad "
        "frames that got through in every part. Bad frames made by somebody else would be a fairer test."
    )
    more = (
        f"The limits alone refuse {document.refused_by_limits_alone} of the {bad.n} bad frames of the test part. "
        f"They were derived without any bad frame. With the trust, {bad.n_refused} are refused. For the last column "
        "the trust was fitted again, without frames of that kind."
    )
    kinds = [
        [code(kind), KINDS[kind].why if kind in KINDS else "-", _share(count), _share(document.left_out_kinds[kind])]
        for kind, count in bad.kinds.items()
    ]
    reasons = [[reason, str(count)] for reason, count in bad.reasons.items()]
    points = {_SHORT[part]: points for part, points in document.points.items()}
    return [
        Heading("What is refused"),
        Paragraph(text),
        Table(("images of", "real images refused", "mild variants refused", "bad frames refused"), parts),
        Paragraph(more),
        Table(("kind", "why no head can be measured", "refused", "refused, kind left out"), kinds, facts=True),
        Paragraph("The reasons given for these bad frames:"),
        Table(("reason", "frames"), reasons),
        Figure(
            "refusal.svg",
            refusal_and_interval(bad.kinds, points, document.limits),
            "Share of bad frames refused by kind, and errors of unseen images beside their intervals",
            "Left: bad frames of the test part, with the number of each kind in brackets. Right: images that the "
            "network was not trained on. The true circumference of a point outside the grey wedge lies outside its "
            "interval.",
        ),
    ]


def _share(count: Count) -> str:
    return f"{count.n_refused} of {count.n} ({count.n_refused / count.n:.1%})" if count.n else "-"


def _risk(document: QualityDocument) -> list[Block]:
    risks = {part: document.risk[part] for part in _SHORT} | {"damaged": document.risk_damaged}
    rows = [
        [
            PARTS.get(part, _DAMAGED), str(risk.n), number(risk.kept(1.0).p95_mm, 2),
            number(risk.kept(GOAL_COVERAGE).p95_mm, 2), f"{risk.fall:.0%}", f"{risk.fall_perfect:.0%}",
            number(risk.auroc, 2), str(risk.n_above_5_mm),
        ]
        for part, risk in risks.items()
    ]  # fmt: skip
    text = (
        "The expected error of a circumference grows with the blur of the outline in mm. A circumference is shown with "
        f"a caution if its expected error is larger than that of {1 - CAUTION_SHARE:.0%} of the validation images, or "
        f"if its trust is below {EVEN_TRUST:g}. Coverage is the share of images kept when those with the largest "
        "expected error are dropped first, and p95 is the 95th percentile of |HC error| of the images kept. A perfect "
        "order would drop those with the largest |HC error| first. AUROC is how well the expected error tells images "
        f"with an |HC error| above {LARGE_MM:g} mm from the others: 1 is perfect, 0.5 is chance. The last row adds "
        "frames that are slightly cut, covered or smeared."
    )
    test = document.risk["test"]
    if test.fall_perfect < MIN_FALL:
        text += (
            f" On the test part even a perfect order would lower p95 by only {test.fall_perfect:.0%}, so no order can "
            f"meet the goal of {MIN_FALL:.0%} there."
        )
    header = (
        "images of",
        "images",
        "p95 (mm)",
        f"p95 at {GOAL_COVERAGE:.0%} coverage (mm)",
        "fall of p95",
        "with a perfect order",
        "AUROC",
        f"images above {LARGE_MM:g} mm",
    )
    figure = Figure(
        "risk-coverage.svg",
        risk_coverage({_SHORT.get(part, _DAMAGED.replace("`", "")): risk for part, risk in risks.items()}),
        "95th percentile of the error over coverage",
        "The frames with the smallest expected error are kept. Dashed: those with the smallest true error.",
    )
    return [Heading("The error of what is shown"), Paragraph(text), Table(header, rows), figure]


def _intervals(document: QualityDocument) -> list[Block]:
    rows = [
        [
            title, f"{of.n_inside} of {of.n}", f"{of.coverage:.1%}", f"{of.coverage_small_heads:.1%}",
            f"{of.coverage_large_heads:.1%}", number(of.mean_width_mm, 1), str(of.n_marked),
        ]
        for part, title in PARTS.items()
        if (of := document.intervals.get(part))
    ]  # fmt: skip
    text = (
        "The interval is conformal: its ends are order statistics of the validation images' errors, each divided by "
        f"its expected error. They were chosen so that, with a confidence of {CONFIDENCE:.0%}, at least {COVERAGE:.0%} "
        f"of {FURTHER} further images lie inside. This aim was chosen among others after their coverage of the test "
        "part had been seen. The shares of the two test parts are therefore optimistic, and new images may have less."
    )
    header = (
        "images of", "true HC inside", "share", "smaller heads", "larger heads", "mean width (mm)",
        "caution (expected error)",
    )  # fmt: skip
    return [Heading("The interval"), Paragraph(text), Table(header, rows)]


def _limits(document: QualityDocument) -> list[Block]:
    limits, cost = document.limits, document.evidence_ms
    text = (
        "Each limit is the most extreme value of the good frames of the training and validation parts, moved away from "
        f"their median by {MARGIN:.0%} of its distance. `edge_runtime/quality/evidence.py` describes the figures. "
        f"Computing them takes {number(cost.least, 2)} ms per frame at best, and {number(cost.median, 2)} ms in the "
        "median. A frame is refused if a figure is beyond its limit, or if the trust is below "
        f"{number(limits.least_trust, 3)}."
    )
    rows = [
        [
            code(name),
            " and ".join(
                f"{word} {number(bound, 3)}"
                for word, bound in (("at least", low), ("at most", high))
                if bound is not None
            ),
            number(limits.weights[name][2], 2, sign=True) if name in limits.weights else "-",
        ]
        for name, (low, high) in limits.bounds.items()
    ]
    header = ("figure", "allowed", "weight in the trust, per standard deviation")
    return [Heading("The limits"), Paragraph(text), Table(header, rows)]
