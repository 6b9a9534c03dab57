"""The phantom as a probe would show it: it moves, leaves the frame, and is away for a while."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import count

import numpy as np
from numpy.typing import NDArray

from train.data.phantom import SIZE, make_phantom

_MARGIN = 16
_LEAVES_S = 3.0


def moving_phantom(fps: float) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """Show a head, the probe in the air, and another head that slides out of the frame, without end.

    After a delay it does not catch up, just as a probe would not.

    Args:
        fps: Frames per second.

    Yields:
        A frame, uint8 (508, 768), and its pixel size in mm.
    """
    rng = np.random.default_rng(0)
    (small, _, small_mm), (large, _, large_mm) = make_phantom(14), make_phantom(3)
    scenes = ((small, small_mm, 8, 0), (_air(rng), small_mm, 3, 0), (large, large_mm, 9, 260))  # frame, mm, s, slide
    canvases = [np.pad(drawn, ((0, 0), (0, slide))).astype(np.float32) for drawn, _, _, slide in scenes]
    height, width = SIZE[0] - 2 * _MARGIN, SIZE[1] - 2 * _MARGIN
    due = time.monotonic()
    for frame in count():
        now, number = frame / fps % sum(seconds for _, _, seconds, _ in scenes), 0
        while now >= scenes[number][2]:
            now, number = now - scenes[number][2], number + 1
        _, pixel_size_mm, seconds, slide = scenes[number]
        top = round(_MARGIN + 10 * math.cos(1.7 * now))
        left = round(_MARGIN + 10 * math.sin(1.3 * now) + slide * max(0.0, 1 - (seconds - now) / _LEAVES_S))
        seen = canvases[number][top : top + height, left : left + width]
        lines = rng.uniform(0.9, 1.0, (height, 1)).astype(np.float32)  # no two frames are alike
        due = max(due + 1 / fps, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        yield (seen * lines).astype(np.uint8), pixel_size_mm


def _air(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A probe that touches nothing: echoes of its own surface, fading with depth."""
    depth = np.arange(SIZE[0])[:, None]
    echo = 100 * np.exp(-depth / 90) * (1 + np.cos(depth / 9)) * rng.rayleigh(0.8, SIZE)
    pixels: NDArray[np.uint8] = np.clip(echo, 0, 255).astype(np.uint8)
    return pixels
