"""Small pictures of measured frames, for contact sheets."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.measurement import Measurement

MOST_SIDE = 200
"""Longer side in pixels, border included. Smaller frames are not enlarged."""

BORDER = 4
SHOWN, REFUSED = (46, 160, 67), (130, 130, 130)
"""Colours of the border. They are never the only difference: the words below a picture differ too."""

OUTLINE, REFERENCE, FOUND = (86, 214, 255), (230, 159, 0), (200, 200, 200)
"""Colours of the fitted ellipse, of the reference's edge, and of the edge of what was found in a refused frame."""


def draw_thumbnail(frame: NDArray[np.uint8], result: Measurement, reference: NDArray[np.bool_] | None) -> bytes:
    """Draw a frame small, with its ellipse, or what the network found if it was refused, and with the reference.

    Args:
        frame: The frame that was measured, uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
        result: Its measurement.
        reference: The reference, bool (H, W). None if there is none.

    Returns:
        A JPEG.
    """
    pil = require("PIL.Image")
    pixels = frame[:, :, 0] if frame.ndim == 3 and frame.shape[2] == 1 else frame[..., :3]
    picture = pil.fromarray(np.ascontiguousarray(pixels if frame.ndim == 3 else frame)).convert("RGB")
    height, width = frame.shape[:2]
    scale = min(1.0, (MOST_SIDE - 2 * BORDER) / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    double = 2 * size[0], 2 * size[1]  # lines are drawn twice as large, then averaged down
    picture = picture.resize(size, pil.LANCZOS).resize(double, pil.BICUBIC)
    if reference is not None:
        picture.paste(REFERENCE, (0, 0), _edge(reference, double))
    if result.ellipse is None:
        picture.paste(FOUND, (0, 0), _edge(result.mask, double))
    else:
        ratio = np.array([double[0] / width, double[1] / height])
        points = (result.ellipse.outline(180) + 0.5) * ratio - 0.5
        require("PIL.ImageDraw").Draw(picture).line([tuple(p) for p in [*points, points[0]]], OUTLINE, 3, "curve")
    color = REFUSED if result.ellipse is None else SHOWN
    framed = require("PIL.ImageOps").expand(picture.reduce(2), BORDER, color)
    buffer = io.BytesIO()
    framed.save(buffer, format="JPEG", quality=82)
    return buffer.getvalue()


def _edge(mask: NDArray[np.bool_], size: tuple[int, int]) -> Any:
    """The inner edge of a mask as a PIL image of 0 and 255; the border of the frame is no edge."""
    pil = require("PIL.Image")
    region = pil.fromarray(np.where(mask, 255, 0).astype(np.uint8)).resize(size, pil.NEAREST)
    return require("PIL.ImageChops").subtract(region, region.filter(require("PIL.ImageFilter").MinFilter(5)))
