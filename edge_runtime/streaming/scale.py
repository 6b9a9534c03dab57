"""The pixel size given to a stream, and the frames that it was given for."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any

from edge_runtime.errors import UsageError, shown


@dataclass(frozen=True)
class Scale:
    """A pixel size for frames without their own, and whether it still holds.

    Attributes:
        pixel_size_mm: (x, y) in mm. None if none was given.
        frame_size: (height, width) in pixels of the frames that it was given for. None until the first one arrives.
        other_size: (height, width) of the first frame of another size. None while there was none.
    """

    pixel_size_mm: tuple[float, float] | None = None
    frame_size: tuple[int, int] | None = None
    other_size: tuple[int, int] | None = None

    def after(self, frame_size: tuple[int, int]) -> Scale:
        """The scale after a frame without its own pixel size has arrived.

        Frames that return to the first size do not bring the number back: the depth may have changed in between.

        Args:
            frame_size: (height, width) of the frame, in pixels.
        """
        if self.pixel_size_mm is None or self.other_size is not None or frame_size == self.frame_size:
            return self
        if self.frame_size is None:
            return replace(self, frame_size=frame_size)
        return replace(self, other_size=frame_size)

    @property
    def doubt(self) -> str | None:
        """Why the pixel size must not be used, and what to do. None if it holds."""
        if self.frame_size is None or self.other_size is None:
            return None
        (was_h, was_w), (is_h, is_w) = self.frame_size, self.other_size
        return (
            f"the pixel size may no longer hold (it was given for frames of {was_w}x{was_h} pixels, and one of "
            f"{is_w}x{is_h} has arrived); set it again with Stream.set_pixel_size(), or give each frame its own, as "
            "Frame(pixels, pixel_size_mm)"
        )


def check_frame_size(value: Any) -> tuple[int, int]:
    """Check the size of frames.

    Returns:
        (height, width) in pixels.

    Raises:
        UsageError: It is not two whole numbers above 0.
    """
    try:
        height, width = map(operator.index, value)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise UsageError(
            f"frame_size is {shown(value)}; it must be the (height, width) of the frames in pixels. Give "
            "frame.shape[:2]."
        )
    return height, width
