"""The images that decide the ranges of a fully quantized network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.images import load_images
from train.data import Dataset, Sample, hash_files
from train.splits import Split

PINNED = (
    "The top left corner pixel of the first image is set to 0 and the top right one to 255, so that the input's range "
    "is exactly [0, 1] and a frame's bytes are the input tensor."
)


def calibration_record(dataset: Dataset, split: Split, samples: Sequence[Sample]) -> dict[str, Any]:
    """What a manifest says of a calibration set: data set, split, count, the hash of every file."""
    return {
        "title": dataset.title,
        "split": split.name,
        "part": "train",
        "count": len(samples),
        "sha256": hash_files([s.path for s in samples]),
        "note": PINNED,
    }


def calibrate(samples: Sequence[Sample], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Prepare calibration images.

    Args:
        samples: As :func:`export.images.calibration_samples` chooses them.
        size: (h, w) of the network's input in pixels.

    Returns:
        uint8 (N, h, w), read by the network as byte / 255, as in training; see :data:`PINNED`.
    """
    inputs = load_images(samples, size).inputs
    # The converter takes the input's scale from the range it saw: without these it would be 254/255 of it, say.
    inputs[0, 0, 0], inputs[0, 0, -1] = 0, 255
    return inputs
