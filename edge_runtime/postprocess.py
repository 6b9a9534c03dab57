"""From the network's logits to the head's mask, its ellipse and what tells how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.components import largest_region
from edge_runtime.ellipse import Ellipse, EllipseError, fit_ellipse, outline_points
from edge_runtime.mask import positive_at
from edge_runtime.preprocess import to_frame_xy

_TINY = np.float32(1e-3)


@dataclass(frozen=True)
class Head:
    """The head found in one frame.

    Attributes:
        mask: bool (H, W) at the frame's size: the largest region, holes filled; empty where nothing was found.
        ellipse: Fitted to the region's visible outline, in frame pixels; None where none fits.
        regions: Number of separate regions above the threshold, at network resolution.
        area_fraction: Share of the frame the region covers, 0 to 1.
        ellipse_residual: RMS distance of the outline from the ellipse, relative to the radius; 0 is a perfect ellipse.
        border_contact: Share of the region's outer pixels that lie on the frame's border, 0 to 1.
    """

    mask: NDArray[np.bool_]
    ellipse: Ellipse | None
    regions: int
    area_fraction: float
    ellipse_residual: float
    border_contact: float


def find_head(logits: NDArray[np.float32], frame_size: tuple[int, int], threshold: float = 0.5) -> Head:
    """Find the head in the network's output.

    The outline is taken where the logits cross the threshold between pixels, so it is finer than the network's grid.

    Args:
        logits: float32 (h, w) at network resolution.
        frame_size: (H, W) of the frame, in pixels.
        threshold: Probability above which a pixel is head, 0 to 1, exclusive.
    """
    field = logits.astype(np.float32) - np.float32(np.log(threshold / (1 - threshold)))
    region, regions = largest_region(field > 0)
    if not region.any():
        return Head(np.zeros(frame_size, dtype=bool), None, 0, 0.0, 1.0, 0.0)
    # Other regions count as outside and holes as inside; the crossing values around the region stay as they are.
    inside = np.minimum(field, -_TINY)
    np.maximum(field, _TINY, out=inside, where=region)
    field = inside
    points = to_frame_xy(outline_points(field, 0.0), (field.shape[0], field.shape[1]), frame_size)
    ellipse, residual = None, 1.0
    try:
        ellipse = fit_ellipse(points)
        residual = float(np.sqrt(np.mean((ellipse.radius(points) - 1) ** 2)))
    except EllipseError:
        pass
    mask = positive_at(field, frame_size)
    return Head(mask, ellipse, regions, np.count_nonzero(region) / region.size, residual, _border_contact(region))


def _border_contact(region: NDArray[np.bool_]) -> float:
    height, width = region.shape
    flat = region.reshape(-1)
    # A pixel and its four neighbours, all inside; across a row's end this is wrong, and that column is left out below.
    inner = flat[width:-width] & flat[: -2 * width] & flat[2 * width :]
    inner[1:-1] &= flat[width + 2 : -width] & flat[width : -width - 2]
    n_inner = np.count_nonzero(inner.reshape(max(height - 2, 0), width)[:, 1:-1])
    at_border = np.count_nonzero(region[[0, -1]]) + np.count_nonzero(region[1:-1, [0, -1]])
    return at_border / max(1, np.count_nonzero(region) - n_inner)
