"""Looks of what scanners and sonographers burn into a frame: text, calipers, rulers, bars, marks, boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from edge_runtime.common.optional import require
from train.frames.no_frames import WORDS, Random
from train.frames.view import Look, Make, View, blank, placed

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


@lru_cache(maxsize=32)
def font(size: int) -> Any:
    """Pillow's own font at a size in pixels, at least 6."""
    return require("PIL.ImageFont").load_default(max(6, size))


def drawn(view: View, draw: Callable[[Any], None]) -> View:
    """Draw on a copy of the frame with Pillow."""
    image = require("PIL.Image").fromarray(view.frame)
    draw(require("PIL.ImageDraw").Draw(image))
    return replace(view, frame=np.asarray(image))


def words(count: int, rng: Random) -> str:
    """Words and numbers as scanners show them."""
    return " ".join(
        str(rng.choice(WORDS)) if rng.random() < 0.6 else f"{rng.uniform(0, 400):.1f}" for _ in range(count)
    )


def _hidden(view: View, box: Box) -> float:
    """Share of the head's outline that lies in a box."""
    x, y = view.head.outline(180).T
    return float(np.mean((x >= box[0]) & (y >= box[1]) & (x <= box[2]) & (y <= box[3])))


def free_box(view: View, width: float, height: float, rng: Random) -> Box:
    """A box of a size along the frame's border, where it hides the least of the head's outline."""
    full_height, full_width = view.size
    right, low = max(0.0, full_width - width - 6), max(0.0, full_height - height - 6)
    places = [(6.0, 6.0), (right, 6.0), (6.0, low), (right, low)]
    places += [(float(rng.uniform(0, right)), at) for at in (6.0, low)]
    places += [(at, float(rng.uniform(0, low))) for at in (6.0, right)]
    boxes = [(x, y, x + width, y + height) for x, y in places]
    hidden = [_hidden(view, box) for box in boxes]
    best = [box for box, share in zip(boxes, hidden, strict=True) if share == min(hidden)]
    return best[int(rng.integers(len(best)))]


def patient_bar(view: View, rng: Random) -> View:
    """Add a bar with a patient's data above or below the frame."""
    high = round(rng.uniform(26, 50) * view.unit)
    level, above = int(rng.choice([0, 0, rng.integers(10, 70)])), rng.random() < 0.75
    height, width = view.size
    out = placed(view, blank((height + high, width), level), 0, high if above else 0)
    at = 0 if above else height

    def draw(pen: Any) -> None:
        ink, size = int(rng.integers(150, 256)), round(high * rng.uniform(0.3, 0.42))
        for line in (0.05, 0.52):
            for x in (0.01, rng.uniform(0.3, 0.45), rng.uniform(0.7, 0.8)):
                pen.text((x * width, at + line * high), words(int(rng.integers(1, 4)), rng), ink, font(size))

    return drawn(out, draw)


def measurements(view: View, rng: Random) -> View:
    """Write a table of measurements beside the head."""
    size = round(rng.uniform(11, 18) * view.unit)
    names = rng.permutation(["BPD", "HC", "OFD", "AC", "FL", "EFW", "GA", "CI"])[: int(rng.integers(2, 6))]
    box = free_box(view, 11 * size, (len(names) + 0.5) * 1.25 * size, rng)
    backed, ink = rng.random() < 0.4, int(rng.integers(170, 256))

    def draw(pen: Any) -> None:
        if backed:
            pen.rectangle(box, fill=int(rng.integers(0, 60)), outline=ink)
        for n, name in enumerate(names):
            line = f"{n + 1} {name} {rng.uniform(1, 35):.2f} cm  {rng.integers(12, 40)}w{rng.integers(0, 7)}d"
            pen.text((box[0] + 3, box[1] + (0.2 + 1.25 * n) * size), line, ink, font(size))

    return drawn(view, draw)


def _cross(pen: Any, x: float, y: float, arm: float, ink: int, diagonal: bool) -> None:
    width = 2 if arm > 6 else 1
    if diagonal:
        pen.line([x - arm, y - arm, x + arm, y + arm], ink, width)
        pen.line([x - arm, y + arm, x + arm, y - arm], ink, width)
    else:
        pen.line([x - arm, y, x + arm, y], ink, width)
        pen.line([x, y - arm, x, y + arm], ink, width)


def _dots(pen: Any, points: np.ndarray[Any, Any], ink: int, radius: float) -> None:
    for x, y in points:
        pen.rectangle([x - radius, y - radius, x + radius, y + radius], fill=ink)


def calipers(view: View, rng: Random) -> View:
    """Put crosses on the skull and dotted lines between them, as for BPD and OFD."""
    outline = view.head.outline(360) + rng.normal(0, 2 * view.unit, 2)
    arm, ink = rng.uniform(4, 8) * view.unit, int(rng.integers(180, 256))
    starts = rng.permutation([0, 90])[: int(rng.integers(1, 3))] + rng.integers(-12, 13)
    dotted, diagonal = rng.random() < 0.6, rng.random() < 0.5

    def draw(pen: Any) -> None:
        for start in starts:
            first, last = outline[start % 360], outline[(start + 180) % 360]
            for x, y in (first, last):
                _cross(pen, x, y, arm, ink, diagonal)
            if dotted:
                steps = np.linspace(0, 1, max(2, int(np.hypot(*(last - first)) / (7 * view.unit))))[:, None]
                _dots(pen, first + steps * (last - first), ink, 0.5 * view.unit)

    return drawn(view, draw)


