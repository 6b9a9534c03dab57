"""A procedural stand-in for HC18: speckle, a skull ellipse, shadows, known geometry. Not ultrasound, and it says so.

``python -m train.data.phantom`` writes a folder of such images.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.arguments import CommandParser, add_help, at_least
from edge_runtime.common.cli import run_command, say
from edge_runtime.common.optional import require
from edge_runtime.errors import UsageError
from edge_runtime.frame.resize import resize
from edge_runtime.head.ellipse import Ellipse

MARKER = "PHANTOM.txt"
SIZE = (540, 800)
MOST_IMAGES = 10_000
VERSION = 2
"""Of the drawing below: raise it when a change alters the images."""


def make_phantom(seed: int, size: tuple[int, int] = SIZE) -> tuple[NDArray[np.uint8], Ellipse, float]:
    """Draw one phantom.

    Args:
        seed: Same seed, same image.
        size: (height, width) in pixels.

    Returns:
        The frame uint8 (H, W), the ellipse of the skull's outer edge in pixels, and the pixel size in mm.
    """
    rng = np.random.default_rng([VERSION, seed])
    height, width = size
    major = rng.uniform(0.30, 0.44) * height * 1.2
    skull = Ellipse(
        float(width * rng.uniform(0.44, 0.56)),
        float(height * rng.uniform(0.46, 0.54)),
        float(major),
        float(major * rng.uniform(0.72, 0.84)),
        float(rng.uniform(0, 180)),
    )
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    radius = _radius(skull, size)
    echo = np.where(radius < 1, 0.16, 0.30 + 0.10 * resize(rng.random((6, 9)), size))
    # HC is drawn on the skull's outer edge: the wall's echo, 6 pixels to either side, lies within the ellipse
    wall = np.exp(-(((radius - 1.0) * skull.semi_minor / 6.0 + 1.0) ** 2))
    # the skull reflects most where the beam (from above) meets it at a right angle
    facing = 0.45 + 0.55 * np.abs(y - skull.center_y) / (np.hypot(x - skull.center_x, y - skull.center_y) + 1)
    echo += 0.75 * wall * facing
    angle = np.radians(skull.angle_deg)
    off_axis = (y - skull.center_y) * np.cos(angle) - (x - skull.center_x) * np.sin(angle)
    echo += 0.18 * np.exp(-((off_axis / 3.0) ** 2)) * (radius < 0.85)  # the midline echo
    for _ in range(int(rng.integers(1, 4))):  # acoustic shadows
        at, reach = rng.uniform(0, width), rng.uniform(10, 40)
        echo *= 1 - 0.5 * np.exp(-(((x - at) / reach) ** 2)) * (y > height * rng.uniform(0.1, 0.6))
    grain = resize(rng.rayleigh(1.0, (height // 2, width // 3)), size)
    sector = np.hypot(x - width / 2, y + 0.35 * height) < 1.33 * height
    sector &= np.abs(x - width / 2) < (y + 0.35 * height) * 1.05
    image = np.where(sector, 255 * echo * (0.45 + 0.55 * grain / 1.25), 0)
    return np.clip(image, 0, 255).astype(np.uint8), skull, float(rng.uniform(80, 330) / skull.perimeter)


def golden_frames() -> NDArray[np.uint8]:
    """The frames that a device is asked about to verify a model: eight phantoms, uint8 (8, 160, 240), 32 greys."""
    drawn = [resize(make_phantom(seed)[0].astype(np.float32), (160, 240)) for seed in range(900, 908)]
    return np.stack([np.clip(frame, 0, 255).astype(np.uint8) & 0xF8 for frame in drawn])


def _radius(skull: Ellipse, size: tuple[int, int]) -> NDArray[np.float64]:
    """Normalized radius of every pixel, (H, W): 1 on the skull."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float64)
    return skull.radius(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(size)


def make_dataset(root: Path, count: int = 60) -> Path:
    """Write phantoms in HC18's layout; a folder that already holds them is kept.

    Args:
        root: Folder to make.
        count: Number of images, one exam each.

    Returns:
        ``root``.

    Raises:
        UsageError: The folder is there and holds something else, or it cannot be written.
    """
    if root.exists() and not (root / MARKER).exists():
        raise UsageError(f"{root} is there and is not a phantom; it is not written over. Move it away.")
    note = f"procedural phantom, version {VERSION}, {count} images; not ultrasound\n"
    if (root / MARKER).exists() and (root / MARKER).read_text() == note:
        return root
    building = root.with_name(f"{root.name}.{os.getpid()}.tmp")  # two runs may draw it at the same time
    shutil.rmtree(building, ignore_errors=True)
    try:
        _write(building, count, note)
        if (root / MARKER).exists():  # of another version or count
            shutil.rmtree(root)
        building.rename(root)
    except OSError as error:
        if (root / MARKER).exists() and (root / MARKER).read_text() == note:  # another run was quicker
            return root
        raise UsageError(f"{root} cannot be written: {error}. Work in a folder you may write to, with room.") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return root


def _write(folder: Path, count: int, note: str) -> None:
    pil = require("PIL.Image")
    (folder / "training_set").mkdir(parents=True)
    rows = []
    for i in range(count):
        frame, skull, pixel_size = make_phantom(i)
        line = np.where(np.abs(_radius(skull, SIZE) - 1) * skull.semi_minor < 1.5, 255, 0).astype(np.uint8)
        for name, pixels in ((f"{i:03d}_HC.png", frame), (f"{i:03d}_HC_Annotation.png", line)):
            pil.fromarray(pixels).save(folder / "training_set" / name)
        rows.append((f"{i:03d}_HC.png", pixel_size, skull.perimeter * pixel_size))
    with (folder / "training_set_pixel_size_and_HC.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("filename", "pixel size(mm)", "head circumference (mm)"), *rows])
    (folder / MARKER).write_text(note)


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = CommandParser(prog="python -m train.data.phantom")
    add_help(
        parser,
        "Write a folder of phantoms in the layout of docs/data.md, with outlines, pixel sizes and circumferences: to "
        "see what such a folder looks like, and to try the other commands without ultrasound images.",
        "python -m train.data.phantom --out mine --images 30",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    parser.add_argument(
        "--images",
        type=at_least(1, MOST_IMAGES),
        default=30,
        metavar="N",
        help="number of images (default: %(default)s)",
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    if args.out.exists():
        raise UsageError(f"{args.out} is there already. Name another folder with --out, or move it away.")
    make_dataset(args.out, args.images)
    say(f"{args.images} phantoms (not ultrasound) are in {args.out}")
    return 0


if __name__ == "__main__":
    run_command(main)
