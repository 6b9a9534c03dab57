"""The outline an artifact draws in the best, the median and the worst image, with the reference ellipse."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.render import Figure
from benchmarks.suite.artifacts import find_artifacts
from benchmarks.suite.document import Result, SuiteDocument
from edge_runtime.common.optional import require
from edge_runtime.errors import UsageError
from edge_runtime.metrics import ImageScore
from edge_runtime.segmenter import Segmenter
from edge_runtime.shipped import DEFAULT_MODEL
from train.data.hc18 import Dataset, Sample, find_data, find_local, hash_samples, read_dataset

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


def local_dataset(document: SuiteDocument, data: str | None) -> Dataset | str:
    """The data that a result was measured on, or why they are not available. Nothing is downloaded.

    Args:
        document: The result file.
        data: What the user gave as ``--data``, None to search.
    """
    if data is not None:
        dataset = find_data(data)
    elif document.conditions.is_phantom:
        dataset = find_data("phantom")
    elif (place := find_local()) is not None:
        dataset = read_dataset(place)
    else:
        return "the images it was measured on are not here; name their folder with --data"
    return dataset


def draw_overlays(document: SuiteDocument, result: Result, data: str | None, artifacts: Path) -> list[Figure] | str:
    """Draw the best, median and worst image of a result.

    Args:
        document: The result file.
        result: The artifact's entry in it.
        data: What the user gave as ``--data``, None to search.
        artifacts: Folder of the artifact, unless it is the shipped one.

    Returns:
        The figures, or why there are none: only the images and the model that were measured are drawn.
    """
    places = [place for place in (artifacts, DEFAULT_MODEL) if place.exists()]
    known = [artifact for place in places for artifact in find_artifacts([place])]
    found = [a for a in known if a.manifest and a.manifest.model_sha256 == result.model_sha256]
    if not found and not artifacts.is_dir():
        return f"there is no folder {artifacts.name}/; name the artifacts' folder with --artifacts"
    if not found:
        return f"no file in {artifacts.name}/ has the sha256 of {result.artifact} as it was measured"
    dataset = local_dataset(document, data)
    if isinstance(dataset, str):
        return dataset
    names = [score.image for score in result.images]
    if not set(names) <= set(dataset.samples):
        return f"the data at hand ({dataset.title}) lack images that it was measured on"
    if hash_samples(dataset.select(names)) != document.conditions.images_sha256:
        return f"the data at hand ({dataset.title}) are not those it was measured on: their sha256 differs"
    segmenter = Segmenter.load(found[0].path)
    return [
        _overlay(segmenter, dataset, dataset.samples[score.image], score, title)
        for title, score in choose_images(result.images)
    ]


def _overlay(segmenter: Segmenter, dataset: Dataset, sample: Sample, score: ImageScore, title: str) -> Figure:
    difference = score.hc_difference_mm
    if difference is None:
        hc = f"no HC: {score.reason} (reference {sample.hc_mm:.1f} mm)"
    else:
        hc = f"HC {sample.hc_mm + difference:.1f} mm, reference {sample.hc_mm:.1f} mm ({difference:+.1f} mm)"
    caption = f"{title.capitalize()} image: {sample.name}, Dice {score.dice:.2%}, {hc}. Data: {dataset.title}."
    alt = f"{sample.name} with the reference ellipse (orange, dashed) and the predicted outline (blue)"
    return Figure(f"overlay-{title}.png", draw_overlay(segmenter, sample), alt, caption)


def draw_overlay(segmenter: Segmenter, sample: Sample) -> bytes:
    """A frame at its own size with the reference ellipse and the model's outline, as PNG."""
    frame = sample.frame()
    height, width = frame.shape
    mask, ellipse = segmenter.segment(frame), sample.ellipse().outline()
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
