"""``python -m edge_runtime verify``: does this device answer as the one did where the model was exported?"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

import numpy as np

from edge_runtime.artifact.golden import LEAST_DICE, Golden
from edge_runtime.artifact.network import BACKENDS
from edge_runtime.errors import FetalHeadError
from edge_runtime.segmenter import DEFAULT_MODEL, Segmenter
from edge_runtime.timing.bench import synthetic_frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments, but for the model."""
    parser.add_argument("--backend", choices=list(BACKENDS), help="interpreter (default: the first installed)")
    parser.set_defaults(run=verify)


def verify(args: argparse.Namespace) -> int:
    """Check a model as far as this device can: hash, contract, a deterministic and finite inference."""
    path = args.model or DEFAULT_MODEL
    segmenter = Segmenter.load(path, backend=args.backend, trusted_keys=args.trusted_keys)
    frame = synthetic_frame()
    first, second = segmenter.logits(frame), segmenter.logits(frame)
    if not np.isfinite(first).all() or not np.array_equal(first, second):
        raise FetalHeadError(
            f"{path}: two runs on one frame differ or are not finite. This device or backend is broken."
        )
    if first.min() == first.max():
        raise FetalHeadError(f"{path}: the output is constant ({first.min()}). This device or backend is broken.")
    golden = segmenter.check_golden()
    if golden and not golden.holds:
        raise FetalHeadError(
            f"{path}: on the golden frames its masks have a Dice of {golden.mask_dice:.4f} with those of the export; "
            f"{LEAST_DICE} is needed. Do not use this model here with {segmenter.backend}."
        )
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
        print(f"{done['model']}: {signed}hash, tensors and a repeated inference are right ({done['backend']}).")
        print(_golden_text(golden))
    return 0


def _golden_text(golden: Golden | None) -> str:
    if golden is None:
        return "Its manifest has no golden outputs: an older export."
    if golden.n_identical == golden.n_frames:
        return f"All {golden.n_frames} golden outputs are, byte for byte, those of the export."
    return (
        f"{golden.n_identical} of {golden.n_frames} golden outputs are, byte for byte, those of the export; "
        f"the masks agree to a Dice of {golden.mask_dice:.5f} ({LEAST_DICE} is needed)."
    )
