"""Pictures of refusal, risk and intervals, as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.pictures.plots import RC, STYLES, figure_and_axes, to_svg
from edge_runtime.common.optional import require

LABELS = {
    "val": "validation part",
    "test": "test part of grouped",
    "paper_test": "paper_test (partly exams trained on)",
    "damaged": "paper_test and slightly damaged frames",
}


def risk_coverage(risks: Mapping[str, Mapping[str, Any]]) -> bytes:
    """95th percentile of |HC error| of what is kept over the share that is kept; dashed, a perfect order's.

    Args:
        risks: ``risk`` of a result of ``python -m benchmarks quality``, by a key of :data:`LABELS`.

    Returns:
        An SVG file.
    """
    with require("matplotlib").rc_context(RC):
        figure, axes = figure_and_axes(8.6, 4.4)
        for (name, of), (color, marker) in zip(risks.items(), STYLES, strict=False):
            share = [100 * row["coverage"] for row in of["curve"]]
            axes.plot(share, [r["p95_mm"] for r in of["curve"]], marker=marker, color=color, label=LABELS[name])
            axes.plot(share, [r["p95_perfect_mm"] for r in of["curve"]], "--", color=color, linewidth=1)
        axes.plot([], [], "--", color="#555555", linewidth=1, label="a perfect order")
        axes.set_xlabel("frames kept (%), those of the largest expected error dropped first")
        axes.set_ylabel("95th percentile of |HC error| (mm)")
        axes.set_xlim(102, 48)
        axes.set_ylim(bottom=0)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)


def refusal_and_interval(kinds: Mapping[str, Mapping[str, int]], points: Mapping[str, Any], limits: Any) -> bytes:
    """Left: frames refused by kind. Right: each unseen image's error over the error that is expected, and the interval.

    Args:
        kinds: ``n`` and ``n_refused`` by kind of frame.
        points: ``expected_mm`` and ``error_mm`` of ``val`` and ``paper_test``.
        limits: As in the manifest.

    Returns:
        An SVG file.
    """
    with require("matplotlib").rc_context(RC):
        figure, (left, right) = figure_and_axes(8.6, 1.2 + 0.19 * len(kinds), columns=2)
        shares = [100 * of["n_refused"] / of["n"] for of in kinds.values()]
        left.barh(range(len(kinds)), shares, color=STYLES[0][0], height=0.7)
        left.set_yticks(range(len(kinds)), [f"{name} ({of['n']})" for name, of in kinds.items()], fontsize=8)
        left.set_ylim(len(kinds) - 0.4, -0.6)
        left.set_xlim(0, 100)
        left.set_xlabel("refused (%)")
        most = 0.0
        for (name, (color, marker)), label in zip(
            (("val", STYLES[1]), ("paper_test", STYLES[2])), ("validation", "paper_test"), strict=True
        ):
            expected, error = points[name]["expected_mm"], points[name]["error_mm"]
            right.plot(expected, error, marker, color=color, markersize=4, alpha=0.7, label=label)
            most = max(most, *expected)
        below, above = limits["interval"]  # of true less measured: an error is measured less true
        line = np.array([0, 1.05 * most])
        right.fill_between(line, -above * line, -below * line, color="#dddddd", zorder=0, label="90 % interval")
        right.axvline(limits["caution_mm"], color="#444444", linewidth=1, linestyle=":", label="marked beyond")
        right.set_xlim(left=0.5 * limits["error_mm"][2])
        right.set_xlabel("expected |error| (mm)")
        right.set_ylabel("measured less true HC (mm)")
        right.legend(loc="upper left", fontsize=8, frameon=False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)
