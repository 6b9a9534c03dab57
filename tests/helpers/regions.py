"""A head's region made from a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.geometry import Box, Geometry
from edge_runtime.head.find_head import Region


def region_of(mask: NDArray[np.bool_]) -> Region:
    """The region with this mask, bool (H, W)."""
    whole = Box(0, mask.shape[0], 0, mask.shape[1])
    geometry = Geometry(mask.shape, whole, mask.shape, whole)  # type: ignore[arg-type]
    return Region(geometry, np.where(mask, np.float32(1), np.float32(-1)), geometry.window())
