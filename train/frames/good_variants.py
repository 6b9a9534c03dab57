"""Change frames mildly, so that their head can still be measured. These frames must not be refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_runtime.common.optional import require
from edge_runtime.frame.resize import resize
from edge_runtime.head.ellipse import Ellipse
from train.frames.no_frames import Frame, Random, to_bytes

KINDS = (
    "mirrored",
    "upside-down",
    "turned",
    "half-turned",
    "darker",
    "brighter",
    "gamma",
    "rescaled",
    "shifted",
    "trimmed",
)
"""Names of the changes."""

WITHIN = 0.995
"""Minimum share of the head's outline that must stay inside the frame."""


@dataclass(frozen=True)
class Variant:
    """A changed frame.

    Attributes:
        frame: uint8 (H, W).
        scale: Magnification: the frame has this many times as many pixels along each axis. Divide the pixel size by it.
    """

    frame: Frame
    scale: float = 1.0


def make_variant(kind: str, frame: Frame, head: Ellipse, seed: int) -> Variant | None:
    """Change a frame mildly.

    Args:
        kind: One of :data:`KINDS`.
        frame: A real frame, uint8 (H, W).
        head: The annotated head in it, in pixels.
        seed: The same seed gives the same change.

    Returns:
        The changed frame; None if the head would leave it.
    """
    rng = np.random.default_rng([seed, *kind.encode()])
    if kind == "mirrored":
        return Variant(np.ascontiguousarray(frame[:, ::-1]))
    if kind == "upside-down":
        return Variant(np.ascontiguousarray(frame[::-1]))
    if kind == "half-turned":
        return Variant(np.ascontiguousarray(frame[::-1, ::-1]))
    if kind == "darker":
        return Variant(to_bytes(frame * rng.uniform(0.5, 0.9)))
    if kind == "brighter":
        return Variant(to_bytes(frame * rng.uniform(1.1, 1.5)))
    if kind == "gamma":
        return Variant(to_bytes(255 * (frame / 255.0) ** np.exp(rng.uniform(-0.35, 0.35))))
    if kind == "rescaled":
        scale = rng.uniform(0.5, 1.5)
        size = (round(frame.shape[0] * scale), round(frame.shape[1] * scale))
        return Variant(to_bytes(np.rint(resize(frame, size))), scale)
    return _moved(kind, frame, head, rng)


def _moved(kind: str, frame: Frame, head: Ellipse, rng: Random) -> Variant | None:
    height, width = frame.shape
    outline = head.outline()
    if kind == "trimmed":  # up to 6% off each side
        top, bottom, left, right = (int(v) for v in rng.uniform(0, 0.06, 4) * [height, height, width, width])
        outline = outline - [left, top]
        out = np.ascontiguousarray(frame[top : height - bottom, left : width - right])
    elif kind == "shifted":  # up to 8%, black behind
        dy, dx = (int(v) for v in rng.uniform(-0.08, 0.08, 2) * [height, width])
        outline = outline + np.array([dx, dy])
        out = np.zeros_like(frame)
        out[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = frame[
            max(0, -dy) : height + min(0, -dy), max(0, -dx) : width + min(0, -dx)
        ]
    else:  # turned by up to 30 degrees about the middle, black behind
        angle = rng.uniform(-30, 30)
        turn = np.radians(-angle)  # Pillow turns counter-clockwise on a screen
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        c, s = np.cos(turn), np.sin(turn)
        outline = (outline - middle) @ np.array([[c, s], [-s, c]]) + middle
        image = require("PIL.Image").fromarray(frame)
        out = np.asarray(image.rotate(angle, resample=2))
    inside = (outline >= 0).all(axis=1) & (outline <= [out.shape[1] - 1, out.shape[0] - 1]).all(axis=1)
    return Variant(out) if inside.mean() >= WITHIN else None
