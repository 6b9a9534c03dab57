"""Take the head out of frames: cover it with tissue, crop what is beside it, or put a trunk in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_runtime.frame.resize import resize
from edge_runtime.head.ellipse import Ellipse
from train.frames.no_frames import Frame, Random, to_bytes


@dataclass(frozen=True)
class Scene:
    """The material for bad frames.

    Attributes:
        frame: A real frame, uint8 (H, W).
        head: The annotated head in it, in pixels.
        other: Another real frame.
        photographs: Photographs of anything but ultrasound, uint8 (H, W).
    """

    frame: Frame
    head: Ellipse
    other: Frame
    photographs: Sequence[Frame]


def extent(head: Ellipse) -> tuple[float, float]:
    """Half the width and half the height of an ellipse's bounding box."""
    angle = np.radians(head.angle_deg)
    a, b = head.semi_major, head.semi_minor
    return float(np.hypot(a * np.cos(angle), b * np.sin(angle))), float(np.hypot(a * np.sin(angle), b * np.cos(angle)))


def tissue(scene: Scene, rng: Random) -> Frame:
    """Cover the whole frame, or only the head, with patches of the tissue around the head."""
    height, width = scene.frame.shape
    head = scene.head
    wide = Ellipse(head.center_x, head.center_y, head.semi_major * 1.15, head.semi_minor * 1.15, head.angle_deg)
    blocked = wide.interior((height, width))
    side = int(rng.integers(24, 90))
    whole = rng.random() < 0.5
    out = scene.frame.copy()
    for top in range(0, height, side):
        for left in range(0, width, side):
            place = slice(top, top + side), slice(left, left + side)
            if not whole and not blocked[place].any():
                continue
            for _ in range(60):
                y, x = (int(rng.integers(0, n - side)) for n in (height, width))
                patch = scene.frame[y : y + side, x : x + side]
                if blocked[y : y + side, x : x + side].mean() < 0.02 and patch.max() > 20:
                    break
            else:
                patch = np.zeros((side, side), dtype=np.uint8)
            part = out[place]
            part[...] = patch[: part.shape[0], : part.shape[1]]
    return out


def beside(scene: Scene, rng: Random) -> Frame:
    """The part of the frame on one side of the head, without the head; tissue if no side has room."""
    height, width = scene.frame.shape
    half_width, half_height = (1.04 * v for v in extent(scene.head))
    x, y = scene.head.center_x, scene.head.center_y
    sides = [
        (slice(None), slice(0, max(0, int(x - half_width)))),
        (slice(None), slice(min(width, int(x + half_width) + 1), width)),
        (slice(0, max(0, int(y - half_height))), slice(None)),
        (slice(min(height, int(y + half_height) + 1), height), slice(None)),
    ]
    parts = [part for rows, columns in sides if min((part := scene.frame[rows, columns]).shape) >= 0.18 * height]
    if not parts:
        return tissue(scene, rng)
    return np.ascontiguousarray(parts[int(rng.integers(len(parts)))])


def trunk(scene: Scene, rng: Random) -> Frame:
    """Put a trunk in the head's place: even tissue without a skull, with a faint skin line, a stomach and a spine."""
    height, width = scene.frame.shape
    head = scene.head
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    grid = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    bumps = rng.normal(0, 0.03, 4)
    turn = np.arctan2(y - head.center_y, x - head.center_x)
    wave = 1 + sum(bumps[k] * np.cos((k + 2) * turn + k) for k in range(4))
    radius = head.radius(grid).reshape(height, width).astype(np.float32) / (1.14 * wave)  # it covers the skull
    around = scene.frame.astype(np.float32)
    level = max(12.0, float(np.mean(around[radius < 1])))
    inner = level * rng.uniform(0.5, 1.5) * (0.3 + 1.4 * resize(rng.random((7, 9)), (height, width)))
    grain = (max(2, height // int(rng.integers(4, 9))), max(2, width // int(rng.integers(5, 12))))
    grains = resize(rng.rayleigh(0.8, grain), (height, width))
    inner = inner * (grains + rng.uniform(0, 0.7) * (1 - grains))
    reach = head.semi_minor
    for _ in range(int(rng.integers(0, 4))):  # stomach, bladder, vessels: dark
        far, angle = rng.uniform(0, 0.6) * reach, rng.uniform(0, 2 * np.pi)
        a, b = rng.uniform(0.08, 0.3, 2) * reach
        dark = np.hypot((x - head.center_x - far * np.cos(angle)) / a, (y - head.center_y - far * np.sin(angle)) / b)
        inner *= np.clip(dark - 0.6, 0.1, 1)
    for _ in range(int(rng.integers(0, 5))):  # spine and ribs: bright spots
        far, angle = rng.uniform(0.5, 0.9) * reach, rng.uniform(0, 2 * np.pi)
        spot = np.hypot(x - head.center_x - far * np.cos(angle), y - head.center_y - far * np.sin(angle))
        inner += rng.uniform(60, 180) * np.exp(-((spot / (rng.uniform(0.03, 0.08) * reach)) ** 2))
    share = np.clip((1 - radius) / 0.06, 0, 1)
    out = share * inner + (1 - share) * around
    lit = np.clip(np.cos(turn - rng.uniform(0, 2 * np.pi)) + rng.uniform(-0.6, 1), 0, 1)
    skin = np.exp(-(((radius - 1) / rng.uniform(0.012, 0.03)) ** 2))
    return to_bytes(out + rng.uniform(0.2, 1.2) * level * lit * skin)
