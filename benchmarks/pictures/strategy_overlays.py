"""The outlines that every network of the study draws in the same HC18 images, for the local report only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.render import Block, Figure, Heading, Paragraph, code
from benchmarks.pictures.overlays import PREDICTED_COLOR, REFERENCE_COLOR
from benchmarks.pictures.plots import to_png
from benchmarks.study.findings import Documents
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError
from edge_runtime.metrics import overlap
from edge_runtime.segmenter import Segmenter
from train.data.hc18 import Sample, find_local, read_dataset
from train.data.splits import evenly_spaced, make_split

IMAGES = 6
COLUMNS = 3
WARNING = "These pictures show HC18 images: do not publish or commit this page. reports/ is ignored by git."


def section(runs: Path, data: str | None, documents: Documents) -> list[Block]:
    """Test images of exams that no network was trained on, among them the smallest and the largest head.

    Args:
        runs: Folder of the study's runs, where their artifacts are.
        data: HC18's folder, None to search for it.
        documents: Training results; a network is shown if its artifact is the one that was measured.

    Returns:
        Only the reason, where the images or the artifacts are missing.
    """
    blocks: list[Block] = [Heading(f"Every network on {IMAGES} images")]
    place = find_local() if data is None else None if data == "phantom" else Path(data)
    dataset = None if place is None else read_dataset(place)
    if dataset is None or dataset.is_phantom:
        return [*blocks, Paragraph("Not drawn: HC18's images were not found; name their folder with `--data`.")]
    models = _models(runs, documents)
    if not models:
        return [*blocks, Paragraph(f"Not drawn: {code(runs.name)} holds no artifact that was measured; see `--runs`.")]
    samples = evenly_spaced(dataset.select(make_split(dataset, "grouped").test), IMAGES)
    segmenters = {name: Segmenter.load(path) for name, path in models.items()}
    text = "Float32; Dice at the image's own resolution. Blue: the network. Orange, dashed: the reference ellipse."
    figures = [
        Figure(
            f"six-{i + 1}.png",
            draw(sample, segmenters),
            f"{sample.name} as {len(segmenters)} networks outline it",
            f"{sample.name}, reference HC {sample.hc_mm:.1f} mm. Data: {dataset.title}.",
        )
        for i, sample in enumerate(samples)
    ]
    return [*blocks, Paragraph(WARNING, warning=True), Paragraph(text), *figures]


def _models(runs: Path, documents: Documents) -> dict[str, Path]:
    """The float32 artifacts (every export writes one) that are the ones of the results, by name of the run."""
    found = {}
    for name, document in documents.items():
        hashes = {export.model_sha256 for export in document.exports or () if export.recipe == "float32"}
        for path in sorted((runs / name).glob("artifacts/*/*-float32.tflite")):
            try:
                if Segmenter.load(path).manifest.model_sha256 in hashes:
                    found[name] = path
            except FetalHeadError:  # damaged or of another version, so not what was measured
                continue
    return found


def draw(sample: Sample, segmenters: Mapping[str, Segmenter]) -> bytes:
    """The image once for each network, with the network's outline and the reference ellipse, as PNG."""
    frame, ellipse, reference = sample.frame(), sample.ellipse().outline(), sample.mask()
    height, width = frame.shape
    rows = -(-len(segmenters) // COLUMNS)
    figure = require("matplotlib.figure").Figure(figsize=(4 * COLUMNS, rows * (4 * height / width + 0.3)), dpi=100)
    panels: Sequence[Any] = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axes in panels:
        axes.axis("off")
    for axes, (name, segmenter) in zip(panels, segmenters.items(), strict=False):
        mask = segmenter.segment(frame)
        axes.imshow(frame, cmap="gray", vmin=0, vmax=255)
        if mask.any() and not mask.all():
            axes.contour(mask, levels=[0.5], colors=PREDICTED_COLOR, linewidths=1.5)
        axes.plot(*ellipse.T, color=REFERENCE_COLOR, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_title(f"{name}  {overlap(mask, reference)[0]:.1%}", fontsize=9)
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    figure.set_layout_engine("constrained")
    return to_png(figure)
