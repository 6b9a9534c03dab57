"""What each stretch of layers costs in int8, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.pictures.plots import RC, figure_and_axes, to_svg
from edge_runtime.common.optional import require

LEAST_NAMED = 0.03
"""Smallest share whose figure is printed."""


def stretches(networks: Mapping[str, Sequence[float]], layers: int) -> bytes:
    """A row for each network, a column for each stretch, shaded by its share of the row's sum.

    Args:
        networks: Cost of each stretch, in the order of computation, by the network's name.
        layers: Layers of a stretch.

    Returns:
        An SVG file.
    """
    width = max(map(len, networks.values()))
    shares = np.zeros((len(networks), width))
    for row, costs in zip(shares, networks.values(), strict=True):
        row[: len(costs)] = np.asarray(costs) / (sum(costs) or 1.0)
    with require("matplotlib").rc_context({**RC, "axes.grid": False}):
        figure, axes = figure_and_axes(8.6, 1.2 + 0.32 * len(networks))
        axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=max(0.5, float(shares.max())), edgecolors="white")
        for (row, column), share in np.ndenumerate(shares):
            if share >= LEAST_NAMED:
                color = "white" if share > 0.3 else "black"
                place = column + 0.5, row + 0.5
                axes.text(*place, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=color)
        axes.set_yticks(np.arange(len(networks)) + 0.5, list(networks))
        axes.set_xticks(np.arange(width) + 0.5, [str(layers * place + 1) for place in range(width)])
        axes.set_xlabel("first layer of the stretch")
        axes.set_title("share of the change of probabilities (%)", fontsize=10, loc="left")
        axes.invert_yaxis()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)
