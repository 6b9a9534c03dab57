"""``python -m export calibration``: measure how many calibration images are enough, and which."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from edge_runtime.common.arguments import CommandParser, add_data, add_help, at_least
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from export.commands.arguments import add_checkpoint, check_checkpoint
from export.quantization.calibration import COUNTS, SEEDS, TABLE, Trial, make_document, measure, table
from export.recipes import RECIPES
from train.data.hc18 import find_data


def _line(trial: Trial) -> str:
    """A trial as a line of progress."""
    draw = "" if trial.seed is None else f", seed {trial.seed}"
    shift = "not measured" if trial.hc_shift_mm is None else f"{trial.hc_shift_mm:.3f} mm"
    return f"  {trial.rung}, {trial.count} images, {trial.chosen}{draw}: HC shift {shift}"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m export calibration")
    add_help(
        parser,
        "Measure what full int8 loses after calibration on few and on many images, spread over the head circumference "
        "and drawn at random. The losses are measured on the validation part.",
        "python -m export calibration --counts 10 100 --seeds 3",
    )
    add_checkpoint(parser)
    add_data(parser)
    parser.add_argument(
        "--counts",
        type=at_least(1),
        nargs="+",
        default=list(COUNTS),
        metavar="N",
        help="numbers of images (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds", type=at_least(0), default=SEEDS, metavar="N", help="random draws of each (default: %(default)s)"
    )
    parser.add_argument("--write", action="store_true", help=f"write the result to export/{TABLE.name}")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    check_checkpoint(args.checkpoint)
    for package in ("torch", "onnxruntime"):
        require(package)
    from export.job import Options, plan
    from train.checkpoint import load_checkpoint

    checkpoint, dataset = load_checkpoint(args.checkpoint), find_data(args.data)
    job = plan(checkpoint, dataset, Options((RECIPES["full_int8"],), Path()))
    trials = []
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        for trial in measure(job, args.counts, args.seeds, Path(folder)):
            say(_line(trial))
            trials.append(trial)
    say(f"\n{checkpoint.strategy.name}, {len(job.validation)} validation images of {dataset.title}\n{table(trials)}")
    if args.write:
        write_json(TABLE, to_json(make_document(job, trials)))
        say(f"written: {TABLE}")
    return 0
