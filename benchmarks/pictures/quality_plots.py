"""Pictures of refusal, other looks, error against coverage, and intervals, as SVG."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.pictures.plots import RC, STYLES, figure_and_axes, to_svg
from benchmarks.runtime.quality_document import Count, LookFound, Points, Risk
from edge_runtime.common.optional import require
from edge_runtime.quality.limits import Limits


def risk_coverage(risks: Mapping[str, Risk]) -> bytes:
    """95th percentile of |HC error| over the share of frames kept; dashed, that of a perfect order.

    Args:
        risks: By label.

    Returns:
        An SVG file.
    """
    with require("matplotlib").rc_context(RC):
        figure, axes = figure_and_axes(8.6, 4.4)
        for (label, risk), (color, marker) in zip(risks.items(), STYLES, strict=False):
            share = [100 * kept.coverage for kept in risk.curve]
            axes.plot(share, [kept.p95_mm for kept in risk.curve], marker=marker, color=color, label=label)
            axes.plot(share, [kept.p95_perfect_mm for kept in risk.curve], "--", color=color, linewidth=1)
        axes.plot([], [], "--", color="#555555", linewidth=1, label="with a perfect order")
        axes.set_xlabel("frames kept (%), those with the largest expected error dropped first")
        axes.set_ylabel("95th percentile of |HC error| (mm)")
        axes.set_xlim(102, 48)
        axes.set_ylim(bottom=0)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)


def refusal_and_interval(kinds: Mapping[str, Count], points: Mapping[str, Points], limits: Limits) -> bytes:
    """Left: share of frames refused, by kind. Right: the error of each image over its expected error.

    Args:
        kinds: Frames by kind.
        points: Images by label.
        limits: The artifact's: the interval is drawn as a wedge, the level of caution as a line.

    Returns:
        An SVG file.
    """
    with require("matplotlib").rc_context(RC):
        figure, (left, right) = figure_and_axes(8.6, 1.2 + 0.19 * len(kinds), columns=2)
        shares = [100 * count.n_refused / count.n for count in kinds.values()]
        left.barh(range(len(kinds)), shares, color=STYLES[0][0], height=0.7)
        left.set_yticks(range(len(kinds)), [f"{name} ({count.n})" for name, count in kinds.items()], fontsize=8)
        left.set_ylim(len(kinds) - 0.4, -0.6)
        left.set_xlim(0, 100)
        left.set_xlabel("refused (%)")
        most = 0.0
        for (label, of), (color, marker) in zip(points.items(), STYLES[1:], strict=False):
            right.plot(of.expected_mm, of.error_mm, marker, color=color, markersize=4, alpha=0.7, label=label)
            most = max(most, *of.expected_mm)
        below, above = limits.interval  # of true minus measured; the errors here are measured minus true
        line = np.array([0, 1.05 * most])
        right.fill_between(
            line, -above * line, -below * line, color="#dddddd", zorder=0, label="90 % interval, known look"
        )
        right.axvline(limits.caution_mm, color="#444444", linewidth=1, linestyle=":", label="caution beyond")
        right.set_xlim(left=0.5 * limits.error_mm[2])
        right.set_xlabel("expected |HC error| (mm)")
        right.set_ylabel("measured minus true HC (mm)")
        right.legend(loc="upper left", fontsize=8, frameon=False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)


def error_by_look(families: Mapping[str, Mapping[str, LookFound]], compounds: LookFound) -> bytes:
    """Left: median |HC error| of each kind of look, a row for each family. Right: the share that is refused.

    Args:
        families: Kinds of look by family.
        compounds: Compounds of looks, the last row.

    Returns:
        An SVG file.
    """
    rows = {**families, "compounds": {"": compounds}}
    with require("matplotlib").rc_context(RC):
        figure, (left, right) = figure_and_axes(8.6, 1.1 + 0.26 * len(rows), columns=2)
        for row, kinds in enumerate(rows.values()):
            color, _ = STYLES[0] if row < len(families) else STYLES[3]
            medians = [found.median_mm for found in kinds.values() if found.median_mm is not None]
            refused = [100 * found.n_refused / found.n for found in kinds.values() if found.n]
            for axes, values in ((left, medians), (right, refused)):
                axes.plot(values, [row] * len(values), "o", color=color, markersize=5, alpha=0.6, markeredgewidth=0)
        left.set_yticks(range(len(rows)), [*(f"{n} ({len(k)})" for n, k in families.items()), "compounds"], fontsize=8)
        left.set_ylim(len(rows) - 0.4, -0.6)
        left.set_xlim(left=0)
        left.set_xlabel("median |HC error| of what is shown (mm)")
        right.sharey(left)
        right.tick_params(labelleft=False)
        right.set_xlim(left=0)
        right.set_xlabel("refused (%)")
        figure.set_layout_engine("constrained")
        return to_svg(figure)
