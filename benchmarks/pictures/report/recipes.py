"""What each recipe costs against float32, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.pictures.report.canvas import COLORS, INK, MUTED, PAPER, canvas, name_rows, rows_height, to_themed_svg


@dataclass(frozen=True)
class Differences:
    """Of one artifact from its strategy's float32.

    Attributes:
        name: Its name.
        values: One for each image.
    """

    name: str
    values: Sequence[float]


def draw(rows: Sequence[Differences], x_label: str) -> bytes:
    """A row for each artifact: every image, a box over the quartiles with whiskers at 5 and 95 %, and the mean; SVG."""
    with canvas(rows_height(len(rows))) as (figure, (axes,)):
        axes.axvline(0, color=MUTED, linewidth=1)
        rng = np.random.default_rng(0)  # jitter only
        for row, of in enumerate(rows):
            if of.values:
                _row(axes, row, of.values, row + rng.uniform(-0.14, 0.14, len(of.values)))
        axes.margins(x=0.06)
        axes.locator_params(axis="x", nbins=6)
        name_rows(axes, [of.name for of in rows])
        axes.set_xlabel(x_label)
        return to_themed_svg(figure)


def _row(axes: Any, row: int, values: Sequence[float], height: Any) -> None:
    axes.plot(values, height, "o", markersize=3, color=COLORS[0], alpha=0.7, markeredgewidth=0)
    line = {"color": INK, "linewidth": 1}
    axes.boxplot(
        [values], positions=[row], orientation="horizontal", widths=0.4, whis=(5, 95), showfliers=False, showmeans=True,
        manage_ticks=False, boxprops=line, whiskerprops=line, capprops=line, medianprops=line | {"linewidth": 2},
        meanprops={"marker": "D", "markerfacecolor": INK, "markeredgecolor": PAPER, "markersize": 5},
    )  # fmt: skip
