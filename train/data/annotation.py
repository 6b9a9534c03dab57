"""Annotations: what a sonographer drew, as an outline or as a filled mask, and the ellipse that it means."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError
from edge_runtime.frame.image_files import read_image
from edge_runtime.head.components import largest_region
from edge_runtime.head.ellipse import Ellipse, fit_ellipse, outline_points

FILLED_SPREAD = 0.1
"""RMS distance of the marked pixels from the ellipse fitted to them, as a share of its shorter semi-axis, above which
they are an area and not a line. HC18's lines have 0.003 to 0.012, a disc has 0.34."""

MAX_SHIFT_PX = 2.0
"""How far the ellipse may lie from the edge of a filled mask. Whether a mask includes the line that it was filled from
(HC18's is 2.6 pixels wide) cannot be seen in it: its edge lies 1.3 pixels outside the ellipse, on it or 1.3 inside."""

STRONG_COLOUR = 128
"""Difference between the largest and the smallest of red, green and blue from which a pixel is called coloured. JPEG
gives white lines less."""


@dataclass(frozen=True)
class Annotation:
    """The reference of an image.

    Attributes:
        shape: (H, W) of the annotation in pixels.
        ellipse: The reference: through the middle of an outline; of a filled mask, see :func:`read_annotation`.
        measured_mm: Circumference of the ellipse that was fitted, before any shift.
        is_filled: Whether it is a filled mask.
        shift_px: How far the ellipse was moved outwards from a filled mask's edge, 0 for an outline.
    """

    shape: tuple[int, int]
    ellipse: Ellipse
    measured_mm: float
    is_filled: bool
    shift_px: float


def marked_pixels(path: Path) -> NDArray[np.bool_]:
    """The pixels that an annotation marks, bool (H, W).

    A pixel is marked where it differs from the background by more than half of the largest difference. So a mask may
    hold 0 and 1, a line may be anti-aliased or dark, and the noise of JPEG is not a line. The background is what most
    of the image's border shows. In a grey image with a line in a strong colour, only the colour counts.

    Raises:
        InputError: All pixels are the same, or the file cannot be read.
    """
    pixels = read_image(path)
    if pixels.ndim == 3 and pixels.shape[2] == 4:  # a transparent pixel may have any colour
        pixels = np.where(pixels[:, :, 3:] > 0, pixels, 0)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    background = np.median(border, axis=0).astype(np.int16)
    difference = np.abs(pixels.astype(np.int16) - background)
    if difference.ndim == 3:
        chroma = np.ptp(pixels[:, :, :3], axis=2)
        coloured = np.ptp(background[:3]) < STRONG_COLOUR <= chroma.max()
        difference = chroma if coloured else difference.max(axis=2)
    most = int(difference.max())
    if most == 0:
        raise InputError(f"{path} marks nothing: all its pixels are the same. Restore it, or move the image away.")
    return np.asarray(difference > most // 2)


def read_annotation(path: Path, pixel_size_mm: float, hc_mm: float | None) -> Annotation:
    """Read an annotation and fit its ellipse.

    Of an outline, the ellipse goes through the middle of the line. Of a filled mask, it has the shape of the mask's
    edge and the circumference of the table, as long as it lies within ``MAX_SHIFT_PX`` of that edge.

    Args:
        path: The annotation.
        pixel_size_mm: Side of a pixel in mm.
        hc_mm: Head circumference by the table, in mm; None if it has none. A filled mask's edge is then the outline.

    Raises:
        InputError: It cannot be read, marks nothing, or no ellipse can be fitted to it.
    """
    marked = marked_pixels(path)
    try:
        points = np.argwhere(marked)[:, ::-1].astype(np.float64)
        ellipse = fit_ellipse(points)
        spread = math.sqrt(np.mean((ellipse.radius(points) - 1) ** 2))
        is_filled = spread > FILLED_SPREAD
        if is_filled:
            ellipse = fit_ellipse(outline_points(largest_region(marked)[0], 0.5))
    except ValueError as error:
        raise InputError(f"{path}: no ellipse can be fitted to this annotation: {error}.") from error
    shift = 0.0
    if is_filled and hc_mm is not None:
        # an ellipse that is moved outwards by d is longer by nearly 2 pi d
        shift = (hc_mm / pixel_size_mm - ellipse.perimeter) / (2 * math.pi)
        shift = shift if abs(shift) <= MAX_SHIFT_PX else 0.0
    reference = replace(ellipse, semi_major=ellipse.semi_major + shift, semi_minor=ellipse.semi_minor + shift)
    height, width = marked.shape
    return Annotation((height, width), reference, ellipse.perimeter * pixel_size_mm, is_filled, shift)
