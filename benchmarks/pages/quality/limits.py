"""Sections of the quality page on the limits of the figures, and on the known look."""

from __future__ import annotations

import numpy as np

from benchmarks.common.render import Block, Heading, Paragraph, Table, code
from benchmarks.common.tables import number
from benchmarks.runtime.quality_document import LARGE_MM, Earned, QualityDocument
from edge_runtime.quality.limits import Bounds
from edge_runtime.quality.look import FIGURES, KnownLook
from export.quality.derive_limits import KNOWN_SHARE, MARGIN, RIGHT_MM

EVIDENCE = {
    "outside": "share of the ellipse outside the frame's content: a head that is cut",
    "border_contact": "share of the outline on the border of the frame's content: a head that is cut",
    "axis_ratio": "shorter axis of the ellipse over the longer one: heads are never so narrow",
    "ellipse_residual": "distance of the outline from its ellipse, relative to the radius: not an ellipse",
    "skull": "share of the outline that is brighter than both of its sides: trunks have no skull",
    "skull_contrast": "how much brighter, in standard deviations of the frame: trunks have no skull",
    "core": "logits inside the head, 1st percentile: low where the network leaves a hole",
    "sharpness": "fall of the logits across the outline, in the eighth of it where it is smallest",
    "softness": "width of the outline, relative to the radius; times HC it is the blur in mm",
    "unsure": "pixels that the network is not sure of, relative to the head's area",
    "stray": "pixels well beyond the outline that may be head, relative to the head's area",
}
"""What each figure is that a limit or the trust may use."""

LOOK = {
    "fine": "fineness of the grain along the axis where it is finer",
    "coarse": "the same along the other axis",
    "brightness": "logarithm of the mean grey level, without dark pixels",
    "spread": "standard deviation of these grey levels over their mean",
    "bright_tail": "logarithm of their 95th over their 50th percentile",
    "dark_tail": "logarithm of their 50th over their 25th percentile",
    "dark": "share of dark pixels",
}
"""What each figure of the look is."""


def limits(document: QualityDocument) -> list[Block]:
    """The figures, their bounds and their part in the doubt."""
    of, cost = document.limits, document.evidence_ms
    text = (
        "Figures that must not be passed, whatever the others say, have a bound. It is the most extreme value of the "
        f"frames that were measured to within {RIGHT_MM:g} mm, or whose outline was right, of the training and "
        "validation parts, their other looks and the frames from elsewhere, moved away from their median by "
        f"{MARGIN:.0%} of its distance. The other figures are judged together, by the doubt: a figure adds to it as "
        "soon as it is on the bad side of the median of these frames, in units of their spread there. All figures are "
        "computed in "
        f"{number(cost.least, 2)} ms per frame at best, and {number(cost.median, 2)} ms in the median. "
        "`edge_runtime/quality/evidence.py` describes them in full."
    )
    right, wrong, no_head = document.n_earned
    earned = (
        "Each figure must earn its place. The last two columns are its AUROC, as a test for heads that are measured "
        f"wrongly, by more than {LARGE_MM:g} mm ({wrong:,} frames), and for frames without a head that can be measured "
        f"({no_head:,}), both against {right:,} heads that are measured rightly: 1 is perfect, 0.5 is chance. These "
        "are the frames of all parts and from elsewhere that the general limits let through."
    )
    names = dict.fromkeys([*EVIDENCE, *of.bounds, *of.usual])
    rows = [
        [
            code(name),
            EVIDENCE.get(name, "-"),
            _allowed(of.bounds.get(name, (None, None))),
            *([number(value, 3) for value in of.usual[name]] if name in of.usual else ["-", "-"]),
            *_earned(document.earned.get(name)),
        ]
        for name in names
        if name in of.bounds or name in of.usual
    ]
    header = ("figure", "what it is", "allowed", "median", "spread, bad side", "AUROC, wrong", "AUROC, no head")
    return [Heading("The limits"), Paragraph(text), Paragraph(earned), Table(header, rows, facts=True)]


def _earned(found: Earned | None) -> list[str]:
    values = [None, None] if found is None else [found.wrong, found.no_head]
    return ["-" if value is None else number(value, 2) for value in values]


def _allowed(bounds: Bounds) -> str:
    low, high = bounds
    words = [f"at least {number(low, 3)}"] * (low is not None) + [f"at most {number(high, 3)}"] * (high is not None)
    return " and ".join(words) or "-"


def known_look(document: QualityDocument) -> list[Block]:
    """The figures of the look that the interval was measured on."""
    known = document.limits.known
    text = (
        "A number is only as good as the images that it was validated on. These figures say how a frame looks, apart "
        "from what it shows. The distance of a frame from the known look is the root mean square of their differences "
        "from the means, after these are made independent and of unit variance (Mahalanobis' distance over the root of "
        f"the number of figures). It is about 1 for the images of {document.data}. Up to {number(known.most, 2)}, "
        f"where {KNOWN_SHARE:.0%} of its training and validation images lie, a look counts as known. Beyond it the "
        "interval is wider, and the caution says that it is not validated. `python -m export quality --scanner` makes "
        "your scanner's look the known one."
    )
    rows = [
        [code(name), LOOK[name], number(centre, 3), number(deviation, 3)]
        for name, centre, deviation in zip(FIGURES, known.centre, deviations(known), strict=True)
    ]
    header = ("figure", "what it is", "mean", "standard deviation")
    return [Heading("The known look"), Paragraph(text), Table(header, rows, facts=True)]


def deviations(known: KnownLook) -> list[float]:
    """The standard deviation of each figure among images of the known look, from its whitening."""
    spread = np.linalg.inv(np.array(known.whitening))
    return [float(value) for value in np.sqrt(np.square(spread).sum(axis=1))]
