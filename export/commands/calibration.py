"""``python -m export calibration``: measure how many calibration images are enough, and which.

``calibration.json`` holds the measurement of the shipped checkpoint. The default of ``--calibration-images`` comes
from it.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.common.arguments import CommandParser, add_data, add_help, at_least
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.errors import UsageError
from export.commands.arguments import add_checkpoint, check_checkpoint
from export.recipes import RECIPES
from train.data.check import check_samples
from train.data.hc18 import Sample, cache, find_data
from train.data.splits import evenly_spaced

if TYPE_CHECKING:
    from export.job import Job

TABLE = Path(__file__).resolve().parents[1] / "calibration.json"
COUNTS = (10, 50, 100, 400)
SEEDS = 5
"""Random draws of each number of images."""

RUNGS = ("min-max", "bias-corrected")
"""The ways of quantizing that are measured; see :mod:`export.quantization.ladder`."""


@dataclass(frozen=True)
class Trial:
    """The result of calibrating on one set of images.

    Attributes:
        rung: Way of quantizing.
        count: Number of images.
        chosen: ``spread`` over the head circumference, or ``random``.
        seed: Seed of the random draw; None if the images are spread.
        sqnr_db: Signal-to-noise ratio of the logits against torch in dB, on the validation part.
        dice_drop_points: Mean Dice of torch minus that of int8, in points of 100; None if no image could be compared.
        hc_shift_mm: Mean absolute change of the head circumference in mm; None if no image could be compared.
    """

    rung: str
    count: int
    chosen: str
    seed: int | None
    sqnr_db: float
    dice_drop_points: float | None
    hc_shift_mm: float | None


def draws(
    samples: Sequence[Sample], counts: Sequence[int], seeds: int
) -> Iterator[tuple[str, int | None, list[Sample]]]:
    """Sets of calibration images: each count spread, then drawn at random."""
    for count in counts:
        yield "spread", None, evenly_spaced(samples, count)
        for seed in range(seeds):
            yield "random", seed, random.Random(seed).sample(list(samples), count)


def measure(job: Job, counts: Sequence[int], seeds: int, folder: Path) -> Iterator[Trial]:
    """Quantize a checkpoint after calibration on each set of images.

    Args:
        job: The checkpoint, and its validation images.
        counts: Numbers of images.
        seeds: Number of random draws for each count.
        folder: Empty folder for temporary files.

    Raises:
        UsageError: A count is more than the training part has.
        ConversionError: A converter failed.
    """
    import torch

    from export.artifact import new_artifact
    from export.conversion.steps import to_graph, to_saved_model, to_tflite
    from export.images import load_images
    from export.quantization.ladder import Judge, candidates
    from export.tflite.model import Model
    from export.verification.parity import ask_torch, compare, run_on
    from train.model import make_predictor

    samples = cache(job.dataset.select(job.split.train))
    check_samples(job.dataset, samples)
    if max(counts) > len(samples):
        raise UsageError(
            f"--counts asks for {max(counts)} images; the training part has {len(samples)}. Ask for fewer."
        )
    predict = make_predictor(job.checkpoint.model, torch.device("cpu"))
    images = load_images(cache(list(job.validation)), job.size)
    judge = Judge(ask_torch(predict, images), job.options.budget)
    to_graph(job.checkpoint.model, folder)
    to_saved_model(job.size, images.inputs[:1], folder)
    plain = Model(to_tflite(folder, RECIPES["float32"]))
    for chosen, seed, drawn in draws(samples, counts, seeds):
        for candidate in candidates(plain, load_images(drawn, job.size).inputs, threads=2):
            if candidate.name in RUNGS:
                logits = run_on(new_artifact(candidate.data, job.checkpoint, candidate.recipe).network(2), images)
                rung = judge.rung(candidate.name, logits)
                sqnr = compare(judge.torch_answers, logits).sqnr_db
                yield Trial(rung.name, len(drawn), chosen, seed, sqnr, rung.dice_drop_points, rung.hc_shift_mm)
            if candidate.name == RUNGS[-1]:
                break


def table(trials: Sequence[Trial]) -> str:
    """A table of means over the draws of each way, count and choice, and of the worst draw; ``-`` if there is none."""
    lines = [
        f"{'quantization':<15} {'images':>6} {'chosen':<7} {'SQNR (dB)':>10} {'Dice drop':>14} {'HC shift (worst)':>18}"
    ]
    keys = sorted({(RUNGS.index(t.rung), t.count, t.chosen != "spread") for t in trials})
    for rung, count, is_random in keys:
        of = [t for t in trials if (t.rung, t.count, t.chosen != "spread") == (RUNGS[rung], count, is_random)]
        drops = [t.dice_drop_points for t in of if t.dice_drop_points is not None]
        shifts = [t.hc_shift_mm for t in of if t.hc_shift_mm is not None]
        drop = f"{np.mean(drops):+.3f} points" if drops else "-"
        shift = f"{np.mean(shifts):.3f} ({max(shifts):.3f}) mm" if shifts else "-"
        sqnr = np.mean([t.sqnr_db for t in of])
        lines.append(f"{RUNGS[rung]:<15} {count:>6} {of[0].chosen:<7} {sqnr:>10.1f} {drop:>14} {shift:>18}")
    return "\n".join(lines)


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
        write_json(TABLE, _document(job, trials))
        say(f"written: {TABLE}")
    return 0


def _document(job: Job, trials: Sequence[Trial]) -> dict[str, Any]:
    from export.artifact import TOOLS

    return {
        "checkpoint_sha256": job.checkpoint.sha256,
        "strategy": job.name,
        "data": job.dataset.title,
        "n_validation": len(job.validation),
        "git_commit": git_commit(),
        "tools": tool_versions(TOOLS),
        "trials": [asdict(trial) for trial in trials],
    }
