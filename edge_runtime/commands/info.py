"""``python -m edge_runtime info``: show a model and this device."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from edge_runtime.artifact.signature import signer_id
from edge_runtime.common.arguments import add_help
from edge_runtime.device.fingerprint import device_text, fingerprint
from edge_runtime.segmenter import Segmenter
from edge_runtime.shipped import find_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, except the model's."""
    add_help(
        parser,
        "Show what a model's manifest says, how far it is trusted, and what is known of this device.",
        "python -m edge_runtime info",
        "python -m edge_runtime info --model artifacts/edge-m/edge-m-full_int8.tflite --json",
    )
    parser.set_defaults(run=info)


def info(args: argparse.Namespace) -> int:
    """Print what is known of a model and of this device."""
    segmenter = Segmenter.load(args.model, trusted_keys=args.trusted_keys)
    manifest, device = segmenter.manifest, fingerprint()
    if args.json:
        trust = {"signed_by": segmenter.signed_by, "canary": segmenter.has_canary}
        print(json.dumps({"manifest": manifest.to_json(), "device": device, "backend": segmenter.backend, **trust}))
        return 0
    shown = {
        "model": f"{manifest.name} ({manifest.model_bytes / 1e6:.2f} MB, sha256 {manifest.model_sha256[:16]}...)",
        "input": f"{manifest.input.dtype} {manifest.input.shape}, from grey frames of any size",
        "output": f"{manifest.output.dtype} {manifest.output.shape}, logits; head if the probability is "
        f"above {manifest.threshold}",
        "calibrated on": _calibration_text(manifest.calibration),
        "signature": _signature_text(segmenter, find_model(args.model)),
        "canary": "passed" if segmenter.has_canary else "absent: the manifest has no golden outputs (an older export)",
        "backend": f"{segmenter.backend} {device['tools'].get(segmenter.backend, '')}",
        "device": f"{device_text(device)}, {device['os']}",
        "python": f"{device['tools']['python']}, numpy {device['tools'].get('numpy')}",
        "for": manifest.intended_use,
        "limits": manifest.limits,
    }
    for key, value in shown.items():
        print(f"{key + ':':<15}{value}")
    return 0


def _calibration_text(source: dict[str, Any]) -> str:
    if not source:
        return "nothing: this recipe needs no calibration"
    count = source.get("count")
    return f"{source.get('title', 'unknown images')} ({'an unknown number of' if count is None else count} images)"


def _signature_text(segmenter: Segmenter, model: Path) -> str:
    if segmenter.signed_by is not None:
        return f"by the trusted key {segmenter.signed_by}"
    claimed = signer_id(model)
    return f"names key {claimed}, but was not checked (give --trusted-key)" if claimed else "none"
