"""What a soak showed: resident memory and latency over the frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.pictures.plots import RC, STYLES, to_svg
from edge_runtime.common.optional import require

GOAL_RISE_BYTES = 1_000_000
"""Of resident memory, from the end of the warm-up to the end."""


def soak_figure(document: dict[str, Any]) -> bytes:
    """Resident memory and latency over the frames, one above the other.

    Args:
        document: As the command writes it.

    Returns:
        An SVG file.
    """
    rows = np.array(document["record"]["rows"], dtype=np.float64)
    summary = document["summary"]
    thousands = rows[:, 0] / 1000
    with require("matplotlib").rc_context(RC):
        figure = require("matplotlib.figure").Figure(figsize=(8.6, 5.2), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        above.plot(thousands, (rows[:, 1] - rows[0, 1]) / 1e6, color=STYLES[0][0], linewidth=1.5)
        above.axhline(GOAL_RISE_BYTES / 1e6, color="#444444", linewidth=1, linestyle="--")
        above.annotate("goal", (thousands[-1], GOAL_RISE_BYTES / 1e6), (0, 3), textcoords="offset points", ha="right")
        above.set_ylabel("resident memory\nsince the warm-up (MB)")
        above.set_title(
            f"{document['model']}, {document['record']['frames']:,} frames: {summary['rise_bytes'] / 1e6:+.2f} MB on "
            f"{summary['rss_after_warmup_bytes'] / 1e6:.0f} MB", fontsize=10, loc="left",
        )  # fmt: skip
        for column, name, (color, _) in zip((2, 3, 4), ("median", "90 %", "99 %"), STYLES, strict=False):
            below.plot(thousands[1:], rows[1:, column], color=color, linewidth=1.2, label=name)
        below.set_ylabel("frame to result (ms)")
        below.set_ylim(bottom=0)
        below.set_xlabel("thousands of frames")
        below.legend(ncols=3, frameon=False, loc="upper right")
        return to_svg(figure)
