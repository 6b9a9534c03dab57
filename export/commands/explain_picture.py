"""Draw where a full-int8 network loses accuracy."""

from __future__ import annotations

import io

from edge_runtime.common.optional import require
from export.quantization.explain import Explanation, label, worst_layers

TOP_DB = 60.0
"""Upper end of the axis. Operators that only move values are above it."""


def picture(found: Explanation, worst: int) -> bytes:
    """Draw the SQNR of every operator's output, with all earlier errors and with its own alone, and name the worst.

    Args:
        found: The measurements.
        worst: Number of operators to name.

    Returns:
        An SVG file.
    """
    settings = {
        "svg.hashsalt": "fetal-head-edge",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with require("matplotlib").rc_context(settings):
        figure = require("matplotlib.figure").Figure(figsize=(10.5, 4.6))
        axes = figure.subplots()
        axes.plot(
            [x.index for x in found.layers], [x.sqnr_db for x in found.layers], color="#0072B2", label="in the network"
        )
        axes.plot(
            [x.index for x in found.layers], [x.own_sqnr_db for x in found.layers], "o", color="#E69F00", markersize=4,
            label="by itself",
        )  # fmt: skip
        noisiest = worst_layers(found, worst)
        for rank, layer in enumerate(noisiest, 1):
            axes.annotate(
                str(rank), (layer.index, layer.own_sqnr_db), xytext=(0, -4), textcoords="offset points",
                ha="center", va="top", fontsize=8,
            )  # fmt: skip
        names = (f"{rank}  {label(layer)}, {layer.own_sqnr_db:.1f} dB" for rank, layer in enumerate(noisiest, 1))
        axes.text(
            1.02, 0.0, "\n".join(("add most noise by themselves:", *names)), transform=axes.transAxes, fontsize=8,
            va="bottom", linespacing=1.5,
        )  # fmt: skip
        axes.set_xlabel("operator, in the order of computation")
        axes.set_ylabel("signal to quantization noise (dB)")
        axes.set_ylim(min(0.0, *(x.sqnr_db for x in found.layers)), TOP_DB)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_title(f"{found.name}, full int8 against float32, {len(found.images)} images of {found.data}")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
        figure.set_layout_engine("constrained")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
