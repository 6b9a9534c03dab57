"""What a manifest says of the images that decide the ranges of a fully quantized network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from train.data.hc18 import Dataset, Sample, hash_files
from train.data.splits import Split


def calibration_record(dataset: Dataset, split: Split, samples: Sequence[Sample]) -> dict[str, Any]:
    """What a manifest says of a calibration set: data set, split, count, the hash of every file."""
    return {
        "title": dataset.title,
        "split": split.name,
        "part": "train",
        "count": len(samples),
        "sha256": hash_files([s.path for s in samples]),
    }
