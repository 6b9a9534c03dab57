"""What a soak showed: resident memory and latency over the frames."""

from __future__ import annotations

import numpy as np

from benchmarks.pictures.plots import RC, STYLES, to_svg
from benchmarks.runtime.soak import SoakDocument
from edge_runtime.common.optional import require


def soak_figure(document: SoakDocument, goal_rise_bytes: float) -> bytes:
    """Resident memory and latency over the frames, one above the other.

    Args:
        document: The result.
        goal_rise_bytes: Most that memory may rise, drawn as a line, in bytes.

    Returns:
        An SVG file.
    """
    rows = np.array(document.record.rows, dtype=np.float64)
    summary = document.summary
    thousands = rows[:, 0] / 1000
    with require("matplotlib").rc_context(RC):
        figure = require("matplotlib.figure").Figure(figsize=(8.6, 5.2), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        above.plot(thousands, (rows[:, 1] - rows[0, 1]) / 1e6, color=STYLES[0][0], linewidth=1.5)
        above.axhline(goal_rise_bytes / 1e6, color="#444444", linewidth=1, linestyle="--")
        above.annotate("goal", (thousands[-1], goal_rise_bytes / 1e6), (0, 3), textcoords="offset points", ha="right")
        above.set_ylabel("resident memory\nsince the warm-up (MB)")
        above.set_title(
            f"{document.model}, {document.record.frames:,} frames: {summary.rise_bytes / 1e6:+.2f} MB on "
            f"{summary.rss_after_warmup_bytes / 1e6:.0f} MB", fontsize=10, loc="left",
        )  # fmt: skip
        for column, name, (color, _) in zip((2, 3, 4), ("median", "90 %", "99 %"), STYLES, strict=False):
            below.plot(thousands[1:], rows[1:, column], color=color, linewidth=1.2, label=name)
        below.set_ylabel("frame to result (ms)")
        below.set_ylim(bottom=0)
        below.set_xlabel("thousands of frames")
        figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        return to_svg(figure)
