"""``python -m train.pseudo_label``: let trained networks outline heads, in images that nobody annotated above all."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.arguments import CommandParser, add_data, add_help, checked_out
from edge_runtime.common.cli import counted, run_command, say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.provenance import git_commit
from edge_runtime.errors import UsageError
from edge_runtime.frame.preprocess import prepare
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.head.find_head import find_head
from edge_runtime.metrics import overlap
from train.data.hc18 import IMAGES, Dataset, Sample, find_data
from train.data.pseudo_labels import (
    TRAINED_ON,
    UNLABELLED,
    PseudoSample,
    blank,
    mean_ellipse,
    refuse_seen,
    unlabelled_images,
    write_pseudo_labels,
)
from train.data.splits import SplitName, make_split

if TYPE_CHECKING:
    from train.checkpoint import Checkpoint

DEFAULT_OUT = Path("pseudo-labels.csv")

MOST_SPREAD = 0.03
"""Spread of the circumferences, relative, above which an image is left out: the networks do not agree on its head. A
sonographer who measures a head twice stays within 3 % in 95 % of the cases."""


def outlines(teachers: Sequence[Checkpoint], frame: NDArray[np.uint8]) -> list[Ellipse] | None:
    """The head of one frame as each network outlines it, in the frame and in its mirror image.

    Args:
        teachers: The networks.
        frame: uint8 (H, W).

    Returns:
        Two ellipses a network, in pixels; None if one of them finds no head.
    """
    import torch

    from train.networks.model import make_predictor

    mirror = np.array([[-1.0, 0.0], [0.0, 1.0]]), np.array([frame.shape[1] - 1.0, 0.0])
    found = []
    for teacher in teachers:
        predict = make_predictor(teacher.model, torch.device("cpu"))
        for mirrored in (False, True):
            seen = np.ascontiguousarray(frame[:, ::-1]) if mirrored else frame
            prepared = prepare(seen, teacher.config.image_size, rule=teacher.config.resize_rule)
            head = find_head(predict(prepared.image), prepared.geometry)
            if head.ellipse is None:
                return None
            found.append(head.ellipse.mapped(*mirror) if mirrored else head.ellipse)
    return found


def spread_of(ellipses: Sequence[Ellipse]) -> float:
    """Standard deviation of their circumferences, relative to the mean."""
    lengths = np.array([ellipse.perimeter for ellipse in ellipses])
    return float(lengths.std() / lengths.mean())


def label(teachers: Sequence[Checkpoint], images: Sequence[PseudoSample]) -> tuple[list[PseudoSample], list[str]]:
    """Outline images.

    Args:
        teachers: The networks.
        images: Not outlined yet.

    Returns:
        The images that the networks agree on; the names of the others.
    """
    kept, left_out = [], []
    for number, image in enumerate(images, 1):
        found = outlines(teachers, image.frame())
        if found is None or (spread := spread_of(found)) > MOST_SPREAD:
            left_out.append(image.name)
        else:
            mean = mean_ellipse(found)
            kept.append(replace(image, outline=mean, hc_mm=mean.perimeter * image.pixel_size_mm, spread=spread))
        if number % 100 == 0 or number == len(images):
            say(f"  images outlined: {number} of {len(images)}")
    return kept, left_out


def validate(teachers: Sequence[Checkpoint], samples: Sequence[Sample]) -> dict[str, float | int]:
    """Compare the mean outline with annotations, of images that no teacher was trained on.

    Returns:
        ``images``; ``without_head``; ``dice`` and ``hc_absolute_difference_mm``, means of the others.
    """
    dice, differences = [], []
    for sample in samples:
        if (found := outlines(teachers, sample.frame())) is None:
            continue
        mean = mean_ellipse(found)
        reference = sample.mask()
        height, width = reference.shape
        dice.append(overlap(mean.interior((height, width)), reference)[0])
        differences.append(abs(mean.perimeter * sample.pixel_size_mm - sample.hc_mm))
    if not dice:
        raise UsageError("The networks find no head in the validation images. Train them longer.")
    return {
        "images": len(samples),
        "without_head": len(samples) - len(dice),
        "dice": round(float(np.mean(dice)), 5),
        "hc_absolute_difference_mm": round(float(np.mean(differences)), 3),
    }


def images_seen(teacher: Checkpoint, dataset: Dataset) -> set[str]:
    """Names of the images of a data set that a network was trained on; none of another data set."""
    return set(teacher.trained_on.get(dataset.title, ()))


def describe(teacher: Checkpoint) -> dict[str, object]:
    """What the record says of a network."""
    info = teacher.info
    return {
        "strategy": teacher.strategy.name,
        "config": asdict(teacher.config),
        "git_commit": info["git_commit"],
        "kept_epoch": info["kept_epoch"],
        "weights_sha256": teacher.sha256,
    }


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m train.pseudo_label")
    add_help(
        parser,
        f"Let trained networks outline the heads of HC18's {UNLABELLED}, whose annotations are not published, and of "
        "the images that train. Each network outlines every image and its mirror image, and the mean of all outlines "
        "is written. Train on them with python -m train --pseudo-labels FILE.",
        "python -m train.pseudo_label checkpoints/edge-l teachers/1/edge-l teachers/2/edge-l",
    )
    parser.add_argument("teachers", nargs="+", type=Path, metavar="CHECKPOINT", help="folder of a trained network")
    add_data(parser)
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, metavar="FILE.csv",
        help="table to write; FILE.json beside it says how it was made (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace a table that is there already")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    if args.out.suffix != ".csv":
        raise UsageError(f"--out is {args.out}; its name must end with .csv.")
    for path in (args.out, args.out.with_suffix(".json")):
        checked_out(path, args.overwrite)
    require("torch")
    from train.checkpoint import load_checkpoint

    dataset = find_data(args.data)
    make_table([load_checkpoint(folder) for folder in args.teachers], dataset, "grouped", args.out)
    return 0


def make_table(teachers: Sequence[Checkpoint], dataset: Dataset, split_name: SplitName, out: Path) -> None:
    """Outline the images of a division's training part and those without annotations, and write table and record.

    Args:
        teachers: The networks.
        dataset: The images.
        split_name: The division. Its validation part judges the networks, where it has one.
        out: The table to write, a .csv file; the record has its name with .json.

    Raises:
        UsageError: A network was trained on images that judge, or there are no images without annotations.
    """
    split = make_split(dataset, split_name)
    for teacher in teachers:
        refuse_seen(str(teacher.folder), images_seen(teacher, dataset), (*split.val, *split.test))
    unlabelled = unlabelled_images(dataset.root)
    validation = validate(teachers, dataset.select(split.val)) if split.val else None
    if validation:
        say(
            f"{counted(len(teachers), 'network')}, mean outline of {validation['images']} validation images: "
            f"Dice {validation['dice']:.2%}, ADF {validation['hc_absolute_difference_mm']:.2f} mm"
        )
    annotated = [blank(f"{IMAGES}/{s.name}", s.path, s.pixel_size_mm) for s in dataset.select(split.train)]
    samples, left_out = label(teachers, [*unlabelled, *annotated])
    write_pseudo_labels(out, samples)
    facts = {
        "images": len(samples),
        "left_out": left_out,
        "most_spread": MOST_SPREAD,
        "validation": validation,
        TRAINED_ON: sorted(set().union(*(images_seen(teacher, dataset) for teacher in teachers))),
        "teachers": [describe(teacher) for teacher in teachers],
        "git_commit": git_commit(),
    }
    write_json(out.with_suffix(".json"), facts)
    say(f"{counted(len(samples), 'image')} outlined, {len(left_out)} left out: the networks disagree. Wrote {out}")


if __name__ == "__main__":
    run_command(main)
