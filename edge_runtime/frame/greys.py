"""How the grey levels of an image are distributed: counted once a frame, for its contrast and its look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEVEL = np.arange(256)
_SQUARE = _LEVEL * _LEVEL


@dataclass(frozen=True)
class Greys:
    """Counts of grey levels.

    Attributes:
        count: int (256,), pixels of each level.
        total: Number of pixels.
        mean: Mean grey level; 0 without pixels.
        deviation: Standard deviation in grey levels.
    """

    count: NDArray[np.intp]
    total: int
    mean: float
    deviation: float


def greys_of(count: NDArray[np.intp]) -> Greys:
    """Describe counts, int (256,). The sums are of integers, so every machine gives the same."""
    total = int(np.add.reduce(count))
    if total == 0:
        return Greys(count, 0, 0.0, 0.0)
    mean = int(count @ _LEVEL) / total
    return Greys(count, total, mean, math.sqrt(max(int(count @ _SQUARE) / total - mean * mean, 0.0)))


def count_greys(image: NDArray[np.uint8]) -> Greys:
    """Count the grey levels of every second pixel of every second row of an image, uint8 (h, w)."""
    return greys_of(np.bincount(image[::2, ::2].reshape(-1), minlength=256))
