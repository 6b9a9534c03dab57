"""Every trained network in every recipe: size, latency, accuracy and what it lost against float32, a row each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from benchmarks.common.result_files import RESULTS
from benchmarks.study.exports import Export, PartScores
from benchmarks.study.findings import Documents
from benchmarks.study.results import TrainingResult
from benchmarks.suite.document import SuiteDocument, load_document
from export.recipes import RECIPES
from train.strategies import STRATEGIES, get_strategy

LATENCY = RESULTS / "latency"
"""Result files of ``python -m benchmarks run`` over the study's artifacts, each one paired run."""


@dataclass(frozen=True)
class Change:
    """Change of each mean from float32; Dice and the next two in points of 100, the others in mm.

    ``hc_absolute_shift_mm`` is the mean absolute change of an image's circumference. None where it was not measured.
    """

    dice: float | None
    mean_iou: float | None
    pixel_accuracy: float | None
    hc_absolute_difference_mm: float | None
    hc_difference_mm: float | None
    hc_absolute_shift_mm: float | None


@final
@dataclass(frozen=True)
class NetworkLatency:
    """Latency of the network alone.

    Attributes:
        p50: Median, in ms.
        p90: 90th percentile, in ms.
        measured_on: Name of the run, or of another artifact of the same graph that was measured in its place.
        cpu: The CPU.
        int8_instructions: Its int8 instructions; None where they were not recorded.
        threads: CPU threads.
        date: When it was measured, ISO 8601.
    """

    p50: float
    p90: float
    measured_on: str
    cpu: str | None
    int8_instructions: tuple[str, ...] | None
    threads: int
    date: str


@dataclass(frozen=True)
class Row:
    """A run in a recipe.

    Attributes:
        run: Name of the run.
        strategy: Name of the strategy.
        protocol: ``paper``, ``paper-first`` or ``leak-free``.
        epochs: Epochs trained.
        image_size: (height, width) of the network's input, in pixels.
        recipe: Name of the recipe.
        refused: The export refused to write the file.
        n_clear: Images whose masks and circumferences it was held to torch on; with none, these refuse nothing.
        size_bytes: Of the .tflite file.
        n_images: Images of the test part.
        dice: Mean Dice, 0 to 1.
        mean_iou: Mean IoU of head and background, 0 to 1.
        pixel_accuracy: Share of pixels classified right, 0 to 1.
        hc_absolute_difference_mm: ADF, in mm; None where no circumference was measured.
        hc_difference_mm: DF, in mm; None likewise.
        against_float32: Change from float32.
        latency_ms: None where no network of the same graph was measured.
    """

    run: str
    strategy: str
    protocol: str
    epochs: int
    image_size: tuple[int, int]
    recipe: str
    refused: bool
    n_clear: int
    size_bytes: int
    n_images: int
    dice: float | None
    mean_iou: float | None
    pixel_accuracy: float | None
    hc_absolute_difference_mm: float | None
    hc_difference_mm: float | None
    against_float32: Change
    latency_ms: NetworkLatency | None


@dataclass(frozen=True)
class Networks:
    """``docs/results.json``: the rows of the page's largest table, for programs."""

    networks: tuple[Row, ...]


def load_latencies(folder: Path = LATENCY) -> list[SuiteDocument]:
    """Every paired latency run, by file name."""
    return [load_document(path) for path in sorted(folder.glob("*.json"))]


def rows(documents: Documents, latencies: Sequence[SuiteDocument]) -> list[Row]:
    """A row for each run and recipe, in the order of protocol, strategy and run.

    Args:
        documents: Training results by name of the run.
        latencies: Documents of :func:`load_latencies`.
    """
    found = []
    for run in sorted(documents.values(), key=lambda d: (d.study_run.protocol, _rank(d), d.name)):
        exports = {export.recipe: export for export in run.exports or ()}
        base = exports.get("float32")
        if base is not None:
            found += [_row(run, exports[r], base.scores, latencies) for r in RECIPES if r in exports]
    return found


def _row(run: TrainingResult, export: Export, base: PartScores, latencies: Sequence[SuiteDocument]) -> Row:
    own = export.scores
    return Row(
        run=run.name,
        strategy=run.run.strategy,
        protocol=run.study_run.protocol,
        epochs=run.config.epochs,
        image_size=run.run.image_size,
        recipe=export.recipe,
        refused=export.refused is not None,
        n_clear=export.parity.n_clear,
        size_bytes=export.size_bytes,
        n_images=own.n_images,
        dice=own.dice.mean,
        mean_iou=own.mean_iou.mean,
        pixel_accuracy=own.pixel_accuracy.mean,
        hc_absolute_difference_mm=own.hc_absolute_difference_mm.mean,
        hc_difference_mm=own.hc_difference_mm.mean,
        against_float32=Change(
            _change(own.dice.mean, base.dice.mean, 100),
            _change(own.mean_iou.mean, base.mean_iou.mean, 100),
            _change(own.pixel_accuracy.mean, base.pixel_accuracy.mean, 100),
            _change(own.hc_absolute_difference_mm.mean, base.hc_absolute_difference_mm.mean),
            _change(own.hc_difference_mm.mean, base.hc_difference_mm.mean),
            own.degradation.hc_absolute_shift_mm,
        ),
        latency_ms=_latency(run, export.recipe, latencies),
    )


def _change(value: float | None, before: float | None, scale: float = 1.0) -> float | None:
    return None if value is None or before is None else scale * (value - before)


def _latency(run: TrainingResult, recipe: str, latencies: Sequence[SuiteDocument]) -> NetworkLatency | None:
    """Latency of the network alone, of its own artifact or, without one, of another of the same graph."""
    wanted = _graph(run.run.strategy, run.run.image_size)
    candidates = []
    for document in latencies:
        for result in document.results:
            if not (result.strategy and result.input_size and result.latency_ms and result.recipe == recipe):
                continue
            if _graph(result.strategy, result.input_size) == wanted:
                other = result.checkpoint_sha256 != run.checkpoint_sha256
                candidates.append((other, result.artifact, document, result.latency_ms.invoke))
    if not candidates:
        return None
    other, artifact, document, invoke = min(candidates, key=lambda c: c[:2])
    device = document.device
    return NetworkLatency(
        p50=invoke.p50,
        p90=invoke.p90,
        measured_on=artifact if other else run.name,
        cpu=device.cpu,
        int8_instructions=device.int8_instructions,
        threads=document.conditions.threads,
        date=document.conditions.date,
    )


def _graph(name: str, size: tuple[int, int]) -> Hashable:
    """What decides how long a network takes; its weights do not."""
    strategy = get_strategy(name)
    encoder = strategy.in_channels, strategy.patch
    return strategy.architecture, *encoder, strategy.decoder_channels, strategy.upsampling, size


def _rank(document: TrainingResult) -> int:
    return list(STRATEGIES).index(document.run.strategy)
