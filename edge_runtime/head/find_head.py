"""From the network's logits to the head's mask, its ellipse, and figures that say how well they fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.geometry import Geometry, GridWindow
from edge_runtime.frame.scratch import borrow
from edge_runtime.head.components import Likeliest, likeliest_region
from edge_runtime.head.ellipse import Ellipse, EllipseError, fit_ellipse, outline_points
from edge_runtime.head.mask import positive_at

_TINY = np.float32(1e-3)


class Region:
    """The head's region. Its mask is computed when it is first asked for: a circumference does not need it.

    Args:
        geometry: Where the frame lies in the network's input.
        field: The field that :func:`find_region` returns; it is copied. None if nothing was found.
        window: Where the field lies in the frame.
    """

    def __init__(
        self, geometry: Geometry, field: NDArray[np.float32] | None = None, window: GridWindow | None = None
    ) -> None:
        self._geometry = geometry
        self._field = None if field is None else field.copy()
        self._window = window

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """bool (H, W) at the frame's size, with holes filled. Empty if nothing was found."""
        if self._field is None or self._window is None:
            return np.zeros(self._geometry.frame, dtype=bool)
        return find_mask(self._field, self._geometry, self._window)


@dataclass(frozen=True)
class Head:
    """The head found in one frame.

    Attributes:
        region: Where it is.
        ellipse: The ellipse fitted to the region's visible outline, in frame pixels. None if no ellipse fits.
        regions: Number of separate regions above the threshold, at network resolution.
        rival: How certain the network is of the next region, relative to this one, 0 to 1. 0 if there is none of size.
        area_fraction: Share of the frame's content that the region covers, 0 to 1.
        ellipse_residual: RMS distance of the outline from the ellipse, relative to the radius. 0 is a perfect ellipse.
        border_contact: Share of the region's outer pixels that lie on the border of the frame's content, 0 to 1.
    """

    region: Region
    ellipse: Ellipse | None
    regions: int
    area_fraction: float
    ellipse_residual: float
    border_contact: float
    rival: float = 0.0

    @property
    def mask(self) -> NDArray[np.bool_]:
        """bool (H, W) at the frame's size: the head's region, with its holes filled. Empty if nothing was found."""
        return self.region.mask


def _not_timed(step: str) -> None:
    """Used when no step is timed."""


def find_head(
    logits: NDArray[np.float32],
    geometry: Geometry,
    pixel_size_mm: tuple[float, float] | None = None,
    threshold: float = 0.5,
    done: Callable[[str], None] = _not_timed,
) -> Head:
    """Find the head in the network's output.

    The outline is where the interpolated logits cross the threshold, so it is finer than the network's grid.

    Args:
        logits: float32 (h, w), the network's output, of the size of its input or a part of it.
        geometry: Where the frame lies in the input.
        pixel_size_mm: (x, y). Only their ratio matters: the ellipse is fitted in mm. None for square pixels.
        threshold: Probability above which a pixel is head, between 0 and 1 (exclusive).
        done: Called with the name of each step when it ends: ``region``, ``ellipse``.
    """
    window = geometry.window_of(logits)
    seen = window.crop(logits)
    field, found = find_region(seen, threshold, borrow(2, seen.shape))
    done("region")
    if found.regions == 0:
        return Head(Region(geometry), None, 0, 0.0, 1.0, 0.0)
    ellipse, residual = find_ellipse(field, window, pixel_size_mm)
    area = np.count_nonzero(found.region) / found.region.size
    head = Head(
        Region(geometry, field, window),
        ellipse,
        found.regions,
        area,
        residual,
        border_contact(found.region),
        found.rival,
    )
    done("ellipse")
    return head


def find_mask(field: NDArray[np.float32], geometry: Geometry, window: GridWindow) -> NDArray[np.bool_]:
    """The region's mask at the frame's size.

    Args:
        field: The field that :func:`find_region` returns.
        geometry: Where the frame lies in the network's input.
        window: Where the field lies in the frame.

    Returns:
        bool (H, W).
    """
    x, y = zip(window.first, window.step, strict=True)
    inside = positive_at(field, geometry.content.size, (y, x))
    if geometry.content.size == geometry.frame:
        return inside
    mask = np.zeros(geometry.frame, dtype=bool)
    mask[geometry.content.slices] = inside
    return mask


def find_region(
    logits: NDArray[np.float32], threshold: float = 0.5, out: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], Likeliest]:
    """Find the region that is the head, at network resolution.

    Args:
        logits: float32 (h, w).
        threshold: Probability above which a pixel is head.
        out: float32 (h, w) that receives the returned field. None for a new array.

    Returns:
        The logits minus the threshold's logit, float32 (h, w). They are above 0 in the region and nowhere else: other
        regions are set to outside and holes to inside, and the values around the region's outline are unchanged.
        Then the region itself.
    """
    field = np.subtract(logits, np.float32(math.log(threshold / (1 - threshold))), out=out, dtype=np.float32)
    found = likeliest_region(field)
    flat, inside = field.reshape(-1), found.region.reshape(-1)
    flat[np.flatnonzero((flat < _TINY) & inside)] = _TINY
    flat[np.flatnonzero((flat > -_TINY) > inside)] = -_TINY  # near or above 0, and outside
    return field, found


def find_ellipse(
    field: NDArray[np.float32], window: GridWindow, pixel_size_mm: tuple[float, float] | None = None
) -> tuple[Ellipse | None, float]:
    """Fit an ellipse to a region's visible outline.

    Args:
        field: The field that :func:`find_region` returns.
        window: Where the field lies in the frame.
        pixel_size_mm: (x, y). The fit is made in mm. None for square pixels.

    Returns:
        The ellipse in frame pixels, or None if no ellipse fits; and the RMS distance of the outline from it, relative
        to the radius, or 1 without an ellipse.
    """
    points = window.to_frame(outline_points(field, 0.0))
    across, down = pixel_size_mm or (1.0, 1.0)
    stretched = across != down
    if stretched:
        points *= np.array([across, down])
    try:
        ellipse = fit_ellipse(points)
        residual = math.sqrt(float(np.square(ellipse.radius(points) - 1).sum()) / len(points))
        return ellipse.scaled(1 / across, 1 / down) if stretched else ellipse, residual
    except EllipseError:
        return None, 1.0


def border_contact(region: NDArray[np.bool_]) -> float:
    """Share of the outer pixels of a region, bool (h, w), that lie on the border of its array, 0 to 1."""
    height, width = region.shape
    flat = region.reshape(-1)
    # True if a pixel and its four neighbours are inside. This is wrong at the ends of rows, which are left out below.
    inner = flat[width:-width] & flat[: -2 * width] & flat[2 * width :]
    inner[1:-1] &= flat[width + 2 : -width] & flat[width : -width - 2]
    n_inner = np.count_nonzero(inner.reshape(max(height - 2, 0), width)[:, 1:-1])
    n_pixels = np.count_nonzero(region)
    # not the sum of the four sides: a field of one row or column has each of its pixels on two of them
    at_border = n_pixels - np.count_nonzero(region[1:-1, 1:-1])
    return at_border / max(1, n_pixels - n_inner)
