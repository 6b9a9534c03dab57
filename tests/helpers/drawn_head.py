"""Heads drawn in speckle, in frames of any aspect, pixels of any ratio, and margins of any width."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edge_runtime.head.ellipse import Ellipse

ASPECTS = {"21:9": 21 / 9, "16:9": 16 / 9, "4:3": 4 / 3, "1:1": 1.0, "3:4": 3 / 4, "9:16": 9 / 16}
"""Width by height of an image, in pixels."""


@dataclass(frozen=True)
class Scene:
    """A drawn head: the frame, uint8 (H, W), its ellipse in pixels, and the size (x, y) of a pixel in mm."""

    frame: np.ndarray
    head: Ellipse
    pixel_size_mm: tuple[float, float]

    @property
    def hc_mm(self) -> float:
        return self.head.scaled(*self.pixel_size_mm).perimeter


def draw(
    aspect: float,
    pixel_ratio: float = 1.0,
    seed: int = 0,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
    level: int = 0,
    flat: float | None = None,
) -> Scene:
    """A head in speckle, 480 pixels along the longer side, and even margins (above, below, left, right) around.

    Args:
        aspect: Width by height of the speckle, in pixels.
        pixel_ratio: Width by height of a pixel.
        seed: Of the speckle, and of the head's size, shape and place.
        margins: In pixels.
        level: Grey level of the margins.
        flat: Shorter axis by longer axis, in mm. None for any from 0.7 to 1.
    """
    rng = np.random.default_rng(seed)
    shape = (480, round(480 * aspect)) if aspect < 1 else (round(480 / aspect), 480)
    down = 120 / min(shape[0], shape[1] * pixel_ratio)  # the shorter side has 120 mm
    pixel = (down * pixel_ratio, down)
    height, width = shape[0] * pixel[1], shape[1] * pixel[0]
    reach = float(rng.uniform(30, 55))
    head_mm = Ellipse(
        float(rng.uniform(reach, width - reach)),
        float(rng.uniform(reach, height - reach)),
        reach,
        reach * (float(rng.uniform(0.7, 1)) if flat is None else flat),
        float(rng.uniform(0, 180)),
    )
    head = head_mm.scaled(1 / pixel[0], 1 / pixel[1])
    speckle = rng.integers(40, 200, shape)
    image = np.where(head.interior(shape), speckle // 4, speckle).astype(np.uint8)
    above, below, left, right = margins
    frame = np.pad(image, ((above, below), (left, right)), constant_values=level)
    return Scene(frame, replace(head, center_x=head.center_x + left, center_y=head.center_y + above), pixel)
