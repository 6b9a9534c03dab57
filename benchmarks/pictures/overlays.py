"""What an artifact drew: the best, the median and the worst image, with the reference ellipse."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.render import Figure
from benchmarks.common.tables import Result, pick
from benchmarks.suite.artifacts import find_artifacts
from edge_runtime.common.optional import require
from edge_runtime.errors import UsageError
from edge_runtime.segmenter import DEFAULT_MODEL, Segmenter
from train.data.hc18 import Dataset, Sample, find_data, find_local, hash_samples, read_dataset

REFERENCE_COLOR, PREDICTED_COLOR = "#E69F00", "#56B4E9"
DPI = 100


def choose_result(results: Sequence[Result], name: str | None) -> Result | None:
    """The result whose images are shown: the one named, else full_int8 (what devices run) of the highest Dice.

    Returns:
        None where no result was scored.

    Raises:
        UsageError: No scored artifact has that name.
    """
    scored = [result for result in results if result["images"] and pick(result, "accuracy", "dice", "mean") is not None]
    if name is not None:
        scored = [result for result in scored if result["artifact"] == name]
        if not scored:
            raise UsageError(
                f"--overlay {name} is no artifact with scores; there are {[r['artifact'] for r in results]}."
            )
    if not scored:
        return None
    return max(scored, key=lambda r: (r["recipe"] == "full_int8", r["accuracy"]["dice"]["mean"]))


def choose_images(images: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Best, median and worst image by Dice, each with what it is called; fewer where there are fewer images."""
    ordered = sorted(images, key=lambda score: (score["dice"], score["image"]))
    chosen = {"best": ordered[-1], "median": ordered[len(ordered) // 2], "worst": ordered[0]}
    names: dict[str, str] = {}
    for title, score in chosen.items():
        names.setdefault(score["image"], title)
    return [(title, chosen[title]) for title in names.values()]


def local_dataset(document: dict[str, Any], data: str | None) -> Dataset | str:
    """The data a result was measured on, or why it cannot be had. Nothing is downloaded.

    Args:
        document: The result file.
        data: What the user gave as ``--data``, None to search.
    """
    if data is not None:
        dataset = find_data(data)
    elif document["conditions"]["is_phantom"]:
        dataset = find_data("phantom")
    elif (place := find_local()) is not None:
        dataset = read_dataset(place)
    else:
        return "the images it was measured on are not at hand; name their folder with --data"
    return dataset


def draw_overlays(document: dict[str, Any], result: Result, data: str | None, artifacts: Path) -> list[Figure] | str:
    """Draw the best, median and worst image of a result.

    Args:
        document: The result file.
        result: The artifact's entry in it.
        data: What the user gave as ``--data``, None to search.
        artifacts: Folder the artifact lies in, where it is not the shipped one.

    Returns:
        The figures, or why there are none: other images or another model than those measured would show something else.
    """
    places = [place for place in (artifacts, DEFAULT_MODEL) if place.exists()]
    known = [artifact for place in places for artifact in find_artifacts([place])]
    found = [a for a in known if a.manifest and a.manifest.model_sha256 == result["model_sha256"]]
    if not found and not artifacts.is_dir():
        return f"there is no folder {artifacts.name}/; name the artifacts' folder with --artifacts"
    if not found:
        return f"{artifacts.name}/ holds no file with the sha256 of {result['artifact']} as it was measured"
    dataset = local_dataset(document, data)
    if isinstance(dataset, str):
        return dataset
    names = [score["image"] for score in result["images"]]
    if not set(names) <= set(dataset.samples):
        return f"the data at hand ({dataset.title}) lack images it was measured on"
    if hash_samples(dataset.select(names)) != document["conditions"]["images_sha256"]:
        return f"the data at hand ({dataset.title}) are not those it was measured on: their sha256 differs"
    segmenter = Segmenter.load(found[0].path)
    return [
        _overlay(segmenter, dataset, dataset.samples[score["image"]], score, title)
        for title, score in choose_images(result["images"])
    ]


def _overlay(segmenter: Segmenter, dataset: Dataset, sample: Sample, score: dict[str, Any], title: str) -> Figure:
    difference = score["hc_difference_mm"]
    if difference is None:
        hc = f"no HC: {score['reason']} (reference {sample.hc_mm:.1f} mm)"
    else:
        hc = f"HC {sample.hc_mm + difference:.1f} mm, reference {sample.hc_mm:.1f} mm ({difference:+.1f} mm)"
    caption = f"{title.capitalize()} image: {sample.name}, Dice {score['dice']:.2%}, {hc}. Data: {dataset.title}."
    alt = f"{sample.name} with the reference ellipse (orange, dashed) and the predicted outline (blue)"
    return Figure(f"overlay-{title}.png", draw_overlay(segmenter, sample), alt, caption)


def draw_overlay(segmenter: Segmenter, sample: Sample) -> bytes:
    """A frame at its own size with the reference ellipse and the outline the model draws, as PNG."""
    frame = sample.frame()
    height, width = frame.shape
    mask, ellipse = segmenter.segment(frame), sample.ellipse().outline()
    figure = require("matplotlib.figure").Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(frame, cmap="gray", vmin=0, vmax=255)
    if mask.any() and not mask.all():
        axes.contour(mask, levels=[0.5], colors=PREDICTED_COLOR, linewidths=2)
    axes.plot([], [], color=PREDICTED_COLOR, linewidth=2, label="predicted")  # contours have no entry of their own
    axes.plot(*ellipse.T, color=REFERENCE_COLOR, linewidth=2, linestyle=(0, (4, 3)), label="reference ellipse")
    axes.legend(loc="lower left", framealpha=0.8, facecolor="black", labelcolor="white", edgecolor="none")
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.axis("off")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
