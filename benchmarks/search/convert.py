"""A network of the search in full int8."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.int8.convert import convert
from export.conversion.rewrites import advised, pick_rewrites
from train.networks.model import HeadNet


def to_full_int8(model: HeadNet, images: NDArray[np.uint8]) -> bytes:
    """Convert and quantize a network, with the rewrites that an export applies by itself.

    Arguments and errors are those of :func:`benchmarks.int8.convert.convert`.

    Returns:
        The .tflite file's bytes.
    """
    size = (images.shape[1], images.shape[2])
    (found,) = convert(model, images, [pick_rewrites(advised(model), model.strategy, size)])
    return found.full_int8
