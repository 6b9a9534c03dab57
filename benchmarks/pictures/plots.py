"""What pictures share: style, axes, and SVG files that are the same for the same figure.

Colours are Okabe and Ito's, which colour-blind people can tell apart; colour is never the only sign.
"""

from __future__ import annotations

import io
from typing import Any, Literal

from edge_runtime.common.optional import require

STYLES = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"), ("#D55E00", "D"), ("#CC79A7", "v"), ("#56B4E9", "P"))
RC = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "svg.hashsalt": "fetal-head-edge",  # the same result gives the same file
}


def figure_and_axes(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """A figure in inches and its axes, without pyplot's global state."""
    figure = require("matplotlib.figure").Figure(figsize=(width, height))
    return figure, figure.subplots(1, columns)


def log_axis(axes: Any, name: Literal["x", "y"] = "x") -> None:
    """A logarithmic axis with plain numbers."""
    ticker = require("matplotlib.ticker")
    axes.set(**{f"{name}scale": "log"})
    axis = getattr(axes, f"{name}axis")
    low, high = axis.get_view_interval()
    subs = (1, 2, 5) if high < 100 * low else (1,)  # over more decades their labels would overlap
    axis.set_major_locator(ticker.LogLocator(subs=subs))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def to_svg(figure: Any) -> bytes:
    """The figure as an SVG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def to_png(figure: Any, **options: Any) -> bytes:
    """The figure as a PNG file.

    Args:
        figure: The figure.
        options: As ``savefig`` takes them.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", **options)
    return buffer.getvalue()
