"""``python -m benchmarks interpreters``: how far tflite-runtime's answers lie from ai-edge-litert's, on one machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.suite.artifacts import Artifact, find_artifacts
from edge_runtime.artifact.golden import LEAST_DICE, check_golden
from edge_runtime.artifact.manifest import Manifest, read_model
from edge_runtime.artifact.network import Network
from edge_runtime.common.arguments import add_data, add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.provenance import git_commit
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import FetalHeadError
from edge_runtime.frame.preprocess import prepare
from edge_runtime.head.find_head import find_head
from edge_runtime.metrics import overlap
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample, find_data
from train.data.splits import SPLITS, evenly_spaced, make_split

SCHEMA_VERSION = 1
NEWER, OLDER = "ai-edge-litert", "tflite-runtime"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "places", nargs="*", type=Path, default=[Path("artifacts")], metavar="FOLDER_OR_FILE",
        help="folders of artifacts, searched with what they hold, or .tflite files (default: artifacts)",
    )  # fmt: skip
    add_data(parser)
    parser.add_argument(
        "--split-part", choices=list(SPLITS), default="grouped", help="whose test part is asked (default: grouped)"
    )
    parser.add_argument(
        "--images", type=at_least(1), metavar="N", help="N of its images, evenly spaced by head size (default: all)"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Ask full int8 artifacts the same images in ai-edge-litert and in tflite-runtime, and compare masks and head
    circumferences; needs both (tflite-runtime: pip install -e '.[tflite]')."""
    checked_out(args.out, args.overwrite)
    artifacts = [a for a in find_artifacts(args.places) if a.manifest and a.manifest.recipe == "full_int8"]
    if not artifacts:
        raise FetalHeadError(
            "There is no full int8 artifact there; float arithmetic is not held to the bit anywhere. "
            "Make one with: python -m export --recipes full_int8"
        )
    dataset = find_data(args.data)
    samples = _chosen(dataset, args.split_part, args.images)
    check_samples(dataset, samples)
    say(f"data: {dataset.title}, {len(samples)} images of {args.split_part}'s test part")
    say(f"{'artifact':<26} {'same bytes':>12} {'mask Dice':>10} {'worst':>9} {'|HC shift|':>11} {'phantoms':>9}")
    rows = []
    for artifact in artifacts:
        row = compare(artifact, samples)
        rows.append(row)
        shift = "-" if row["hc_shift_mean_mm"] is None else f"{row['hc_shift_mean_mm']:.3f} mm"
        phantoms = "-" if row["golden_mask_dice"] is None else f"{row['golden_mask_dice']:.5f}"
        say(
            f"{row['name']:<26} {row['n_identical']:>5} of {row['n_images']:<3} {row['mask_dice_mean']:>10.5f} "
            f"{row['mask_dice_worst']:>9.5f} {shift:>11} {phantoms:>9}  "
            f"{'holds' if row['mask_dice_mean'] >= LEAST_DICE else 'MISSED'}"
        )
    say(f"mask Dice: of {OLDER}'s masks with {NEWER}'s, at the frames' size; at least {LEAST_DICE} is wanted")
    if args.out:
        write_json(args.out, {
            "schema_version": SCHEMA_VERSION,
            "data": dataset.title,
            "split": args.split_part,
            "models": rows,
            "device": fingerprint(),
            "git_commit": git_commit(),
        })  # fmt: skip
        say(f"written: {args.out}")
    return 0


def _chosen(dataset: Dataset, split: str, count: int | None) -> list[Sample]:
    test = dataset.select(make_split(dataset, split).test)
    return evenly_spaced(test, count or len(test))


def compare(artifact: Artifact, samples: Sequence[Sample]) -> dict[str, Any]:
    """One artifact in both interpreters.

    Args:
        artifact: In full int8, with its manifest.
        samples: What to ask.

    Returns:
        ``n_images``; ``n_identical``, outputs of the same bytes; ``differing``, the share of output values that differ;
        ``mask_dice_mean`` and ``mask_dice_worst`` of the masks at the frames' size; ``hc_shift_mean_mm`` and
        ``hc_shift_max_mm``, absolute, over ``n_hc`` images in which both find a head (None where there is none);
        ``golden_mask_dice`` of tflite-runtime, as ``edge_runtime verify`` takes it (None without golden outputs).
    """
    manifest = artifact.manifest
    assert manifest is not None
    data = read_model(artifact.path, manifest)
    newer, older = (Network(data, manifest, backend=name) for name in (NEWER, OLDER))
    size = manifest.size
    dice, shifts, differing = [], [], []
    for sample in samples:
        frame = sample.frame()
        network_input = prepare(frame, size)
        heads, outputs = [], []
        for network in (newer, older):
            logits = network(network_input)
            outputs.append(network.output().copy())
            heads.append(find_head(logits, (frame.shape[0], frame.shape[1])))
        differing.append(float(np.mean(outputs[0] != outputs[1])))
        dice.append(overlap(heads[1].mask, heads[0].mask)[0])
        ellipses = [head.ellipse for head in heads]
        if ellipses[0] and ellipses[1]:
            shifts.append(abs(ellipses[1].perimeter - ellipses[0].perimeter) * sample.pixel_size_mm)
    return {**_named(manifest, size), **{
        "n_images": len(samples),
        "n_identical": sum(share == 0 for share in differing),
        "differing": float(np.mean(differing)),
        "mask_dice_mean": float(np.mean(dice)),
        "mask_dice_worst": min(dice),
        "n_hc": len(shifts),
        "hc_shift_mean_mm": float(np.mean(shifts)) if shifts else None,
        "hc_shift_max_mm": max(shifts, default=None),
        "golden_mask_dice": golden.mask_dice if (golden := check_golden(older, manifest)) else None,
    }}  # fmt: skip


def _named(manifest: Manifest, size: tuple[int, int]) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "model_sha256": manifest.model_sha256,
        "checkpoint_sha256": manifest.checkpoint["sha256"],
        "size": list(size),
        "quantization": manifest.quantization.get("method"),
        "interpreters": [NEWER, OLDER],
    }
