"""``python -m export explain``: show where a checkpoint loses accuracy in full int8."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.common.arguments import CommandParser, add_data, add_help, add_json, at_least, checked_out
from edge_runtime.common.cli import say, shown
from edge_runtime.common.files import write_bytes
from edge_runtime.common.optional import require
from export.commands.arguments import add_checkpoint, add_rewrites, check_checkpoint, rewrite_names
from export.recipes import RECIPES
from train.data.hc18 import find_data

if TYPE_CHECKING:
    from export.quantization.explain import Explanation, Layer

JSON_SCHEMA_VERSION = 1


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m export explain")
    add_help(
        parser,
        "Convert a checkpoint and show where its full-int8 form, quantized in the plainest way, loses accuracy: every "
        "stage of the conversion compared with torch, then every layer in int8 compared with the same layer in "
        "float32, on real images.",
        "python -m export explain --checkpoint checkpoints/edge-m --picture reports/explain-edge.svg",
    )
    add_checkpoint(parser)
    add_data(parser)
    parser.add_argument(
        "--images", type=at_least(1), default=8, metavar="N", help="compare on N images (default: %(default)s)"
    )
    parser.add_argument(
        "--calibration-images",
        type=at_least(1),
        default=100,
        metavar="N",
        help="calibrate on N images at most (default: %(default)s)",
    )
    add_rewrites(parser)
    parser.add_argument(
        "--worst", type=at_least(1), default=8, metavar="N", help="name the N worst layers (default: %(default)s)"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.svg", help="draw all layers into this file (needs matplotlib)"
    )
    add_json(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    check_checkpoint(args.checkpoint)
    rewrites = rewrite_names(args.rewrite)
    checked_out(args.picture, overwrite=True, option="--picture")
    for package in ("torch", "onnxruntime", *(("matplotlib",) if args.picture else ())):
        require(package)
    from export.job import Options, plan
    from export.quantization.explain import explain
    from train.checkpoint import load_checkpoint

    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
        checkpoint = load_checkpoint(args.checkpoint)
        recipes = (RECIPES["float32"], RECIPES["full_int8"])
        options = Options(recipes, Path(), args.calibration_images, args.images, rewrites=rewrites)
        job = plan(checkpoint, find_data(args.data), options)
        with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
            found = explain(job, Path(folder))
        say(explanation_text(found, args.worst))
        if args.picture:
            from export.commands.explain_picture import picture

            write_bytes(args.picture, picture(found, args.worst))
            say(f"\npicture: {args.picture}")
    if args.json:
        print(json.dumps({"schema_version": JSON_SCHEMA_VERSION, **asdict(found)}, allow_nan=False))
    return 0


def explanation_text(found: Explanation, worst: int) -> str:
    """The findings as text."""
    from export.quantization.explain import label, worst_layers

    height, width = found.size
    lines = [
        f"{found.name} at {height}x{width}, on {len(found.images)} images of {found.data}",
        "",
        f"{'against torch':<13} {'largest / mean logit difference':>32} {'SQNR (dB)':>10} {'mask Dice':>10} "
        f"{'HC shift':>10}",
    ]
    for stage, parity in found.stages.items():
        shift = shown(parity.hc_shift_mean_mm, ".3f", 10, " mm")
        difference = f"{parity.max_logit_difference:.1e} / {parity.mean_logit_difference:.1e}"
        lines.append(f"{stage:<13} {difference:>32} {parity.sqnr_db:>10.1f} {parity.mask_dice_mean:>10.4f} {shift}")
    weighted = sum(found.tiny_variances.values())
    lines += [
        "",
        f"batch norm: {weighted} of {found.n_batch_norm_channels} channels have a running variance under 1e-6"
        + (f" ({', '.join(f'{name}: {n}' for name, n in found.tiny_variances.items())})" if weighted else ""),
        "",
        f"The {worst} of {len(found.layers)} operators that add the most noise (own: if their inputs carry none):",
        f"{'':>4} {'operator':<42} {'own dB':>7} {'dB':>6} {'values':>18} {'int8 range':>18} {'outside':>8} "
        f"{'dead':>5} {'ratio':>7}",
        *(_row(label(layer), layer) for layer in worst_layers(found, worst)),
    ]
    return "\n".join(lines)


def _row(title: str, layer: Layer) -> str:
    return (
        f"{layer.index:>4} {title[-42:]:<42} {layer.own_sqnr_db:>7.1f} {layer.sqnr_db:>6.1f} "
        f"{f'{layer.least:.2f} to {layer.most:.2f}':>18} {f'{layer.range_least:.2f} to {layer.range_most:.2f}':>18} "
        f"{layer.saturated:>8.2%} {layer.dead_channels:>5} {shown(layer.channel_ratio, '.1f', 7)}"
    )
