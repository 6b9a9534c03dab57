"""``python -m export quality``: give an artifact limits of its own, from the images it was trained and chosen on."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_runtime.artifact.manifest import manifest_path, write_manifest
from edge_runtime.common.arguments import add_data
from edge_runtime.common.cli import say
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.quality.limits import Limits
from edge_runtime.segmenter import DEFAULT_MODEL, Segmenter
from export.quality.cases import REAL, Examined, gather, parts_of, refused
from export.quality.derive_limits import CONFIDENCE, COVERAGE, MARGIN, derive
from train.data.check import check_samples
from train.data.hc18 import Dataset, find_data


def limits_record(limits: Limits, cases: dict[str, list[Examined]], dataset: Dataset) -> dict[str, Any]:
    """What a manifest says of its limits: themselves, what they are from, and what they refuse there."""
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


def main(argv: list[str]) -> int:
    """``python -m export quality``."""
    parser = argparse.ArgumentParser(
        prog="python -m export quality",
        description="Calibrate when an artifact refuses, its trust and the interval beside a circumference, on the "
        "images it was trained and chosen on and on bad frames made of them, and write them into its manifest.",
    )
    parser.add_argument(
        "model", nargs="?", type=Path, default=DEFAULT_MODEL, metavar="FILE.tflite", help="default: the shipped one"
    )
    add_data(parser)
    args = parser.parse_args(argv)
    segmenter, dataset = Segmenter.load(args.model), find_data(args.data)
    parts = parts_of(segmenter, dataset)
    check_samples(dataset, [*parts["train"], *parts["val"]])
    cases = {part: gather(segmenter, parts[part], part) for part in ("train", "val")}
    limits = derive(cases["train"], cases["val"])
    quality = limits_record(limits, cases, dataset)
    manifest = replace(segmenter.manifest, quality=quality)
    write_manifest(args.model, manifest)
    for name, count in quality["from"]["frames"].items():
        say(f"{name:<16} {count['n_refused']:>4} of {count['n']:>4} refused")
    low, high = limits.interval
    say(f"interval: {low:+.2f} to {high:+.2f} expected errors; caution above {limits.caution_mm:.2f} mm")
    say(f"written: {manifest_path(args.model)}")
    return 0
