"""``python -m benchmarks picture``: the shipped model at work on a phantom, the one picture that may be committed."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.pictures.overlays import draw_overlay
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_bytes
from edge_runtime.segmenter import Segmenter
from train.data.hc18 import find_data

IMAGE = "001_HC.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--out", type=Path, default=Path("docs/phantom.png"), metavar="FILE", help="default: %(default)s"
    )
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Draw the picture; it replaces the one that is there, and says so."""
    segmenter, sample = Segmenter.load(), find_data("phantom").samples[IMAGE]
    replaced = args.out.exists()
    write_bytes(args.out, draw_overlay(segmenter, sample))
    result = segmenter.measure(sample.frame(), sample.pixel_size_mm)
    hc = result.head_circumference_mm
    measured = f"HC {hc:.1f} mm" if hc is not None else f"no HC ({result.reason})"
    say(f"{'replaced' if replaced else 'wrote'} {args.out}: {measured}, drawn with {sample.hc_mm:.1f} mm")
    return 0
