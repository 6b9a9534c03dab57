"""``python -m export quality``: derive an artifact's limits, or calibrate it for one's own scanner."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_runtime.artifact.manifest import Manifest, load_manifest, manifest_path, read_model, write_manifest
from edge_runtime.artifact.network import Network
from edge_runtime.artifact.signature import sign_again, signature_path
from edge_runtime.common.arguments import CommandParser, add_data, add_help, add_others
from edge_runtime.common.cli import counted, say
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.errors import UsageError
from edge_runtime.quality.limits import Limits, read_limits
from edge_runtime.segmenter import Segmenter
from edge_runtime.shipped import DEFAULT_SIZE, find_model
from export.quality.cases import REAL, Examined, gather, gather_others, good_cases, others_of, parts_of, refused
from export.quality.derive_limits import COVERAGE, LEAST_IMAGES, MARGIN, MORE, derive
from export.quality.scanner import Calibration, calibrate
from train.data.check import check_samples
from train.data.hc18 import Dataset, find_data
from train.data.others import count_kinds, find_others, hash_others, read_others

TOOLS = ("numpy", "pillow", "ai-edge-litert", "scikit-image", "matplotlib")


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m export quality")
    add_help(
        parser,
        "Derive when an artifact refuses a frame, its trust, and the interval beside a circumference, from the images "
        "it was trained and chosen on, from other looks of them, from frames from elsewhere and from bad frames. "
        "With --scanner, calibrate it for your own scanner instead: give --data a folder of 20 or more of its images "
        "in HC18's layout; the interval and the known look are taken from them, the rest stays. The result is written "
        "into the manifest of FILE. That of a shipped model, by its name or by default, is written only with --write. "
        "A signature of the earlier manifest is removed: sign again.",
        "python -m export quality artifacts/edge-m/edge-m-full_int8.tflite",
        "python -m export quality --scanner 'clinic B, probe C' --data clinic-b own/edge-m-full_int8.tflite",
    )
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="FILE",
        help=f".tflite file, or edge-s, edge-m or edge-l (default: {DEFAULT_SIZE})",
    )
    add_data(parser)
    add_others(parser)
    parser.add_argument(
        "--scanner", metavar="NAME", help="calibrate for the scanner that the images of --data come from"
    )
    parser.add_argument("--write", action="store_true", help="write into the shipped model's manifest")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    model = find_model(args.model)
    dataset = find_data(args.data)
    say(f"data: {dataset.summary}")
    manifest = load_manifest(model)
    # without its own limits, which may be of an earlier version; they are not applied here
    segmenter = Segmenter(Network(read_model(model, manifest), manifest), replace(manifest, quality={}))
    if args.scanner is not None:
        record = _calibrated(segmenter, manifest, dataset, args.scanner)
    else:
        record = _derived(segmenter, dataset, args.others or find_others())
    write_limits(model, record, args.write or model == args.model)
    return 0


def _derived(segmenter: Segmenter, dataset: Dataset, place: Path | None) -> dict[str, Any]:
    others = others_of(segmenter, read_others(place) if place else [])
    if not others:
        say("no frames from elsewhere: the limits and the trust know other organs from generated frames alone")
    parts = parts_of(segmenter, dataset)
    if (held_out := len(parts["val"])) < LEAST_IMAGES:  # now, not after minutes
        raise UsageError(
            f"The validation part has {counted(held_out, 'image')}; an interval needs {LEAST_IMAGES}. {MORE}"
        )
    check_samples(dataset, [*parts["train"], *parts["val"]])
    cases = {part: gather(segmenter, parts[part], part) for part in ("train", "val")}
    cases["elsewhere"] = gather_others(segmenter, others)
    limits = derive(cases["train"], cases["val"], cases["elsewhere"])
    frames = count_refused(limits, cases)
    for name, count in frames.items():
        say(f"{name:<18} {count['n_refused']:>5} of {count['n']:>5} refused")
    low, high = limits.interval
    say(f"interval: {low:+.2f} to {high:+.2f} expected errors, {limits.unlike:.2f} times as wide for an unknown look")
    if low > 0 or high < 0:
        say(
            f"warning: the network measures nearly all heads too {'small' if low > 0 else 'large'}, so a circumference "
            "will lie outside its own interval. Train it for more epochs, or on more images."
        )
    return {
        "limits": limits.to_json(),
        "from": {
            "title": dataset.title,
            "coverage": COVERAGE,
            "margin": MARGIN,
            "frames": frames,
            "others": count_kinds(others),
            "others_sha256": hash_others(others) if others else None,
            "git_commit": git_commit(),
            "tools": tool_versions(TOOLS),
        },
    }


def _calibrated(segmenter: Segmenter, manifest: Manifest, dataset: Dataset, scanner: str) -> dict[str, Any]:
    limits = read_limits(manifest.quality)
    if limits is None:
        raise UsageError(f"{manifest.name} has no limits. Derive them first: python -m export quality FILE")
    samples = list(dataset.samples.values())
    check_samples(dataset, samples)
    found = calibrate(limits, list(good_cases(segmenter, samples, 0, 0)))
    say(describe(found, scanner))
    earlier = manifest.quality.get("from", {})
    return {
        "limits": found.limits.to_json(),
        "from": earlier,
        "scanner": {"name": scanner, "n_images": found.n_images, "n_refused": found.n_refused},
    }


def describe(found: Calibration, scanner: str) -> str:
    """What a calibration found, for a terminal."""
    shown = found.n_images - found.n_refused
    low, high = found.limits.interval
    lines = [
        f"{scanner}: {counted(found.n_images, 'image')}, {found.n_refused} refused",
        f"  {found.n_unlike} of {shown} looked unlike the images that the interval was measured on before",
        f"  {found.n_inside_before} of {shown} true circumferences lay in the interval before",
        f"  measured minus true circumference: {found.bias_mm:+.1f} mm on average",
        f"  interval now: {low:+.2f} to {high:+.2f} expected errors; known look: distance up to "
        f"{found.limits.known.most:.1f}",
    ]
    if not low <= 0 <= high:
        lines.append("  no circumference will lie in its own interval: check the pixel sizes in the table of --data")
    return "\n".join(lines)


def count_refused(limits: Limits, cases: Mapping[str, Sequence[Examined]]) -> dict[str, dict[str, int]]:
    """How many frames of each part these limits refuse."""
    found = {}
    for part, of in cases.items():
        flags = refused(of, limits)
        for name, wanted in (
            ("real", [c.kind == REAL for c in of]),
            ("good", [c.good and c.kind != REAL for c in of]),
            ("bad", [not c.good for c in of]),
        ):
            chosen = [flag for flag, take in zip(flags, wanted, strict=True) if take]
            if chosen:
                found[f"{part}_{name}"] = {"n": len(chosen), "n_refused": sum(chosen)}
    return found


def write_limits(model: Path, record: dict[str, Any], write: bool) -> None:
    """Write limits into a model's manifest, or say that nothing is written.

    Args:
        model: The .tflite file.
        record: The manifest's section ``quality``.
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
