"""The page ``docs/quality.md``: when a frame is refused, how far a shown circumference is to be trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table
from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import number
from benchmarks.pictures.quality_plots import refusal_and_interval, risk_coverage
from benchmarks.runtime.quality import BAD_EACH, GOALS
from train.frames.bad_frames import KINDS

RESULT = RESULTS / "runtime" / "quality.json"
PARTS = {
    "val": "validation (limits were set on it)",
    "test": "test part of grouped (no exam seen before)",
    "paper_test": "paper_test (that, and images of exams trained on)",
    "train": "training (fitted on it)",
}

Document = Mapping[str, Any]


def build(path: Path = RESULT) -> list[Block]:
    """The page's blocks; none where there is no result."""
    if not path.is_file():
        return []
    document = json.loads(path.read_text())
    text = (
        "Each result carries figures, a trust from 0 to 1 and a 90 % interval; a frame that cannot be measured is "
        "refused with a reason. What is calibrated lies in the model's manifest (quality), is made by python -m export "
        "quality on the training and validation parts, and is judged here, by python -m benchmarks quality, on images "
        f"it was not made from. {document['artifact']}, {document['data']}. Not a medical device."
    )
    return [
        Heading("How far to trust a result", 1),
        Paragraph(text),
        *_goals(document),
        *_refused(document),
        *_risk(document),
        *_intervals(document),
        *_how(document),
    ]


def _goals(document: Document) -> list[Block]:
    bad = document["refused"]["test"]["bad"]
    unseen = [document["refused"][part]["real"] for part in ("val", "paper_test")]
    lost, count = sum(p["n_refused"] for p in unseen), sum(p["n"] for p in unseen)
    risk, interval = document["risk"]["test"], document["intervals"]["test"]
    rows = [
        _goal(
            f"bad frames that are refused, {bad['n']} of {len(bad['kinds'])} kinds", ">=", GOALS["bad"],
            bad["n_refused"] / bad["n"], f"{bad['n_refused']} of {bad['n']}",
        ),
        _goal(
            "good frames that are refused, all HC18 images not trained on", "<=", GOALS["good"], lost / count,
            f"{lost} of {count}",
        ),
        _goal(
            "fall of the 95th percentile of |HC error| at 95 % coverage, test part", ">=", GOALS["fall"], risk["fall"],
            f"a perfect order would give {risk['fall_perfect']:.0%}",
        ),
        _goal(
            "true HC inside the 90 % interval, test part", ">=", GOALS["interval"], interval["coverage"],
            f"{interval['n_inside']} of {interval['n']}, mean width {number(interval['mean_width_mm'], 1)} mm",
        ),
    ]  # fmt: skip
    return [Heading("Goals"), Table(("goal", "asked", "measured", "", ""), rows, facts=True)]


def _goal(name: str, sign: str, goal: float, value: float, detail: str) -> list[str]:
    met = value >= goal if sign == ">=" else value <= goal
    asked = "at least" if sign == ">=" else "at most"
    return [name, f"{asked} {goal:.0%}", f"{value:.1%}", detail, "met" if met else "MISSED"]


def _refused(document: Document) -> list[Block]:
    rows = []
    for part, title in PARTS.items():
        groups = document["refused"][part]
        rows.append([title, *(_share(groups[name]) for name in ("real", "variants", "bad"))])
    bad = document["refused"]["test"]["bad"]
    text = (
        "Variants are mild: mirrored, upside down, turned by up to 30 or by 180 degrees, darker, brighter, gamma, "
        "rescaled, shifted, trimmed. Bad frames of each part are made from its own images, photographs and seeds. "
        "Which figures there are, and the least trust, were settled with misses of all parts in sight: a generator "
        "that nobody here has seen is the fairer judge."
    )
    kinds = [
        [kind, KINDS[kind].why, _share(of), _share(document["left_out_kinds"][kind])]
        for kind, of in bad["kinds"].items()
    ]
    more = (
        f"Of {bad['n']} bad frames of the test part {document['refused_by_limits_alone']} are refused by the limits "
        "alone, which no bad frame had a part in; trust adds the rest. Left out: the trust was fitted without that "
        f"kind."
    )
    reasons = [[reason, str(count)] for reason, count in bad["reasons"].items()]
    return [
        Heading("Refused"),
        Paragraph(text),
        Table(("part", "real images", "mild variants", "bad frames"), rows),
        Paragraph(more),
        Table(("kind", "why no head can be measured", "refused", "kind left out"), kinds, facts=True),
        Paragraph("Reasons given for them:"),
        Table(("reason", "frames"), reasons),
        Figure(
            "refusal.svg",
            refusal_and_interval(bad["kinds"], document["points"], document["limits"]),
            "Share of bad frames refused by kind, and errors of unseen images within their intervals",
            f"Left: bad frames of the test part, {BAD_EACH['test']} of a kind. Right: images not trained on; outside "
            "the grey wedge the true circumference lies outside the stated interval.",
        ),
    ]


