"""``python -m export calibration``: how many calibration images are enough, and which, measured.

``calibration.json`` holds what was measured on the shipped checkpoint; the default of ``--calibration-images`` follows.
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

from edge_runtime.common.arguments import add_data, at_least
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.errors import UsageError
from export.recipes import RECIPES
from train.data.check import check_samples
from train.data.hc18 import Sample, cache, find_data
from train.data.splits import evenly_spaced

if TYPE_CHECKING:
    from export.job import Job

TABLE = Path(__file__).resolve().parents[1] / "calibration.json"
COUNTS = (10, 50, 100, 400)
SEEDS = 5
"""Random draws of each count."""

RUNGS = ("min-max", "bias-corrected")
"""Ways of quantizing that are measured: see :mod:`export.quantization.ladder`."""


@dataclass(frozen=True)
class Trial:
    """What a set of calibration images gave.

    Attributes:
        rung: Way of quantizing.
        count: Images.
        chosen: ``spread`` over the head circumference, or ``random``.
        seed: Of the random draw; None for the spread.
        sqnr_db: Of the logits against torch, on the validation part.
        dice_drop_points: Mean Dice of torch less its own, in points of 100.
        hc_shift_mm: Mean absolute change of the head circumference.
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
        counts: Of images.
        seeds: Random draws of each count.
        folder: Empty, to work in.

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
        raise UsageError(f"--counts asks for {max(counts)} images; the training part has {len(samples)}.")
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
    """Mean of each way, count and choice, and the worst of the random draws."""
    lines = [
        f"{'quantization':<15} {'images':>6} {'chosen':<7} {'SQNR (dB)':>10} {'Dice drop':>14} {'HC shift (worst)':>18}"
    ]
    keys = sorted({(RUNGS.index(t.rung), t.count, t.chosen != "spread") for t in trials})
    for rung, count, is_random in keys:
        of = [t for t in trials if (t.rung, t.count, t.chosen != "spread") == (RUNGS[rung], count, is_random)]
        shifts = [t.hc_shift_mm or 0.0 for t in of]
        drop = float(np.mean([t.dice_drop_points or 0.0 for t in of]))
        lines.append(
            f"{RUNGS[rung]:<15} {count:>6} {of[0].chosen:<7} {np.mean([t.sqnr_db for t in of]):>10.1f} "
            f"{drop:>+7.3f} points {np.mean(shifts):>8.3f} ({max(shifts):.3f}) mm"
        )
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """``python -m export calibration``."""
    parser = argparse.ArgumentParser(
        prog="python -m export calibration",
        description="Measure what full int8 loses after calibration on few and many images, spread over the head "
        "circumference and drawn at random, on the validation part.",
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("checkpoints/edge"), metavar="DIR", help="default: %(default)s"
    )
    add_data(parser)
    parser.add_argument(
        "--counts",
        type=at_least(1),
        nargs="+",
        default=list(COUNTS),
        metavar="N",
        help="of images; default: %(default)s",
    )
    parser.add_argument(
        "--seeds", type=at_least(0), default=SEEDS, metavar="N", help="random draws; default: %(default)s"
    )
    parser.add_argument("--write", action="store_true", help=f"write what was measured to {TABLE.name}")
    args = parser.parse_args(argv)
    if min(args.counts) < 1 or args.seeds < 0:
        raise UsageError(f"--counts {args.counts} --seeds {args.seeds}: counts are 1 or more, seeds 0 or more.")
    for package in ("torch", "onnxruntime"):
        require(package)
    from export.job import Options, plan
    from train.checkpoint import load_checkpoint

    checkpoint, dataset = load_checkpoint(args.checkpoint), find_data(args.data)
    job = plan(checkpoint, dataset, Options((RECIPES["full_int8"],), Path()))
    trials = []
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as folder:
        for trial in measure(job, args.counts, args.seeds, Path(folder)):
            say(f"  {trial.rung}, {trial.count} images, {trial.chosen} {trial.seed or ''}: {trial.hc_shift_mm} mm")
            trials.append(trial)
    say(f"\n{checkpoint.strategy.name}, {len(job.validation)} validation images of {dataset.title}\n{table(trials)}")
    if args.write:
        write_json(TABLE, _document(job, trials))
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
