"""The images that the export uses for calibration, for parity with torch and for accuracy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import UsageError
from edge_runtime.frame.geometry import LETTERBOX, ResizeRule
from edge_runtime.frame.preprocess import Prepared, prepare
from train.checkpoint import Checkpoint
from train.data.hc18 import Dataset, Sample, hash_files
from train.data.splits import SPLITS, Split, evenly_spaced, make_split


@dataclass(frozen=True)
class Images:
    """Samples and the network's input for each.

    Attributes:
        samples: The samples, in order.
        prepared: The network's input of each, and where its frame lies in it.
    """

    samples: tuple[Sample, ...]
    prepared: tuple[Prepared, ...]

    @cached_property
    def inputs(self) -> NDArray[np.uint8]:
        """uint8 (N, h, w)."""
        return np.stack([one.image for one in self.prepared])


def load_images(samples: Sequence[Sample], size: tuple[int, int], rule: ResizeRule = LETTERBOX) -> Images:
    """Read and prepare samples, exactly as training does.

    Args:
        samples: The samples to read, at least one.
        size: (h, w) of the network's input in pixels.
        rule: How a frame is fitted into it.
    """
    return Images(tuple(samples), tuple(prepare(sample.frame(), size, rule=rule) for sample in samples))


def calibration_samples(dataset: Dataset, split: Split, count: int) -> list[Sample]:
    """The images that int8 ranges are calibrated on. They come from the training part alone."""
    return evenly_spaced(dataset.select(split.train), count)


def parity_samples(dataset: Dataset, split: Split, calibration: Sequence[Sample], count: int) -> list[Sample]:
    """Images on which artifacts are compared with torch: validation images, or training images if there are none.

    Images that it was calibrated on are left out, unless there are no others.

    Args:
        dataset: The data set.
        split: The split that the checkpoint was trained on.
        calibration: The images that int8 ranges are calibrated on.
        count: Maximum number of images.
    """
    known = {sample.name for sample in calibration}
    names = split.val or [name for name in split.train if name not in known] or split.train
    return evenly_spaced(dataset.select(names), count)


def accuracy_parts(
    dataset: Dataset, split: Split, count: int | None, trained_on: Collection[str] = ()
) -> dict[str, list[Sample]]:
    """The images on which accuracy is measured.

    These are the split's test part, and the other split's test part if the checkpoint has seen none of its images.
    With HC18's published lists, the two are all of ``paper_test.txt``, and those of its exams that ``paper_train.txt``
    lacks. Without the lists, two random splits overlap, and only the checkpoint's own test part remains.

    Args:
        dataset: The data set.
        split: The split that the checkpoint was trained on.
        count: Maximum number of images per part; None for all.
        trained_on: Names of further images that the checkpoint was trained on.

    Returns:
        Samples by name of the part, ``grouped_test`` or ``paper_test``, the split's own part first. Empty parts are
        left out.
    """
    tests = {split.name: split.test}
    tests |= {name: make_split(dataset, name).test for name in SPLITS if name != split.name}
    seen = {*split.train, *split.val, *trained_on}
    return {
        f"{name}_test": evenly_spaced(dataset.select(names), count or len(names))
        for name, names in tests.items()
        if names and not seen & set(names)
    }


def split_of(checkpoint: Checkpoint, dataset: Dataset) -> Split:
    """The split that a checkpoint was trained on: of the files it names, those that this data set has.

    A newly made split would not do: HC18 as downloaded lacks the lists ``splits/paper_*.txt``, and a random split
    would put images that the checkpoint was trained on into the test part.

    Raises:
        UsageError: The data set has none of the images that the checkpoint was trained on.
    """
    data = checkpoint.info.get("data", {})
    if data.get("title") != dataset.title or "files" not in data:
        return make_split(dataset, checkpoint.config.split)
    here = {part: tuple(n for n in data["files"][part] if n in dataset.samples) for part in ("train", "val", "test")}
    if not here["train"]:
        raise UsageError(
            f"{dataset.root} has none of the {len(data['files']['train'])} images of {dataset.title} that "
            f"{checkpoint.folder} was trained on; calibration needs them. Pass their folder with --data."
        )
    return Split(checkpoint.config.split, here["train"], here["val"], here["test"])


def calibration_record(dataset: Dataset, split: Split, samples: Sequence[Sample]) -> dict[str, Any]:
    """The manifest's record of a calibration set: data set, split, number of images, and the hash of each file."""
    return {
        "title": dataset.title,
        "split": split.name,
        "part": "train",
        "count": len(samples),
        "sha256": hash_files([s.path for s in samples]),
    }
