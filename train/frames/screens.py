"""Looks of a frame on a screen: inside a user interface, or photographed from a monitor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.frames.burnt_in import drawn, font, words
from train.frames.no_frames import Random, Size
from train.frames.texture import blurred
from train.frames.view import Look, Make, View, blank, field, moved, placed, repainted, resampled


def screenshot(dark: bool) -> Make:
    """The frame inside a viewer's window: bars, panels, buttons, text."""

    def make(view: View, rng: Random) -> View:
        scale = rng.uniform(0.7, 1.0)
        small = resampled(view, (round(scale * view.size[0]), round(scale * view.size[1])))
        height, width = small.size
        top, bottom = (round(v * view.unit) for v in (rng.uniform(24, 70), rng.uniform(12, 50)))
        panels = rng.uniform(0.05, 0.35, 2) * width * (rng.random(2) < 0.6)
        left, right = (round(v) for v in panels + rng.integers(2, 20, 2))
        size = height + top + bottom, width + left + right
        level = int(rng.integers(12, 60) if dark else rng.integers(170, 245))
        out = placed(small, blank(size, level), left, top)
        ink = int(rng.integers(140, 230) if dark else rng.integers(10, 80))

        def draw(pen: Any) -> None:
            shade = int(np.clip(level + rng.integers(-25, 26), 0, 255))
            for box in ([0, 0, size[1], top - 3], [0, size[0] - bottom + 3, size[1], size[0]]):
                pen.rectangle(box, fill=shade)
            pen.rectangle([left - 1, top - 1, left + width, top + height], outline=int(rng.integers(0, 256)))
            _bars(pen, size, top, bottom, ink, shade, rng)
            for x1, x2 in ((0, left - 2), (size[1] - right + 2, size[1] - 2)):
                if x2 - x1 > 40:
                    _panel(pen, (x1, top, x2, size[0] - bottom), ink, level, rng)

        return drawn(out, draw)

    return make


def _bars(pen: Any, size: Size, top: int, bottom: int, ink: int, shade: int, rng: Random) -> None:
    """Write a title and menus at the top, and a status at the bottom."""
    letters = round(min(16.0, 0.4 * top))
    x = 8.0
    while x < 0.7 * size[1]:
        text = words(1, rng)
        pen.text((x, (top - letters) / 2 - 2), text, ink, font(letters))
        x += letters * (0.65 * len(text) + rng.uniform(1, 4))
    for n in range(3):
        x = size[1] - (n + 1) * 1.4 * letters
        pen.rectangle([x, 5, x + letters, 5 + letters], outline=ink, fill=int(np.clip(shade + 30, 0, 255)))
    pen.text((8, size[0] - bottom + 4), words(int(rng.integers(2, 7)), rng), ink, font(round(min(14.0, 0.6 * bottom))))


def _panel(pen: Any, box: tuple[int, int, int, int], ink: int, level: int, rng: Random) -> None:
    """Fill a panel with buttons, lines of text, small pictures and sliders."""
    x1, y, x2, end = box
    while True:
        high = round(rng.uniform(18, 60))
        if y + high > end - 4:
            return
        kind, fill = int(rng.integers(4)), int(np.clip(level + rng.integers(-40, 41), 0, 255))
        if kind == 0:
            pen.rounded_rectangle([x1 + 5, y + 3, x2 - 5, y + high - 3], 5, fill=fill, outline=ink)
        if kind == 1:
            pen.rectangle([x1 + 5, y + 3, x2 - 5, y + high - 3], fill=int(rng.integers(0, 120)))
        if kind == 2:
            pen.line([x1 + 8, y + high / 2, x2 - 8, y + high / 2], ink, width=2)
            at = rng.uniform(x1 + 10, x2 - 10)
            pen.ellipse([at - 5, y + high / 2 - 5, at + 5, y + high / 2 + 5], fill=ink)
        else:
            letters = round(min(14.0, 0.4 * high, (x2 - x1) / 8))
            pen.text((x1 + 10, y + (high - letters) / 2 - 2), words(1, rng)[:10], ink, font(letters))
        y += high


