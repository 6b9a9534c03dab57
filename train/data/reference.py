"""What an image is scored against, wherever it comes from."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Reference(Protocol):
    """The reference of an image: a :class:`~train.data.hc18.Sample`, or a frame of a packed set."""

    @property
    def name(self) -> str:
        """Name of the image."""

    @property
    def pixel_size_mm(self) -> float:
        """Side of a pixel in mm."""

    @property
    def hc_mm(self) -> float:
        """Reference head circumference in mm."""

    def mask(self) -> NDArray[np.bool_]:
        """The reference mask, bool (H, W)."""
