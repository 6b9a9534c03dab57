"""Pictures of measurements: a frame with its outline, and the circumference or the reason why there is none."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.files import write_bytes
from edge_runtime.common.optional import require
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.measurement import Measurement

MIN_SIDE = 200
"""In pixels. Frames with a smaller side are enlarged by a whole number, so that the text can be read."""

MAX_SIDE = 4096
"""In pixels. No frame is enlarged beyond this."""

GOOD, CAUTION, REFUSED = (86, 214, 255), (255, 190, 60), (255, 120, 105)
"""Colours. They are never the only difference: the words differ too, a caution has a dashed ellipse, a refusal none."""

NOT_MEASURED = "NOT MEASURED"
"""In place of a circumference."""

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_FOOTER = "Research use only; not a medical device."
_FIGURES = re.compile(r" \([^()]*\d[^()]*\)")

_BITMAP_HEIGHT = 11
"""In pixels: height of Pillow's built-in bitmap font, the only one before Pillow 10.1 and without FreeType."""


class _Line(NamedTuple):
    """A line of text, with its height in pixels and its colour."""

    text: str
    size: int
    color: tuple[int, int, int]


def write_overlay(path: Path, frame: NDArray[np.uint8], result: Measurement) -> None:
    """Write the picture of :func:`draw_overlay` as a PNG, whole or not at all.

    Args:
        path: The file. Its folder is created.
        frame: The frame that was measured.
        result: Its measurement.

    Raises:
        UsageError: The file cannot be written.
    """
    buffer = io.BytesIO()
    draw_overlay(frame, result).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def draw_overlay(frame: NDArray[np.uint8], result: Measurement) -> Any:
    """Draw a measurement on its frame.

    Args:
        frame: The frame that was measured, uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
        result: Its measurement.

    Returns:
        A ``PIL.Image`` in RGB of the frame's size, or of a multiple of it if a side is below ``MIN_SIDE``.
    """
    pil = require("PIL.Image")
    pixels = frame[:, :, 0] if frame.ndim == 3 and frame.shape[2] == 1 else frame[..., :3]
    picture = pil.fromarray(np.ascontiguousarray(pixels if frame.ndim == 3 else frame)).convert("RGB")
    zoom = max(1, min(math.ceil(MIN_SIDE / min(picture.size)), MAX_SIDE // max(picture.size)))
    mask = result.mask.repeat(zoom, axis=0).repeat(zoom, axis=1)
    if zoom > 1:
        picture = picture.resize((picture.width * zoom, picture.height * zoom), pil.BICUBIC)
    color = REFUSED if result.reason else CAUTION if result.caution else GOOD
    stroke = max(1.5, min(picture.size) / 300)
    _draw_contour(picture, mask, stroke)
    if result.ellipse is not None:
        _draw_ellipse(picture, result.ellipse, zoom, stroke, color, dashed=result.caution is not None)
    if result.reason is not None:
        _draw_border(picture, round(3 * stroke), color)
    _draw_text(picture, mask, _lines(result, picture.size, color), round(3 * stroke))
    return picture


def without_figures(text: str) -> str:
    """A reason or a caution without the figures of its frame, which stand in brackets."""
    return _FIGURES.sub("", text)


def plain_reason(reason: str | None) -> str:
    """Why there is no circumference, without figures: a number could be taken for a result."""
    text = without_figures(reason or "no reason is known")
    return text[:1].upper() + text[1:]


def _lines(result: Measurement, size: tuple[int, int], color: tuple[int, int, int]) -> list[_Line]:
    """The text on a picture, before it is wrapped."""
    normal = max(11, round(min(size[0], 1.4 * size[1]) / 42))
    title, small = round(1.6 * normal), max(10, round(0.8 * normal))
    if result.head_circumference_mm is None:
        lines = [_Line(NOT_MEASURED, title, color), _Line(plain_reason(result.reason), normal, _WHITE)]
    else:
        lines = [_Line(f"HC {result.head_circumference_mm:.1f} mm", title, color)]
        if result.interval_mm is not None:
            low, high = result.interval_mm
            lines.append(_Line(f"90% interval {low:.1f} to {high:.1f} mm", normal, _WHITE))
        if result.caution is not None:
            lines.append(_Line(f"CAUTION: {result.caution}", normal, color))
    return [*lines, _Line(_FOOTER, small, (190, 190, 190))]


def _draw_contour(picture: Any, mask: NDArray[np.bool_], stroke: float) -> None:
    """Draw the mask's edge, thin and half transparent. Light inside and dark outside, it shows on any background."""
    width = max(1, round(stroke / 2))
    for region, color in ((~mask, _BLACK), (mask, _WHITE)):
        edge = np.where(region & ~_shrunk(region, width), 130, 0).astype(np.uint8)
        picture.paste(color, (0, 0), require("PIL.Image").fromarray(edge))


def _shrunk(region: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """A region without its outermost pixels. The border of the frame does not count as an edge."""
    for _ in range(width):
        padded = np.pad(region, 1, mode="edge")
        region = region & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region


def _draw_ellipse(
    picture: Any, ellipse: Ellipse, zoom: int, stroke: float, color: tuple[int, int, int], *, dashed: bool
) -> None:
    """Draw the ellipse, with a cross at each end of its axes. A dark halo sets it off from bright tissue."""
    points = ellipse.outline(720)
    starts = range(0, 720, 12 if dashed else 720)
    strokes = [np.take(points, range(s, s + (8 if dashed else 721)), axis=0, mode="wrap") for s in starts]
    angle, arm = math.radians(ellipse.angle_deg), 4 * stroke / zoom
    for turned, radius in ((angle, ellipse.semi_major), (angle + math.pi / 2, ellipse.semi_minor)):
        for sign in (-1, 1):
            x = ellipse.center_x + sign * radius * math.cos(turned)
            y = ellipse.center_y + sign * radius * math.sin(turned)
            strokes += [np.array([[x - arm, y], [x + arm, y]]), np.array([[x, y - arm], [x, y + arm]])]
    strokes = [(points + 0.5) * zoom - 0.5 for points in strokes]
    picture.paste(_BLACK, (0, 0), _smooth_lines(picture.size, strokes, 2.2 * stroke).point(lambda v: v * 6 // 10))
    picture.paste(color, (0, 0), _smooth_lines(picture.size, strokes, stroke))


def _smooth_lines(size: tuple[int, int], strokes: Sequence[NDArray[np.float64]], width: float) -> Any:
    """Antialiased lines as an image of their coverage, 0 to 255. They are drawn larger, then averaged down."""
    fine = 4 if size[0] * size[1] < 1_000_000 else 2
    canvas = require("PIL.Image").new("L", (size[0] * fine, size[1] * fine))
    draw = require("PIL.ImageDraw").Draw(canvas)
    for points in strokes:
        draw.line([(x, y) for x, y in ((points + 0.5) * fine - 0.5).tolist()], 255, round(width * fine), "curve")
    return canvas.reduce(fine)


def _draw_border(picture: Any, width: int, color: tuple[int, int, int]) -> None:
    draw = require("PIL.ImageDraw").Draw(picture)
    draw.rectangle((0, 0, picture.width - 1, picture.height - 1), outline=color, width=width)


def _draw_text(picture: Any, mask: NDArray[np.bool_], lines: Sequence[_Line], margin: int) -> None:
    """Draw lines of text on a dark panel, wrapped and placed where they hide least of the head."""
    room = picture.width - 4 * margin
    panels = [_panel(lines, widest, margin) for widest in (room, room // 2, room // 3)]
    choices: list[tuple[int, int, int, Any, Any, tuple[int, int]]] = []
    for panel, cover in panels:
        right = max(margin, picture.width - margin - panel.width)
        bottom = max(margin, picture.height - margin - panel.height)
        for x, y in ((margin, margin), (right, margin), (margin, bottom), (right, bottom)):
            hidden = int(mask[y : y + panel.height, x : x + panel.width].sum())
            choices.append((hidden, panel.height, len(choices), panel, cover, (x, y)))
    *_, panel, cover, place = min(choices, key=lambda choice: choice[:3])
    picture.paste(panel, place, cover)


def _panel(lines: Sequence[_Line], widest: int, margin: int) -> tuple[Any, Any]:
    """A dark panel with lines of text, and its opacity, 0 to 255."""
    pil = require("PIL.Image")
    images = [(_text_image(part, line.size), line.color) for line in lines for part in _wrap(line, widest)]
    size = (
        max(image.width for image, _ in images) + 2 * margin,
        sum(image.height for image, _ in images) + 2 * margin,
    )
    panel, cover, y = pil.new("RGB", size), pil.new("L", size, 190), margin
    for image, color in images:
        panel.paste(color, (margin, y, margin + image.width, y + image.height))
        cover.paste(255, (margin, y), image)
        panel.paste(_BLACK, (margin, y), image.point(lambda v: 255 - v))
        y += image.height
    return panel, cover


def _wrap(line: _Line, widest: int) -> list[str]:
    """The text of a line, broken between words into pieces that fit."""
    pieces = [""]
    for word in line.text.split():
        longer = f"{pieces[-1]} {word}".strip()
        if pieces[-1] and _text_image(longer, line.size).width > widest:
            pieces.append(word)
        else:
            pieces[-1] = longer
    return pieces


@lru_cache(maxsize=8)
def _font(size: int) -> tuple[Any, int]:
    """Pillow's built-in font, and the factor to enlarge it by. No font is downloaded or searched for."""
    module = require("PIL.ImageFont")
    try:
        return module.load_default(size), 1
    except (TypeError, ImportError, OSError):  # before Pillow 10.1, or built without FreeType
        return module.load_default(), max(1, round(size / _BITMAP_HEIGHT))


def _text_image(text: str, size: int) -> Any:
    """One line of text as an image of its coverage, 0 to 255."""
    font, times = _font(size)
    height = sum(font.getmetrics()) if hasattr(font, "getmetrics") else _BITMAP_HEIGHT
    image = require("PIL.Image").new("L", (max(1, math.ceil(font.getlength(text))), height))
    require("PIL.ImageDraw").Draw(image).text((0, 0), text, 255, font)
    return image.resize((image.width * times, image.height * times), require("PIL.Image").NEAREST)