def _wave(size: Size, period: float, angle: float, phase: float) -> NDArray[np.float32]:
    """A plane wave of amplitude 1, as two outer products rather than a sine of every pixel."""
    x, y = (
        np.arange(n) * 2 * np.pi / period * turn for n, turn in ((size[1], np.cos(angle)), (size[0], np.sin(angle)))
    )
    y = y[:, None] + phase
    return np.asarray((np.sin(y) * np.cos(x) + np.cos(y) * np.sin(x)).astype(np.float32))


def _monitor(view: View, rng: Random) -> View:
    """The frame on a monitor in front of a wall, with its bezel."""
    height, width = view.size
    rim = round(rng.uniform(0.02, 0.06) * width)
    wall, bezel = int(rng.integers(40, 190)), int(rng.choice([rng.integers(8, 45), rng.integers(90, 200)]))
    beyond = [round(v) for v in rng.uniform(0.0, 0.10, 4) * width]
    left, top, right, bottom = (rim + n for n in beyond)
    canvas = blank((height + top + bottom, width + left + right), wall)
    canvas[beyond[1] : -beyond[3] or None, beyond[0] : -beyond[2] or None] = bezel
    return placed(view, canvas, left, top)


def photographed(moire: tuple[float, float], blur: tuple[float, float]) -> Make:
    """A photograph of the monitor, taken a little askew: moiré, glare, vignette, blur and noise of the camera.

    Args:
        moire: Least and most amplitude of the moiré, as a share of the greys.
        blur: Least and most blur, in pixels of an 800x540 frame.
    """

    def make(view: View, rng: Random) -> View:
        stripes = rng.uniform(*moire)
        waves = sum(
            _wave(view.size, period, *rng.uniform(0, np.pi, 2)) for period in (rng.uniform(3, 7), rng.uniform(40, 160))
        )
        screen = _monitor(repainted(view, view.frame * (1 + np.float32(stripes) * waves)), rng)
        height, width = screen.size
        angle, lean = np.radians(rng.uniform(-6, 6)), rng.uniform(-0.05, 0.05)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = rng.uniform(0.75, 1.0) * turn @ np.array([[1.0, lean], [0.0, rng.uniform(0.94, 1.06)]])
        size = round(0.92 * height), round(0.92 * width)
        middle = np.array([screen.head.center_x - (width - 1) / 2, screen.head.center_y - (height - 1) / 2])
        at = linear @ middle + [(size[1] - 1) / 2, (size[0] - 1) / 2]
        taken = moved(screen, linear, (float(at[0]), float(at[1])), size, int(screen.frame[0, 0]))
        exposure = np.clip(rng.uniform(150, 250) / max(1.0, np.percentile(view.frame[::4, ::4], 99)), 0.7, 3.0)
        return repainted(taken, _exposed(taken, float(exposure), rng.uniform(*blur) * view.unit, rng))

    return make


def _exposed(view: View, exposure: float, blur: float, rng: Random) -> NDArray[np.float32]:
    """The greys that a camera makes of a monitor, (H, W), not clipped."""
    size = view.size
    curve = 255 * np.clip(exposure * np.arange(256) / 255, 0, 1) ** rng.uniform(0.7, 1.3) + rng.uniform(4, 25)
    out = curve.astype(np.float32)[blurred(view.frame, blur)]
    x0, y0, reach = rng.uniform(0, 1) * size[1], rng.uniform(0, 1) * size[0], rng.uniform(0.08, 0.3) * size[1]
    glare, dark = rng.choice([0.0, rng.uniform(15, 70)]), rng.uniform(0.05, 0.35)
    out *= field(size, lambda x, y: 1 - dark * ((2 * x / size[1] - 1) ** 2 + (2 * y / size[0] - 1) ** 2) / 2)
    out += field(size, lambda x, y: glare * np.exp(-(((x - x0) / reach) ** 2) - ((y - y0) / reach) ** 2))
    return out + np.float32(rng.uniform(1, 5)) * rng.standard_normal(size, dtype=np.float32)


SCREENS: dict[str, Look] = {
    "screenshot-dark": Look("screen", screenshot(dark=True)),
    "screenshot-light": Look("screen", screenshot(dark=False)),
    "photographed": Look("screen", photographed((0.0, 0.04), (0.3, 1.0))),
    "photographed-moire": Look("screen", photographed((0.08, 0.16), (0.5, 2.0))),
}