def dotted_ellipse(view: View, rng: Random) -> View:
    """Leave the dotted ellipse of an HC measurement near the skull, with its crosses."""
    head = view.head
    near = rng.uniform(0.97, 1.04, 2)
    middle = np.array([head.center_x, head.center_y])
    count = int(head.perimeter / (rng.uniform(5, 12) * view.unit))
    outline = middle + (head.outline(max(24, count)) - middle) * near + rng.normal(0, 2.5 * view.unit, 2)
    ink, arm = int(rng.integers(150, 256)), rng.uniform(3, 7) * view.unit

    def draw(pen: Any) -> None:
        _dots(pen, outline, ink, rng.choice([0.0, 0.5, 1.0]) * view.unit)
        for part in range(4):
            x, y = outline[part * len(outline) // 4]
            _cross(pen, x, y, arm, ink, part % 2 == 0)

    return drawn(view, draw)


def ruler(view: View, rng: Random) -> View:
    """Draw depth ticks every centimetre at a side, and sometimes along the bottom."""
    height, width = view.size
    right, ink, tick = rng.random() < 0.5, int(rng.integers(120, 256)), rng.uniform(4, 9) * view.unit
    start, below = rng.uniform(0, 0.1) * height, rng.random() < 0.4
    across, down = (max(4.0, 10 / mm) for mm in view.pixel_size_mm)

    def draw(pen: Any) -> None:
        x = width - 4 if right else 4
        for n, y in enumerate(np.arange(start, height - 4, down)):
            long = 2 * tick if n % 5 == 0 else tick
            pen.line([x, y, x - long if right else x + long, y], ink)
            if n % 5 == 0 and n:
                size = round(10 * view.unit)
                pen.text((x - long - 1.5 * size if right else x + long + 3, y - size / 2), str(n), ink, font(size))
        for x in np.arange(across, width - 4, across) if below else ():
            pen.line([x, height - 4, x, height - 4 - tick], ink)

    return drawn(view, draw)


def grey_bar(view: View, rng: Random) -> View:
    """Draw the bar of greys that scanners show at a side."""
    wide, high = round(rng.uniform(8, 22) * view.unit), round(rng.uniform(0.2, 0.6) * view.size[0])
    left, top = (round(v) for v in free_box(view, wide, high, rng)[:2])
    frame = view.frame.copy()
    part = frame[top : top + high, left : left + wide]
    part[...] = np.linspace(255, 0, high).astype(np.uint8)[: part.shape[0], None]
    return drawn(
        replace(view, frame=frame), lambda pen: pen.rectangle([left, top, left + wide, top + high], outline=128)
    )


def labels(view: View, rng: Random) -> View:
    """Write labels and draw a body mark and the probe's mark beside the head."""
    size = round(rng.uniform(13, 22) * view.unit)
    ink = int(rng.integers(150, 256))

    def draw(pen: Any) -> None:
        for _ in range(int(rng.integers(1, 3))):
            box = free_box(view, 7 * size, 1.4 * size, rng)
            pen.text(box[:2], words(int(rng.integers(1, 3)), rng), ink, font(size))
        x, y = free_box(view, 5 * size, 4 * size, rng)[:2]
        pen.rounded_rectangle([x, y, x + 4.5 * size, y + 3.5 * size], size, outline=ink)
        pen.ellipse([x + size, y + 0.7 * size, x + 3.5 * size, y + 2.8 * size], outline=ink)
        pen.line([x + 2 * size, y + size, x + 3 * size, y + 2 * size], ink, width=max(1, size // 5))
        x = rng.uniform(0.2, 0.8) * view.size[1]
        pen.ellipse([x, 3, x + size, 3 + size], outline=ink)

    return drawn(view, draw)


def colour_box(view: View, rng: Random) -> View:
    """Draw the outline of a colour Doppler box, upright or leaning, over a part of the head."""
    left, top, right, bottom = view.extent
    x, y = rng.uniform(left, (left + right) / 2), rng.uniform(top, (top + bottom) / 2)
    wide, high = rng.uniform(0.3, 0.8) * (right - left), rng.uniform(0.3, 0.7) * (bottom - top)
    lean, ink = rng.choice([0.0, rng.uniform(-0.3, 0.3)]) * high, int(rng.integers(120, 256))
    corners = [(x, y), (x + wide, y), (x + wide + lean, y + high), (x + lean, y + high), (x, y)]
    return drawn(view, lambda pen: pen.line(corners, ink, width=max(1, round(view.unit))))


def black_boxes(view: View, rng: Random) -> View:
    """Black out two to five places along the border, as is done to hide names; hardly any outline with them."""
    height, width = view.size
    boxes = []
    for _ in range(int(rng.integers(2, 6))):
        box = free_box(view, rng.uniform(0.08, 0.4) * width, rng.uniform(0.03, 0.12) * height, rng)
        if _hidden(view, box) < 0.02:
            boxes.append(box)

    def draw(pen: Any) -> None:
        for box in boxes:
            pen.rectangle(box, fill=0)

    return drawn(view, draw)


def _looks(**makes: Make) -> dict[str, Look]:
    return {name.replace("_", "-"): Look("burnt-in", make) for name, make in makes.items()}


BURNT_IN: dict[str, Look] = _looks(
    patient_bar=patient_bar,
    measurements=measurements,
    calipers=calipers,
    dotted_ellipse=dotted_ellipse,
    ruler=ruler,
    grey_bar=grey_bar,
    labels=labels,
    colour_box=colour_box,
    black_boxes=black_boxes,
)
