"""Sections of the quality page on the trust and the interval beside a circumference."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table
from benchmarks.common.tables import number
from benchmarks.pictures.quality_plots import risk_coverage
from benchmarks.runtime.quality_document import COVERAGES, LARGE_MM, LookFound, QualityDocument, Risk
from edge_runtime.quality.limits import TRUST_WITHIN_MM
from export.quality.derive_limits import CAUTION_SHARE, COVERAGE, REFUSED_KNOWN, REFUSED_UNKNOWN

PARTS = {
    "val": "validation part (chose the network's epoch; the interval is derived from it, the limits partly)",
    "test": "test part (no exam seen before)",
    "train": "training part (the network learned it; the limits and the trust are partly derived from it)",
}
SHORT = {"val": "validation part", "test": "test part", "looks": "other looks of the test part"}
"""For the legends of pictures, and for the tables of trust."""


def trust(document: QualityDocument) -> list[Block]:
    """What the trust means, and how well it and the expected error order the errors."""
    risks = {title: document.risk[part] for part, title in SHORT.items() if part in document.risk}
    known, unknown = (number(most, 2) for most in document.limits.most_doubt)
    text = (
        "Doubt is the root mean square of the figures below, each as its distance from that of rightly measured heads: "
        "in units of its spread, and only where it is on the bad side. A frame whose doubt is above "
        f"{known} is refused, and one of unknown look already above {unknown}: so few heads have more "
        f"({REFUSED_KNOWN:.1%} of the real images, {REFUSED_UNKNOWN:.0%} of heads of unknown look). The trust is the "
        f"probability that there is a head and that it is measured to within {TRUST_WITHIN_MM:g} mm: a logistic "
        "function of doubt, fitted to real images, other looks of them, bad frames and frames from elsewhere. So it "
        "tells heads from other things, more than small errors from large ones."
    )
    scores = (
        f"AUROC says how well a score tells frames with an |HC error| above {LARGE_MM:g} mm from the others: 1 is "
        "perfect, 0.5 is chance. The rank correlation is Spearman's, of trust and |HC error|. It is -1 if less trust "
        "always goes with more error, and 0 if the two are unrelated. The expected error grows with the blur of the "
        "outline in mm. All frames count that the general limits let through."
    )
    rows = [
        [
            title, f"{risk.n:,}", f"{risk.n_above_5_mm:,}", _auroc(risk.auroc_trust), _auroc(risk.auroc),
            number(risk.rank_correlation, 2, sign=True),
        ]
        for title, risk in risks.items()
    ]  # fmt: skip
    header = (
        "images of", "frames", f"above {LARGE_MM:g} mm", "AUROC of the trust", "AUROC of the expected error",
        "rank correlation",
    )  # fmt: skip
    curve = (
        "Refused frames are dropped first, then those with the largest expected error. The table shows the 95th "
        "percentile of |HC error| in mm of the frames that are kept. In brackets: with a perfect order, which drops "
        "the largest errors first."
    )
    figure = Figure(
        "risk-coverage.svg",
        risk_coverage(risks),
        "95th percentile of the error over coverage",
        "The frames with the smallest expected error are kept. Dashed: those with the smallest true error.",
    )
    shares = ("images of", *(f"{share:.0%} kept" for share in COVERAGES))
    return [
        Heading("The trust"),
        Paragraph(text),
        Paragraph(scores),
        Table(header, rows),
        Paragraph(curve),
        Table(shares, [_curve(title, risk) for title, risk in risks.items()]),
        figure,
    ]


def _auroc(value: float | None) -> str:
    return "-" if value is None else number(value, 2)


def _curve(title: str, risk: Risk) -> list[str]:
    return [title, *(f"{number(kept.p95_mm, 1)} ({number(kept.p95_perfect_mm, 1)})" for kept in risk.curve)]


def interval(document: QualityDocument) -> list[Block]:
    """How the interval is made, and how often it holds: real images, and other looks, known and unknown."""
    limits = document.limits
    low, high = limits.interval
    text = (
        "The interval is conformal: its ends are order statistics of the true minus the measured circumferences of the "
        "validation images, each divided by its expected error. They are chosen so that a further image of the same "
        f"kind lies inside with a probability of {COVERAGE:.1%}. A circumference gets the interval from "
        f"{number(low, 2, sign=True)} to {number(high, 2, sign=True)} expected errors around it. If the frame looks "
        f"unlike the images that this was measured on, the interval is {number(limits.unlike, 2)} times as wide, so "
        "that it holds as often for other looks of the validation images, and the caution says that it is not "
        f"validated. A circumference whose expected error is above {number(limits.caution_mm, 1)} mm, that of "
        f"{1 - CAUTION_SHARE:.0%} of the validation images, gets a caution, too."
    )
    rows = [
        [
            title, f"{of.n_inside:,} of {of.n:,}", f"{of.coverage:.1%}", f"{of.coverage_small_heads:.1%}",
            f"{of.coverage_large_heads:.1%}", number(of.mean_width_mm, 1), str(of.n_marked),
        ]
        for part, title in PARTS.items()
        if (of := document.intervals.get(part))
    ]  # fmt: skip
    header = (
        "images of", "true HC inside", "share", "smaller heads", "larger heads", "mean width (mm)", "caution: blurred"
    )  # fmt: skip
    looks = "Other looks of the test part that are shown, with their compounds:"
    return [
        Heading("The interval"),
        Paragraph(text),
        Table(header, rows),
        Paragraph(looks),
        Table(("look", "true HC inside", "share"), _by_look([*document.looks.values(), document.compounds])),
    ]


def _by_look(found: Sequence[LookFound]) -> list[list[str]]:
    """Known and unknown looks apart, or together where an older result does not tell them apart."""
    shown, inside = sum(one.n_shown for one in found), sum(one.n_inside for one in found)
    unlike = sum(one.n_unlike for one in found)
    rows = [("all", inside, shown)]
    if all(one.n_unlike_inside is not None for one in found):
        held = sum(one.n_unlike_inside or 0 for one in found)
        rows = [
            ("known", inside - held, shown - unlike), ("unknown: wider interval, not validated", held, unlike), *rows
        ]  # fmt: skip
    return [[name, f"{n:,} of {of:,}", f"{n / of:.1%}" if of else "-"] for name, n, of in rows]
