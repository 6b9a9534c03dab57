"""How far tflite-runtime's answers are from ai-edge-litert's, on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from benchmarks.suite.artifacts import Artifact
from edge_runtime.artifact.golden import LEAST_DICE, check_golden
from edge_runtime.artifact.manifest import Manifest, read_model
from edge_runtime.artifact.network import Network
from edge_runtime.frame.preprocess import prepare
from edge_runtime.head.find_head import find_head
from edge_runtime.metrics import overlap
from train.data.hc18 import Sample

SCHEMA_VERSION = 1
NEWER, OLDER = "ai-edge-litert", "tflite-runtime"

INTEGER = ("full_int8", "mixed_int8")
"""Recipes that are compared: all layers or most of them compute in integers."""


@dataclass(frozen=True)
class Comparison:
    """One artifact in both interpreters.

    Attributes:
        name: The artifact's.
        model_sha256: SHA-256 of the .tflite file.
        checkpoint_sha256: SHA-256 of the weights it was exported from.
        size: (height, width) of the network's input, in pixels.
        quantization: How it was quantized; None if its manifest does not say.
        interpreters: The two, the newer one first.
        n_images: Images both were run on.
        n_identical: Images for which both gave the same bytes.
        differing: Share of output values that differ, 0 to 1.
        mask_dice_mean: Mean Dice of the older one's masks with the newer one's, at the frames' size.
        mask_dice_worst: The smallest of them.
        n_hc: Images in which both find a head.
        hc_shift_mean_mm: Mean absolute difference of their circumferences in mm; None without such an image.
        hc_shift_max_mm: The largest, in mm; None likewise.
        golden_mask_dice: Mean Dice of the older one on the phantoms of ``python -m edge_runtime verify``; None if the
            manifest has no answers for them.
    """

    name: str
    model_sha256: str
    checkpoint_sha256: str
    size: tuple[int, int]
    quantization: str | None
    interpreters: tuple[str, str]
    n_images: int
    n_identical: int
    differing: float
    mask_dice_mean: float
    mask_dice_worst: float
    n_hc: int
    hc_shift_mean_mm: float | None
    hc_shift_max_mm: float | None
    golden_mask_dice: float | None

    @property
    def meets_goal(self) -> bool:
        """Whether the masks agree as well as ``verify`` asks of a device."""
        return self.mask_dice_mean >= LEAST_DICE


@dataclass(frozen=True, kw_only=True)
class InterpretersDocument(Measured):
    """Several artifacts in both interpreters.

    Attributes:
        data: Title of the data set.
        split: Name of the split whose test part was used.
        models: One for each artifact.
    """

    data: str
    split: str
    models: tuple[Comparison, ...]


def read_interpreters(path: Path) -> InterpretersDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, InterpretersDocument, SCHEMA_VERSION, "python -m benchmarks interpreters")


def compare(artifact: Artifact, manifest: Manifest, samples: Sequence[Sample]) -> Comparison:
    """Run one artifact in both interpreters.

    Args:
        artifact: Of a recipe in :data:`INTEGER`.
        manifest: Its manifest.
        samples: Images to run it on, at least one.

    Raises:
        FetalHeadError: One of the interpreters is not installed, or cannot run it.
    """
    data = read_model(artifact.path, manifest)
    newer, older = (Network(data, manifest, backend=name) for name in (NEWER, OLDER))
    dice, shifts, differing = [], [], []
    for sample in samples:
        frame = sample.frame()
        prepared = prepare(frame, manifest.size, rule=manifest.preprocessing.resize_rule)
        heads, outputs = [], []
        for network in (newer, older):
            logits = network(prepared.image)
            outputs.append(network.output().copy())
            heads.append(find_head(logits, prepared.geometry))
        differing.append(float(np.mean(outputs[0] != outputs[1])))
        dice.append(overlap(heads[1].mask, heads[0].mask)[0])
        ellipses = [head.ellipse for head in heads]
        if ellipses[0] and ellipses[1]:
            shifts.append(abs(ellipses[1].perimeter - ellipses[0].perimeter) * sample.pixel_size_mm)
    golden = check_golden(older, manifest)
    return Comparison(
        name=manifest.name,
        model_sha256=manifest.model_sha256,
        checkpoint_sha256=manifest.checkpoint["sha256"],
        size=manifest.size,
        quantization=manifest.quantization.get("method"),
        interpreters=(NEWER, OLDER),
        n_images=len(samples),
        n_identical=sum(share == 0 for share in differing),
        differing=float(np.mean(differing)),
        mask_dice_mean=float(np.mean(dice)),
        mask_dice_worst=min(dice),
        n_hc=len(shifts),
        hc_shift_mean_mm=float(np.mean(shifts)) if shifts else None,
        hc_shift_max_mm=max(shifts, default=None),
        golden_mask_dice=golden.mask_dice if golden else None,
    )


HEADER = f"{'artifact':<26} {'same bytes':>12} {'mask Dice':>10} {'worst':>9} {'|HC shift|':>11} {'phantoms':>9}"
FOOTER = f"Mask Dice is of {OLDER}'s masks with {NEWER}'s, at the frames' size; the goal is {LEAST_DICE} or more."


def line(found: Comparison) -> str:
    """A row below :data:`HEADER`, for a terminal."""
    shift = "-" if found.hc_shift_mean_mm is None else f"{found.hc_shift_mean_mm:.3f} mm"
    phantoms = "-" if found.golden_mask_dice is None else f"{found.golden_mask_dice:.5f}"
    return (
        f"{found.name:<26} {found.n_identical:>5} of {found.n_images:<3} {found.mask_dice_mean:>10.5f} "
        f"{found.mask_dice_worst:>9.5f} {shift:>11} {phantoms:>9}  {'met' if found.meets_goal else 'MISSED'}"
    )
