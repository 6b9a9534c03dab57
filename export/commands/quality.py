"""``python -m export quality``: derive an artifact's limits from the images it was trained and chosen on."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_runtime.artifact.manifest import load_manifest, manifest_path, write_manifest
from edge_runtime.artifact.signature import signature_path
from edge_runtime.common.arguments import CommandParser, add_data, add_help
from edge_runtime.common.cli import say
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.quality.limits import Limits
from edge_runtime.segmenter import DEFAULT_MODEL, Segmenter
from export.artifact import sign_again
from export.quality.cases import REAL, Examined, gather, parts_of, refused
from export.quality.derive_limits import CONFIDENCE, COVERAGE, MARGIN, derive
from train.data.check import check_samples
from train.data.hc18 import Dataset, find_data


def limits_record(limits: Limits, cases: dict[str, list[Examined]], dataset: Dataset) -> dict[str, Any]:
    """The manifest's record of the limits: the limits, the data they come from, and what they refuse there."""
    found = {}
    for part, of in cases.items():
        flags = refused(of, limits)
        for name, wanted in (
            ("real", [c.kind == REAL for c in of]),
            ("variants", [c.good and c.kind != REAL for c in of]),
            ("bad", [not c.good for c in of]),
        ):
            chosen = [flag for flag, take in zip(flags, wanted, strict=True) if take]
            found[f"{part}_{name}"] = {"n": len(chosen), "n_refused": sum(chosen)}
    return {
        "limits": limits.to_json(),
        "from": {
            "title": dataset.title,
            "coverage": COVERAGE,
            "confidence": CONFIDENCE,
            "margin": MARGIN,
            "frames": found,
            "git_commit": git_commit(),
            "tools": tool_versions(("numpy", "pillow", "ai-edge-litert", "scikit-image", "matplotlib")),
        },
    }


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m export quality")
    add_help(
        parser,
        "Derive when an artifact refuses a frame, its trust, and the interval beside a circumference, from the images "
        "it was trained and chosen on and from bad frames made of them. If FILE is given, they are written into its "
        "manifest. Without FILE the shipped model is measured, and nothing is written unless --write is given. A "
        "signature of the earlier manifest is removed: sign again.",
        "python -m export quality artifacts/edge/edge-full_int8.tflite",
        "python -m export quality --write",
    )
    parser.add_argument("model", nargs="?", type=Path, metavar="FILE", help=".tflite file (default: the shipped one)")
    add_data(parser)
    parser.add_argument("--write", action="store_true", help="write into the shipped model's manifest")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    model = args.model or DEFAULT_MODEL
    segmenter, dataset = Segmenter.load(model), find_data(args.data)
    parts = parts_of(segmenter, dataset)
    check_samples(dataset, [*parts["train"], *parts["val"]])
    cases = {part: gather(segmenter, parts[part], part) for part in ("train", "val")}
    limits = derive(cases["train"], cases["val"])
    record = limits_record(limits, cases, dataset)
    for name, count in record["from"]["frames"].items():
        say(f"{name:<16} {count['n_refused']:>4} of {count['n']:>4} refused")
    low, high = limits.interval
    say(f"interval: {low:+.2f} to {high:+.2f} expected errors; caution above {limits.caution_mm:.2f} mm")
    write_limits(model, record, args.write or args.model is not None)
    return 0


def write_limits(model: Path, record: dict[str, Any], write: bool) -> None:
    """Write limits into a model's manifest, or say that nothing is written.

    Args:
        model: The .tflite file.
        record: Of the limits, as :func:`limits_record` makes it.
        write: Whether to write.
    """
    if not write:
        say(f"not written: {manifest_path(model)} is the shipped model's. To change it, add --write.")
        return
    signed = signature_path(model).exists()
    path = write_manifest(model, replace(load_manifest(model), quality=record))
    say(f"written: {path}")
    if signed and not signature_path(model).exists():
        say(sign_again(model))
