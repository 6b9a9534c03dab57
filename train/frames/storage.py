"""Looks of how a frame was stored and passed on: JPEG, resampling, interlacing, other pixels, fewer greys."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np

from edge_runtime.common.optional import require
from train.frames.no_frames import Frame, Random
from train.frames.view import Look, Make, View, recoded, repainted, resampled


def _jpeg(frame: Frame, quality: int) -> Frame:
    image, file = require("PIL.Image"), BytesIO()
    image.fromarray(frame).save(file, "JPEG", quality=quality)
    return np.asarray(image.open(file))


def jpeg(quality: int) -> Make:
    """Compressed at a quality from 1 to 100."""
    return lambda view, rng: replace(view, frame=_jpeg(view.frame, quality))


def jpeg_twice(view: View, rng: Random) -> View:
    """Compressed, shifted by a few pixels against the blocks, and compressed again."""
    first = _jpeg(view.frame, int(rng.integers(15, 50)))
    dy, dx = (int(n) for n in rng.integers(1, 8, 2))
    padded = np.pad(first, ((dy, 0), (dx, 0)), mode="edge")
    return replace(view, frame=_jpeg(padded, int(rng.integers(15, 50)))[dy:, dx:])


def resized(scale: float) -> Make:
    """With so many times as many pixels along each side, up to 2000."""

    def make(view: View, rng: Random) -> View:
        used = min(scale, max(1.0, 2000 / max(view.size)))
        return resampled(view, (round(used * view.size[0]), round(used * view.size[1])))

    return make


def coarse(view: View, rng: Random) -> View:
    """Reduced to a quarter to two fifths and enlarged again: the size stays, the detail is lost."""
    share = rng.uniform(0.25, 0.4)
    small = resampled(view, (round(share * view.size[0]), round(share * view.size[1])))
    return replace(view, frame=resampled(small, view.size).frame)


def interlaced(view: View, rng: Random) -> View:
    """Every second row shifted by one to three pixels, and a little darker."""
    frame = view.frame.astype(np.float32)
    shift = int(rng.integers(1, 4)) * int(rng.choice([-1, 1]))
    frame[1::2] = np.roll(frame[1::2], shift, axis=1) * np.float32(rng.uniform(0.85, 1.0))
    return repainted(view, frame)


def wide_pixels(scale: float) -> Make:
    """With so many times as many columns, so that pixels are not square."""
    return lambda view, rng: resampled(view, (view.size[0], round(scale * view.size[1])))


def greys(count: int) -> Make:
    """With so many greys."""
    return lambda view, rng: recoded(view, lambda grey: np.floor(grey * (count - 1e-9)) / (count - 1))


STORAGE: dict[str, Look] = {
    "jpeg-10": Look("storage", jpeg(10)),
    "jpeg-30": Look("storage", jpeg(30)),
    "jpeg-twice": Look("storage", jpeg_twice),
    "resized-0.2": Look("storage", resized(0.2)),
    "resized-0.5": Look("storage", resized(0.5)),
    "resized-2": Look("storage", resized(2.0)),
    "coarse": Look("storage", coarse),
    "interlaced": Look("storage", interlaced),
    "pixels-0.75": Look("storage", wide_pixels(0.75)),
    "pixels-1.33": Look("storage", wide_pixels(4 / 3)),
    "greys-16": Look("storage", greys(16)),
}