def _share(of: Document) -> str:
    return f"{of['n_refused']} of {of['n']} ({of['n_refused'] / of['n']:.1%})" if of["n"] else "-"


def _risk(document: Document) -> list[Block]:
    risks = {part: document["risk"][part] for part in ("val", "test", "paper_test")}
    risks["damaged"] = document["risk_damaged"]
    names = {**PARTS, "damaged": "paper_test and slightly damaged frames"}
    rows = [
        [
            names[part], str(of["n"]), number(of["curve"][0]["p95_mm"], 2), number(of["curve"][1]["p95_mm"], 2),
            f"{of['fall']:.0%}", f"{of['fall_perfect']:.0%}", number(of["auroc"], 2), str(of["n_above_5_mm"]),
        ]
        for part, of in risks.items()
    ]  # fmt: skip
    text = (
        "The error that is expected of a result grows with the blur of its outline in mm; above the level of the "
        "validation part's last 5 %, or with a trust below 0.5, a circumference is marked with a caution. On HC18's "
        "images errors have no heavy tail: even a perfect order, which knows the errors, lowers the 95th percentile at "
        "95 % coverage by less than the 30 % asked. Slightly damaged frames (cut, covered or smeared) show what "
        "refusing is worth."
    )
    header = (
        "part",
        "images",
        "p95 (mm)",
        "p95 at 95 % (mm)",
        "fall",
        "perfect",
        "AUROC > 5 mm",
        "images > 5 mm",
    )
    caption = "Kept are the frames of the least expected error. Dashed: an order that knows the errors."
    figure = Figure("risk-coverage.svg", risk_coverage(risks), "95th percentile of the error over coverage", caption)
    return [Heading("Error of what is shown"), Paragraph(text), Table(header, rows), figure]


def _intervals(document: Document) -> list[Block]:
    rows = [
        [
            title, f"{of['n_inside']} of {of['n']}", f"{of['coverage']:.1%}", f"{of['coverage_small_heads']:.1%}",
            f"{of['coverage_large_heads']:.1%}", number(of["mean_width_mm"], 1), str(of["n_marked"]),
        ]
        for part, title in PARTS.items()
        if (of := document["intervals"][part])
    ]  # fmt: skip
    text = (
        "Order statistics of the validation part's errors, each divided by the error expected of it: a conformal "
        "interval, asymmetric because the model measures a little small, chosen so that of 69 further images at least "
        "90 % lie within, 95 times in 100. This aim was chosen among others when their coverage of the test part had "
        "been seen, so the shares of the two test parts are optimistic; on images kept apart it may be less."
    )
    header = ("part", "inside", "share", "smaller heads", "larger heads", "mean width (mm)", "marked")
    return [Heading("Interval"), Paragraph(text), Table(header, rows)]


def _how(document: Document) -> list[Block]:
    limits, cost = document["limits"], document["evidence_ms"]
    text = (
        "Every limit is the most extreme value that good frames of the training and validation parts gave, moved on by "
        "a tenth of its distance from their median. The figures are described in edge_runtime/quality/evidence.py and "
        f"take {number(cost['least'], 2)} ms a frame at best, {number(cost['median'], 2)} ms in the median on the busy "
        f"machine this was run on ({document['device']['cpu']}). A frame is refused where a figure breaks its limit or "
        f"trust is below {number(limits['least_trust'], 3)}."
    )
    rows = [
        [
            name,
            "at least" if low is not None else "at most",
            number(low if low is not None else high, 3),
            number(limits["weights"][name][2], 2, sign=True) if name in limits["weights"] else "-",
        ]
        for name, (low, high) in limits["bounds"].items()
    ]
    return [Heading("Limits"), Paragraph(text), Table(("figure", "", "limit", "weight in trust (of an SD)"), rows)]
