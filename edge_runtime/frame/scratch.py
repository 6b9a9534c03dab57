"""Memory that is reused for every frame.

The operating system zeroes the pages of a new array of 100 kB or more as they are touched. On frames of 800x540 that
took as long as the arithmetic. So the work is done block by block in the same few arrays, one set per thread. No result
that a caller gets uses this memory.
"""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import NDArray

BLOCK = 131072
"""Elements of an array (512 kB). A frame of 800x540 for a network of 160x240 is one block. With half the size a frame
took 0.06 ms longer, with a quarter 0.15 ms (x86). Pages that no frame has reached take no memory."""

_kept = threading.local()


def scratch() -> list[NDArray[np.float32]]:
    """This thread's four float32 arrays (:data:`BLOCK`,). Their content is whatever the last user left.

    ``preprocess`` uses 0 to 2, ``mask`` 0 and 1, ``find_head`` 2, ``stages`` 3.
    """
    if not hasattr(_kept, "arrays"):
        _kept.arrays = [np.zeros(BLOCK, dtype=np.float32) for _ in range(4)]
    arrays: list[NDArray[np.float32]] = _kept.arrays
    return arrays


def borrow(place: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """One of the arrays in the given shape, or a new array if the shape does not fit."""
    size = math.prod(shape)
    return scratch()[place][:size].reshape(shape) if size <= BLOCK else np.empty(shape, dtype=np.float32)


def blocks(rows: int, row_elements: int) -> list[slice]:
    """Split rows into equal parts of at most :data:`BLOCK` elements.

    Args:
        rows: Number of rows.
        row_elements: Number of elements in a row, at most :data:`BLOCK`.
    """
    count = -(-rows * row_elements // BLOCK)
    step = -(-rows // max(count, 1))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
