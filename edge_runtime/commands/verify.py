"""``python -m edge_runtime verify``: check that this device computes the same as the device of the export."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edge_runtime.artifact.golden import LEAST_DICE, Golden
from edge_runtime.artifact.network import BACKENDS
from edge_runtime.common.arguments import add_help
from edge_runtime.errors import FetalHeadError
from edge_runtime.segmenter import Segmenter
from edge_runtime.shipped import find_model
from edge_runtime.timing.bench import synthetic_frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, except the model's."""
    add_help(
        parser,
        "Check a model on this device: its hash and signature, its tensors, a repeated inference, and its answers to "
        "the golden frames, which are compared with those of the export. The exit code is 1 if a check fails.",
        "python -m edge_runtime verify",
        "python -m edge_runtime verify --model artifacts/edge-m/edge-m-full_int8.tflite --trusted-key key.pub",
    )
    parser.add_argument("--backend", choices=list(BACKENDS), help="interpreter (default: the first that is installed)")
    parser.set_defaults(run=verify)


def verify(args: argparse.Namespace) -> int:
    """Check a model as far as this device can, and print what was checked."""
    path = find_model(args.model)
    segmenter = Segmenter.load(path, backend=args.backend, trusted_keys=args.trusted_keys)  # hash, signature, tensors
    golden = check_answers(segmenter, path)
    done = {
        "model": segmenter.manifest.name,
        "sha256": segmenter.manifest.model_sha256,
        "backend": segmenter.backend,
        "signed_by": segmenter.signed_by,
    }
    if args.json:
        print(json.dumps({**done, "ok": True, "golden": golden and asdict(golden)}))
    else:
        signed = f"signature (key {segmenter.signed_by}), " if segmenter.signed_by else ""
        print(f"{done['model']}: {signed}hash and tensors match, two runs agree ({done['backend']}).")
        print(_golden_text(golden))
    return 0


def check_answers(segmenter: Segmenter, path: Path) -> Golden | None:
    """Check that a model's answers on this device are repeatable, finite and those of the export.

    Args:
        segmenter: The loaded model.
        path: Its file, for messages.

    Returns:
        The comparison on the golden frames; None if the manifest has no golden outputs.

    Raises:
        FetalHeadError: A check failed.
    """
    frame = synthetic_frame()
    first, second = segmenter.logits(frame), segmenter.logits(frame)
    if not np.isfinite(first).all() or not np.array_equal(first, second):
        raise FetalHeadError(
            f"{path}: two runs on the same frame differ, or are not finite. This device or backend is broken."
        )
    if first.min() == first.max():
        raise FetalHeadError(f"{path}: the output is constant ({first.min()}). This device or backend is broken.")
    golden = segmenter.check_golden()
    if golden and not golden.holds:
        raise FetalHeadError(
            f"{path}: on the golden frames its masks have a Dice of {golden.mask_dice:.4f} with those of the export; "
            f"at least {LEAST_DICE} is needed. Do not use this model on this device with {segmenter.backend}."
        )
    return golden


def _golden_text(golden: Golden | None) -> str:
    if golden is None:
        return "Its manifest has no golden outputs, so they are not checked (an older export)."
    if golden.n_identical == golden.n_frames:
        return f"All {golden.n_frames} golden outputs match the export byte for byte."
    return (
        f"{golden.n_identical} of {golden.n_frames} golden outputs match the export byte for byte; "
        f"the masks agree to a Dice of {golden.mask_dice:.5f} (at least {LEAST_DICE} is needed)."
    )
