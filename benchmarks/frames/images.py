"""The images that a run uses, whether they come from a data set or from a frame set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.frames.frame_set import FrameSet, read_frame_set
from edge_runtime.head.ellipse import Ellipse
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample, cache, find_data, hash_samples
from train.data.reference import Reference
from train.data.splits import SplitName, evenly_spaced, make_split


class Image(Reference, Protocol):
    """A frame with its reference."""

    def frame(self) -> NDArray[np.uint8]:
        """The frame in grey, uint8 (H, W)."""

    def ellipse(self) -> Ellipse:
        """The reference ellipse in pixels."""


@dataclass(frozen=True)
class Images:
    """The images of a run, and what a result file says of them.

    Attributes:
        images: The images, in the order of their head circumference.
        summary: What they are, in one line.
        data: Title of the data set.
        is_phantom: They are procedural phantoms, not ultrasound.
        split: Name of the split whose test part they are from.
        split_sha256: Of the split.
        n_in_test_part: Images in the test part.
        images_sha256: Hash that names them.
        frame_set_sha256: Hash that names the frame set; None if they come from a data set.
    """

    images: Sequence[Image]
    summary: str
    data: str
    is_phantom: bool
    split: str
    split_sha256: str
    n_in_test_part: int
    images_sha256: str
    frame_set_sha256: str | None = None


def samples_of(data: str | None, split_part: SplitName, count: int | None) -> tuple[Dataset, list[Sample], Images]:
    """Images of a data set's test part, checked.

    Args:
        data: What the user gave as ``--data``.
        split_part: The split whose test part is used.
        count: So many of them, evenly spread over the head size; None for all.

    Returns:
        The data set, its samples, each read from disk once, and both in the words of a result file.
    """
    dataset = find_data(data)
    split = make_split(dataset, split_part)
    samples = evenly_spaced(dataset.select(split.test), count or len(split.test))
    check_samples(dataset, samples)
    samples = cache(samples)
    images = Images(
        images=samples,
        summary=f"{dataset.summary}; {len(samples)} of {split.name}'s test part are scored",
        data=dataset.title,
        is_phantom=dataset.is_phantom,
        split=split.name,
        split_sha256=split.sha256,
        n_in_test_part=len(split.test),
        images_sha256=hash_samples(samples),
    )
    return dataset, samples, images


def images_of(path: Path) -> Images:
    """Images of a frame set."""
    found: FrameSet = read_frame_set(path)
    header = found.header
    return Images(
        images=found.frames,
        summary=f"{header.data}, {len(found.frames)} frames of {header.split}'s test part in {path.name}",
        data=header.data,
        is_phantom=header.is_phantom,
        split=header.split,
        split_sha256=header.split_sha256,
        n_in_test_part=header.n_images_in_test_part,
        images_sha256=header.images_sha256,
        frame_set_sha256=found.sha256,
    )
