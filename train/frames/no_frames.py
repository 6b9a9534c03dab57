"""Draw frames without a head: flat, noise, speckle, text, test patterns. They need numpy; text also needs Pillow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.frame.resize import resize

Frame = NDArray[np.uint8]
Size = tuple[int, int]
Random = np.random.Generator

WORDS = (
    "PATIENT", "EXAM", "Gain", "Depth", "Freq", "MI", "TIS", "Menu", "Save", "Print", "Error", "Probe", "not connected",
    "OB", "GA", "BPD", "HC", "AC", "FL", "EFW", "Battery", "Settings", "Calibration", "Network", "Date", "Time", "OK",
    "Cancel", "Report", "Preset", "Image", "freeze", "please", "wait", "loading", "the", "of", "and", "system",
)  # fmt: skip


def to_bytes(values: NDArray[np.generic]) -> Frame:
    """Clip to 0 to 255 and convert to uint8."""
    return np.clip(values, 0, 255).astype(np.uint8)


def flat(size: Size, rng: Random) -> Frame:
    """One grey level with at most three levels of noise, like a covered probe or a screen that is off or white."""
    level = rng.choice([0, 0, 255, 255, rng.integers(1, 255)])
    return to_bytes(level + rng.integers(-3, 4, size) * rng.integers(0, 2))


def ramp(size: Size, rng: Random) -> Frame:
    """A smooth gradient, along a line or from a spot."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        shade = x * np.cos(angle) + y * np.sin(angle)
    else:
        shade = np.hypot(x - rng.random(), (y - rng.random()) * height / width) ** rng.uniform(0.5, 2)
    shade = (shade - shade.min()) / np.ptp(shade)
    low, high = np.sort(rng.uniform(0, 255, 2))
    return to_bytes(low + (high - low + 20) * shade + rng.normal(0, rng.uniform(0, 4), size))


def noise(size: Size, rng: Random) -> Frame:
    """White noise with grains of 1 to 24 pixels: Gaussian, uniform, or salt and pepper."""
    height, width = size
    grain = int(rng.choice([1, 1, 2, 3, 5, 8, 12, 24]))
    small = (-(-height // grain), -(-width // grain))
    kind = rng.integers(3)
    if kind == 0:
        cells = rng.normal(rng.uniform(40, 215), rng.uniform(15, 90), small)
    elif kind == 1:
        cells = rng.uniform(0, 256, small)
    else:
        cells = 255.0 * (rng.random(small) < rng.uniform(0.02, 0.6))
    return to_bytes(np.kron(cells, np.ones((grain, grain)))[:height, :width])


def clouds(size: Size, rng: Random) -> Frame:
    """Smooth random shades at several scales."""
    total = np.zeros(size)
    roughness = rng.uniform(0.3, 0.9)
    for octave in range(int(rng.integers(1, 3)), int(rng.integers(4, 8))):
        cells = (2**octave, int(1.5 * 2**octave))
        total += roughness**octave * resize(rng.normal(size=cells), size)
    total = (total - total.min()) / np.ptp(total)
    return to_bytes(rng.uniform(0, 60) + rng.uniform(100, 255) * total ** rng.uniform(0.6, 2.5))


def speckle(size: Size, rng: Random) -> Frame:
    """Ultrasound speckle that fades with depth, mostly in a sector, with nothing in it."""
    height, width = size
    grain = (max(2, height // int(rng.integers(1, 5))), max(2, width // int(rng.integers(2, 9))))
    echo = resize(rng.rayleigh(1.0, grain), size) * (0.5 + resize(rng.random((4, 6)), size))
    y, x = np.mgrid[0:height, 0:width]
    depth = y / height
    echo *= np.exp(-rng.uniform(0, 2.5) * depth) * (1 + rng.uniform(0, 1) * np.sin(depth * rng.uniform(3, 40)))
    for _ in range(int(rng.integers(0, 4))):  # shadows
        echo *= 1 - 0.7 * np.exp(-(((x - rng.uniform(0, width)) / rng.uniform(10, 60)) ** 2))
    if rng.random() < 0.7:
        apex = rng.uniform(0, 0.6) * height
        echo *= np.abs(x - width / 2) < (y + apex) * rng.uniform(0.7, 1.3)
        echo *= np.hypot(x - width / 2, y + apex) < height + 0.9 * apex
    if rng.random() < 0.5:  # log compression
        echo = np.log1p(rng.uniform(2, 20) * echo)
    return to_bytes(rng.uniform(40, 160) * echo / max(echo.mean() * 1.5, 1e-6))


def air(size: Size, rng: Random) -> Frame:
    """A probe in the air: echoes of the probe's face that fade with depth."""
    height, width = size
    y = np.arange(height)[:, None] / height
    period, decay = rng.uniform(0.02, 0.12), rng.uniform(4, 20)
    echo = np.exp(-decay * y) * (0.5 + 0.5 * np.cos(2 * np.pi * y / period))
    echo = (
        echo
        * (0.7 + 0.3 * resize(rng.random((1, 12)), (1, width)))
        * resize(rng.rayleigh(0.8, (height, width // 3)), size)
    )
    return to_bytes(rng.uniform(150, 300) * echo + rng.rayleigh(rng.uniform(0.1, 6), size))


def text(size: Size, rng: Random) -> Frame:
    """A screen of text and boxes, bright on dark or dark on bright."""
    draw_module, image_module, font_module = (require(f"PIL.{m}") for m in ("ImageDraw", "Image", "ImageFont"))
    height, width = size
    ink, paper = (int(v) for v in rng.permutation([rng.integers(0, 70), rng.integers(150, 256)]))
    image = image_module.new("L", (width, height), paper)
    draw = draw_module.Draw(image)
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        box = [x, y, x + rng.uniform(20, width), y + rng.uniform(15, height)]
        draw.rectangle(box, outline=ink, fill=int(rng.integers(0, 256)) if rng.random() < 0.4 else None)
    pitch = rng.uniform(12, 60)
    font = font_module.load_default(pitch * 0.75)
    for line in np.arange(rng.uniform(0, pitch), height, pitch):
        if rng.random() < 0.15:
            continue
        words = [
            str(rng.choice(WORDS)) if rng.random() < 0.7 else f"{rng.uniform(0, 400):.1f}"
            for _ in range(int(rng.integers(1, 14)))
        ]
        draw.text((rng.uniform(0, width * 0.3), line), " ".join(words), fill=ink, font=font)
    return np.asarray(image)


def pattern(size: Size, rng: Random) -> Frame:
    """A monitor's test pattern: bars, a chequerboard, a grid, grey steps or rings."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    period = rng.uniform(12, 160)
    angle = rng.uniform(0, np.pi)
    kind = rng.integers(5)
    if kind == 0:
        bright = np.floor((x * np.cos(angle) + y * np.sin(angle)) / period) % 2
    elif kind == 1:
        bright = (np.floor(x / period) + np.floor(y / period)) % 2
    elif kind == 2:
        bright = (x % period < 4) | (y % period < 4)
    elif kind == 3:
        steps = rng.integers(3, 12)
        bright = rng.permutation(np.linspace(0, 1, steps))[(x * steps // width).astype(int)]
    else:
        bright = np.floor(np.hypot(x - width * rng.random(), y - height * rng.random()) / period) % 2
    low, high = rng.uniform(0, 90), rng.uniform(130, 255)
    return to_bytes(low + (high - low) * bright + rng.normal(0, rng.uniform(0, 12), size))
