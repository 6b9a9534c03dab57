"""The band below the Pareto picture: networks that other images judge, in grey, never as points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.search.elsewhere import PAPER_PARAMETERS, Published, Strategy, millions
from edge_runtime.common.optional import require

BLOCK_ROWS = 6.2
"""Height of the band beyond its networks, in rows: title, heads of columns, two headings, axes."""

_GREY = "#555555"
_BAND = "#f1f1f1"
_DICE, _ADF = (80.0, 99.0), (0.0, 9.0)
"""What the axes show, in percent and mm; what lies beyond is an arrow at the edge, and its figure is printed."""

_NAME_X, _SIZE_X, _DICE_X, _ADF_X = 0.02, 0.285, (0.30, 0.535), (0.70, 0.86)
"""Places across the band, 0 to 1: names, right end of the parameters, and both axes; figures stand right of an axis."""


def draw_elsewhere(
    figure: Any, here: Sequence[Strategy], published: Sequence[Published], place: tuple[float, float]
) -> None:
    """Draw the band.

    Args:
        figure: The picture.
        here: The paper's strategies as trained here.
        published: What others published.
        place: (bottom, height) of the band in parts of the figure's height.
    """
    bottom, height = place
    n = len(here) + len(published) + BLOCK_ROWS
    patches = require("matplotlib.patches")
    figure.add_artist(patches.Rectangle((0, bottom - 0.01), 1, height + 0.01, color=_BAND, zorder=-2))

    def y(row: float) -> float:
        return bottom + height * (1 - row / n)

    def write(x: float, row: float, text: str, **style: Any) -> None:
        figure.text(x, y(row), text, **{"fontsize": 8.5, "va": "center", **style})

    write(
        _NAME_X / 2, 0.7,
        "Other test sets: not comparable with the points above, nor, where published, with each other",
        weight="bold", fontsize=9.5,
    )  # fmt: skip
    write(_SIZE_X, 1.75, "parameters (M)", ha="right", color=_GREY)
    write(_DICE_X[0], 1.75, "Dice (%)", color=_GREY)
    write(_ADF_X[0], 1.75, "ADF (mm)", color=_GREY)
    dice = _axis(figure, _DICE_X, _DICE, (80, 85, 90, 95), y, n)
    adf = _axis(figure, _ADF_X, _ADF, (0, 2, 4, 6, 8), y, n)
    row = 2.8
    if here:
        images = here[0].n_images
        write(
            _NAME_X / 2, row,
            f"The paper's strategies: one network, all 1x. ○ trained here: 256x256, full int8, {images} images of "
            "unseen exams; □ the paper's Dice",
            style="italic",
        )  # fmt: skip
    for strategy in here:
        row += 1
        name = strategy.name if strategy.published is not None else f"{strategy.name} (ours: nothing frozen)"
        write(_NAME_X, row, name)
        write(_SIZE_X, row, millions(PAPER_PARAMETERS), ha="right")
        texts = [f"{strategy.dice:.2f}"]
        _mark(dice, strategy.dice, row, "o", _DICE)
        if strategy.published is not None:
            _mark(dice, strategy.published, row, "s", _DICE)
            texts.append(f"□ {strategy.published:.2f}")
        write(_DICE_X[1] + 0.012, row, f"○ {'   '.join(texts)}")
        if strategy.adf_mm is None:
            write(_ADF_X[1] + 0.012, row, "none measured", color=_GREY)
            continue
        _mark(adf, strategy.adf_mm, row, "o", _ADF)
        some = strategy.n_measured < strategy.n_images
        write(_ADF_X[1] + 0.012, row, f"{strategy.adf_mm:.2f}{f' ({strategy.n_measured} images)' if some else ''}")
    row += 1.25
    write(
        _NAME_X / 2, row, "Published networks, as printed: each with images, a reference and a Dice of its own",
        style="italic",
    )  # fmt: skip
    for model in published:
        row += 1
        write(_NAME_X, row, f"{model.name} ({model.year})")
        write(_SIZE_X, row, millions(model.parameters), ha="right")
        for axis, value, limits, x in ((dice, model.dice, _DICE, _DICE_X), (adf, model.adf_mm, _ADF, _ADF_X)):
            if value is not None:
                _mark(axis, value, row, "s", limits)
            write(
                x[1] + 0.012,
                row,
                model.missing if value is None else f"{value:.2f}",
                color=_GREY if value is None else "k",
            )


def _axis(
    figure: Any, x: tuple[float, float], limits: tuple[float, float], ticks: Sequence[float], y: Any, n: float
) -> Any:
    """An axis whose heights are rows of the band."""
    first, last = 2.2, n - 1.15
    axes = figure.add_axes((x[0], y(last), x[1] - x[0], y(first) - y(last)), facecolor="none")
    axes.set_xlim(*limits)
    axes.set_ylim(last, first)
    axes.set_xticks(ticks)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color="white", linewidth=1.0)
    axes.tick_params(labelsize=8)
    return axes


def _mark(axes: Any, value: float, row: float, marker: str, limits: tuple[float, float]) -> None:
    """A hollow grey marker; an arrow at the edge where the value lies beyond it."""
    low, high = limits
    beyond = "<" if value < low else ">" if value > high else marker
    axes.plot(
        [min(max(value, low), high)], [row], beyond, color=_GREY, markerfacecolor=_BAND, markersize=5.5,
        markeredgewidth=1.1, clip_on=False,
    )  # fmt: skip
