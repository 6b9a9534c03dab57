"""The images that a size measures worst, with its ellipse and the reference. For this machine alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.cross.fold import Scored
from benchmarks.pictures.overlays import PREDICTED_COLOR, REFERENCE_COLOR
from benchmarks.pictures.plots import to_png
from edge_runtime.common.optional import require
from train.data.hc18 import Dataset

COUNT, COLUMNS = 20, 4


def worst(images: Sequence[Scored]) -> list[Scored]:
    """The worst twenty, the worst first: by the circumference of what was found, whether it is shown or not."""
    return sorted(images, key=lambda s: (-s.found_error_mm, s.score.image))[:COUNT]


def draw(images: Sequence[Scored], dataset: Dataset) -> bytes:
    """The images side by side, as PNG.

    Args:
        images: What was measured, in the order to show.
        dataset: The images themselves.
    """
    rows = -(-len(images) // COLUMNS)
    figure = require("matplotlib.figure").Figure(figsize=(4 * COLUMNS, 3.1 * rows), dpi=100)
    panels: Sequence[Any] = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axes in panels:
        axes.axis("off")
    for axes, scored in zip(panels, images, strict=False):
        sample = dataset.samples[scored.score.image]
        frame = sample.frame()
        axes.imshow(frame, cmap="gray", vmin=0, vmax=255)
        axes.plot(*sample.ellipse().outline().T, color=REFERENCE_COLOR, linewidth=1, linestyle=(0, (4, 3)))
        if scored.ellipse is not None:
            axes.plot(*scored.ellipse.outline().T, color=PREDICTED_COLOR, linewidth=1.5)
        height, width = frame.shape
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        axes.set_title(title(scored), fontsize=8)
    figure.set_layout_engine("constrained")
    return to_png(figure)


def title(scored: Scored) -> str:
    """What stands above an image."""
    off = f"off by {scored.found_error_mm:.1f} of {scored.reference_mm:.0f} mm"
    if scored.ellipse is None:
        off = f"nothing found, {scored.reference_mm:.0f} mm"
    what = "refused" if scored.score.reason else "in its interval" if scored.covered else "outside its interval"
    return f"{scored.score.image}: {off}, Dice {scored.score.dice:.1%}, {what}"
