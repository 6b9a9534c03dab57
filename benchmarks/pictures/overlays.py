"""The outline an artifact draws in the best, the median and the worst image, with the reference ellipse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.render import Figure
from benchmarks.frames.images import Image
from benchmarks.pictures.plots import to_png
from benchmarks.suite.behind import Behind
from benchmarks.suite.document import Result
from edge_runtime.common.optional import require
from edge_runtime.errors import UsageError
from edge_runtime.metrics import ImageScore
from edge_runtime.segmenter import Segmenter

REFERENCE_COLOR, PREDICTED_COLOR = "#E69F00", "#56B4E9"
DPI = 100


def choose_result(results: Sequence[Result], name: str | None) -> Result | None:
    """The result whose images are shown: the named one, else the full_int8 (what devices run) with the highest Dice.

    Returns:
        None where no result was scored.

    Raises:
        UsageError: No scored artifact has that name.
    """
    scored = [(result, result.accuracy.dice.mean) for result in results if result.images and result.accuracy]
    if name is not None:
        scored = [(result, dice) for result, dice in scored if result.artifact == name]
        if not scored:
            names = ", ".join(result.artifact for result in results)
            raise UsageError(f"--overlay {name} is not an artifact with scores. The artifacts are: {names}.")
    if not scored:
        return None
    return max(scored, key=lambda pair: (pair[0].recipe == "full_int8", pair[1] or 0.0))[0]


def choose_images(images: Sequence[ImageScore]) -> list[tuple[str, ImageScore]]:
    """Best, median and worst image by Dice, each with its title; fewer where there are fewer images."""
    ordered = sorted(images, key=lambda score: (score.dice, score.image))
    chosen = {"best": ordered[-1], "median": ordered[len(ordered) // 2], "worst": ordered[0]}
    names: dict[str, str] = {}
    for title, score in chosen.items():
        names.setdefault(score.image, title)
    return [(title, chosen[title]) for title in names.values()]


def draw_overlays(model: Path, behind: Behind, scores: Sequence[ImageScore], prefix: str) -> list[Figure]:
    """Draw the best, median and worst image of a result.

    Args:
        model: The artifact.
        behind: The images that it was scored on.
        scores: Their scores.
        prefix: Begins the figures' names.
    """
    segmenter = Segmenter.load(model)
    return [
        _overlay(segmenter, behind, behind.images[score.image], score, title, prefix)
        for title, score in choose_images(scores)
    ]


def _overlay(segmenter: Segmenter, behind: Behind, image: Image, score: ImageScore, title: str, prefix: str) -> Figure:
    difference = score.hc_difference_mm
    if difference is None:
        hc = f"no HC: {score.reason} (reference {image.hc_mm:.1f} mm)"
    else:
        hc = f"HC {image.hc_mm + difference:.1f} mm, reference {image.hc_mm:.1f} mm ({difference:+.1f} mm)"
    caption = f"{title.capitalize()} image: {image.name}, Dice {score.dice:.2%}, {hc}. Data: {behind.data}."
    alt = f"{image.name} with the reference ellipse (orange, dashed) and the predicted outline (blue)"
    return Figure(f"{prefix}overlay-{title}.png", draw_overlay(segmenter, image), alt, caption)


def draw_overlay(segmenter: Segmenter, image: Image) -> bytes:
    """A frame at its own size with the reference ellipse and the model's outline, as PNG."""
    frame = image.frame()
    height, width = frame.shape
    mask, ellipse = segmenter.segment(frame), image.ellipse().outline()
    figure = require("matplotlib.figure").Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(frame, cmap="gray", vmin=0, vmax=255)
    if mask.any() and not mask.all():
        axes.contour(mask, levels=[0.5], colors=PREDICTED_COLOR, linewidths=2)
    axes.plot([], [], color=PREDICTED_COLOR, linewidth=2, label="predicted")  # a contour gets no entry in a legend
    axes.plot(*ellipse.T, color=REFERENCE_COLOR, linewidth=2, linestyle=(0, (4, 3)), label="reference ellipse")
    axes.legend(loc="lower left", framealpha=0.8, facecolor="black", labelcolor="white", edgecolor="none")
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.axis("off")
    return to_png(figure)
