"""A canvas for plots of the report: narrow enough for a phone, and in the reader's colours, light or dark.

An SVG that a page shows as an image follows the page's colour scheme, so its colours are CSS variables. They keep the
light ones as what is used where a viewer knows no variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.pictures.plots import RC, STYLES, to_svg
from edge_runtime.common.optional import require

WIDTH = 4.8
"""Of a plot in inches. On a phone of 390 pixels its letters have 10 pixels."""

INK, MUTED, FAINT, PAPER = "#1a1b1c", "#55585c", "#d4d7da", "#fefefe"
COLORS = tuple(color.lower() for color, _ in STYLES)
MARKERS = ("o", "s", "^", "D", "v", "P")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")

_DARK = {
    INK: "#e6e8ea", MUTED: "#a7acb2", FAINT: "#33383d", PAPER: "#14171a", COLORS[0]: "#4fb0ee", COLORS[1]: "#f0b43c",
    COLORS[2]: "#2fc79b", COLORS[3]: "#ff8d4d", COLORS[4]: "#e6a2c8", COLORS[5]: "#8fd0f7",
}  # fmt: skip
_RC = RC | {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": FAINT,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "hatch.color": PAPER,
    "hatch.linewidth": 0.8,
    "text.parse_math": False,  # names are other people's
}


@contextmanager
def canvas(height: float, rows: int = 1) -> Iterator[tuple[Any, list[Any]]]:
    """A figure and its axes, one above the other, with the report's style.

    Args:
        height: In inches.
        rows: Number of axes; they share the horizontal one.
    """
    with require("matplotlib").rc_context(_RC):
        figure = require("matplotlib.figure").Figure(figsize=(WIDTH, height), layout="constrained")
        require("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)  # it measures text
        yield figure, list(figure.subplots(rows, 1, sharex=True, squeeze=False).flat)


def to_themed_svg(figure: Any) -> bytes:
    """The figure as an SVG file that is light or dark as its reader is."""
    text = to_svg(figure).decode()
    variables = {color: f"--c{i}" for i, color in enumerate(_DARK)}
    for color, name in variables.items():
        text = text.replace(f": {color}", f": var({name}, {color})")
    light, dark = (
        ";".join(f"{name}:{colors[color]}" for color, name in variables.items())
        for colors in ({color: color for color in _DARK}, _DARK)
    )
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    start = text.index(">", text.index("<svg")) + 1
    return (text[:start] + style + text[start:]).encode()


def name_rows(axes: Any, names: Sequence[str]) -> None:
    """Turn axes into rows 0, 1, ... from the top, each with its name above its bar: the data get the whole width."""
    axes.set_ylim(len(names) - 0.45, -0.75)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(False, axis="y")
    for row, name in enumerate(names):
        axes.text(0, row - 0.27, f" {name}", fontsize=9, va="bottom", transform=axes.get_yaxis_transform())


def rows_height(count: int) -> float:
    """Height of a figure with so many rows, in inches."""
    return 0.95 + 0.42 * count
