"""Measured against reference circumferences, after Bland and Altman (1986)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.pictures.report.canvas import COLORS, INK, MUTED, canvas, to_themed_svg

LIMITS_SD = 1.96
"""95 % of differences that are normally distributed lie within so many standard deviations."""


@dataclass(frozen=True)
class Agreement:
    """Differences of circumferences, measured minus reference.

    Attributes:
        differences_mm: Of each image that has a circumference.
        references_mm: Of the same images; None where the images are not at hand.
    """

    differences_mm: Sequence[float]
    references_mm: Sequence[float] | None = None

    @property
    def bias_mm(self) -> float:
        """Their mean."""
        return statistics.fmean(self.differences_mm)

    @property
    def limits_mm(self) -> tuple[float, float] | None:
        """The limits of agreement; None for fewer than two images."""
        if len(self.differences_mm) < 2:
            return None
        half = LIMITS_SD * statistics.stdev(self.differences_mm)
        return self.bias_mm - half, self.bias_mm + half


def draw(of: Agreement) -> bytes:
    """The differences over the mean of both, or in their order where the references are not known, as SVG."""
    with canvas(3.4) as (figure, (axes,)):
        if of.references_mm is None:
            y: Sequence[float] = sorted(of.differences_mm)
            x: Sequence[float] = range(1, len(y) + 1)
            axes.set_xlabel("images, in the order of their difference")
        else:
            y = of.differences_mm
            x = [reference + difference / 2 for reference, difference in zip(of.references_mm, y, strict=True)]
            axes.set_xlabel("mean of measured and reference HC (mm)")
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.plot(x, y, "o", color=COLORS[0], markersize=4.5, alpha=0.9, markeredgewidth=0)
        lines = [(of.bias_mm, "mean", "-")]
        lines += [(end, text, "--") for end, text in zip(of.limits_mm or (), ("-1.96 SD", "+1.96 SD"), strict=False)]
        for value, text, style in lines:
            axes.axhline(value, color=INK, linewidth=1.2, linestyle=style)
            axes.annotate(
                f"{text} {value:+.2f}", (1, value), (-2, 2), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="right", va="bottom", fontsize=8.5,
            )  # fmt: skip
        axes.set_ylabel("measured - reference HC (mm)")
        axes.margins(x=0.05, y=0.15)
        return to_themed_svg(figure)
