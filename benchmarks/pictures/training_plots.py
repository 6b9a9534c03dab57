"""Pictures of training results, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.pictures.labels import label
from benchmarks.pictures.plots import RC, STYLES, figure_and_axes, log_axis, to_svg
from benchmarks.study.results import Epoch, TestedImage, ValidatedEpoch
from edge_runtime.common.optional import require
from train.strategies import STRATEGIES

Points = Mapping[str, Mapping[int, float]]
"""Dice in percent by strategy and number of images."""


def parameters(points: Mapping[str, tuple[int, float | None, float]]) -> bytes:
    """Dice over parameters trained: the paper's hollow, ours filled, a line between the two of a strategy.

    Args:
        points: Parameters, the paper's Dice in percent (None where it has none) and ours, by strategy.

    Returns:
        An SVG file.
    """
    with require("matplotlib").rc_context(RC):
        figure, (whole, near) = figure_and_axes(8.6, 5.6, columns=2)
        for axes in (whole, near):
            for strategy, (count, theirs, ours) in points.items():
                color, marker, _ = _style(strategy)
                if theirs is not None:
                    axes.plot([count, count], [theirs, ours], color=color, linewidth=0.8)
                    axes.plot(count, theirs, marker, color=color, markersize=8, markerfacecolor="white", zorder=3)
                axes.plot(count, ours, marker, color=color, markersize=8, label=strategy)
            axes.plot([], [], "o", color="#555555", markerfacecolor="white", label="the paper (hollow)")
            axes.set_xlabel("parameters trained")
        log_axis(whole)
        whole.xaxis.set_major_formatter(lambda count, _: f"{count / 1e6:g} M")
        whole.set_ylabel("Dice (%), pooled as in the paper")
        inside = [(n, d) for n, *dice in points.values() for d in dice if d and _NEAR[0] <= n <= _NEAR[1]]
        if inside:
            lowest, highest = min(d for _, d in inside), max(d for _, d in inside)
            near.set_ylim(lowest - 0.4, highest + 0.4)
        near.set_xlim(_NEAR)
        near.set_xticks([4.25e6, 4.35e6, 4.45e6], ["4.25 M", "4.35 M", "4.45 M"])
        near.set_title("the same, around 4.3 million", fontsize=10, loc="left")
        figure.legend(*whole.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)


_NEAR = 4.2e6, 4.5e6
"""Parameters of the strategies that train nearly the whole decoder."""


def _style(name: str) -> tuple[str, str, str]:
    """Colour, marker and line of the strategy that a name begins with; the same in every figure."""
    strategies = [strategy for strategy in STRATEGIES if name.startswith(strategy)]
    i = list(STRATEGIES).index(max(strategies, key=len)) if strategies else 0
    n = len(STYLES)
    return STYLES[i % n][0], STYLES[(i + i // n) % n][1], ("-", "--", ":")[i // n % 3]


def loss_curves(histories: Mapping[str, Sequence[Epoch]]) -> bytes:
    """Training loss over epochs, on a logarithmic axis, a line for each name.

    Returns:
        An SVG file.
    """
    return _curves({name: [entry.loss for entry in history] for name, history in histories.items()}, "training loss")


def validation_curves(histories: Mapping[str, Sequence[Epoch]]) -> bytes:
    """Dice on the validation part over epochs, in percent, a line for each name.

    Returns:
        An SVG file.
    """
    values = {
        name: [100 * entry.val_dice if isinstance(entry, ValidatedEpoch) else np.nan for entry in history]
        for name, history in histories.items()
    }
    return _curves(values, "validation Dice (%)", bottom=85)


def _curves(values: Mapping[str, Sequence[float]], title: str, bottom: float | None = None) -> bytes:
    """Values by epoch; without a bottom of the axis it is logarithmic."""
    with require("matplotlib").rc_context(RC):
        figure, axes = figure_and_axes(8.6, 4.2)
        for name, y in values.items():
            color, _, dashes = _style(name)
            axes.plot(range(1, len(y) + 1), y, dashes, color=color, label=name)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel(title)
        if bottom is None:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=max(axes.get_ylim()[0], bottom))
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)


def set_sizes(ours: Points, theirs: Points) -> bytes:
    """Dice over the number of images trained on: ours solid, the paper's dashed and hollow.

    Returns:
        An SVG file.
    """
    with require("matplotlib").rc_context(RC):
        figure, axes = figure_and_axes(8.6, 4.2)
        for strategy, points in ours.items():
            color, marker, _ = _style(strategy)
            for values, line, face, who in ((points, "-", color, "ours"), (theirs[strategy], "--", "white", "paper")):
                x = sorted(values)
                y = [values[n] for n in x]
                axes.plot(x, y, f"{marker}{line}", color=color, markerfacecolor=face, label=f"{strategy}, {who}")
        axes.set_xlabel("images trained on")
        axes.set_ylabel("Dice (%), pooled as in the paper")
        axes.set_xlim(left=0)
        axes.legend(frameon=False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)


def recipes(costs: Mapping[tuple[str, str], tuple[float, float | None]]) -> bytes:
    """What recipes cost: change of Dice in points and mean absolute shift of HC in mm, a row for each run.

    Args:
        costs: Change of Dice and HC shift (None where no image was measured), by run and recipe.

    Returns:
        An SVG file.
    """
    runs = list(dict.fromkeys(run for run, _ in costs))
    kinds = list(dict.fromkeys(recipe for _, recipe in costs))
    with require("matplotlib").rc_context(RC):
        figure, (left, right) = figure_and_axes(8.6, 1.4 + 0.36 * len(runs), columns=2)
        for k, recipe in enumerate(kinds):
            color, marker = STYLES[k % len(STYLES)]
            for axes, which in ((left, 0), (right, 1)):
                found = [(costs[run, recipe][which], row) for row, run in enumerate(runs) if (run, recipe) in costs]
                x, y = [v for v, _ in found if v is not None], [row for v, row in found if v is not None]
                axes.plot(
                    x, np.array(y) + (k - (len(kinds) - 1) / 2) * 0.22, marker, color=color, markersize=5, label=recipe
                )
        left.set_xscale("symlog", linthresh=0.1)
        left.set_xticks([-10, -1, -0.1, 0, 0.1, 1], ["-10", "-1", "-0.1", "0", "0.1", "1"])
        left.axvline(0, color="#444444", linewidth=1)
        left.set_xlabel("Dice difference (percentage points)")
        right.set_xlabel("mean HC shift (mm)")
        right.set_xlim(left=0)
        left.set_yticks(range(len(runs)), runs)
        left.set_ylim(len(runs) - 0.4, -0.6)
        right.sharey(left)
        right.tick_params(labelleft=False)
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
        figure.set_layout_engine("constrained")
        return to_svg(figure)


def sizes(choices: Mapping[str, tuple[float, float]]) -> bytes:
    """Dice in percent over the size of the file in MB, a point for each network.

    Args:
        choices: Size and Dice by name.

    Returns:
        An SVG file.
    """
    with require("matplotlib").rc_context(RC):
        figure, axes = figure_and_axes(8.6, 4.2)
        require("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)  # measures the labels
        points = list(choices.values())
        axes.plot(*zip(*points, strict=True), "o", color=STYLES[0][0], markersize=8)
        log_axis(axes)
        axes.set_xlabel("size of the full int8 file (MB)")
        axes.set_ylabel("Dice per image (%)")
        axes.margins(0.12)
        figure.set_layout_engine("constrained")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        label(axes, list(choices), points, points)
        return to_svg(figure)


def bland_altman(title: str, scores: Sequence[TestedImage]) -> bytes:
    """Difference of HC over the mean of both measurements, with mean difference and 95 % limits of agreement.

    Bland and Altman (1986): limits are the mean difference +- 1.96 SD.

    Args:
        title: What was measured.
        scores: Each image's; those without a circumference are passed over.

    Returns:
        An SVG file.
    """
    pairs = [
        (s.reference_hc_mm + s.hc_difference_mm / 2, s.hc_difference_mm)
        for s in scores
        if s.hc_difference_mm is not None
    ]
    x, y = np.asarray(pairs, dtype=np.float64).reshape(-1, 2).T
    mean, sd = (float(y.mean()), float(y.std(ddof=1))) if len(y) > 1 else (0.0, 0.0)
    with require("matplotlib").rc_context(RC):
        figure, axes = figure_and_axes(8.6, 4.2)
        axes.plot(x, y, "o", color=STYLES[0][0], alpha=0.6, markeredgewidth=0)
        for level, dashes in ((mean, "-"), (mean - 1.96 * sd, "--"), (mean + 1.96 * sd, "--")):
            axes.axhline(level, color="#444444", linewidth=1, linestyle=dashes)
            axes.annotate(
                f"{level:+.2f}",
                xy=(1.005, level),
                xycoords=("axes fraction", "data"),
                va="center",
                annotation_clip=False,
            )
        axes.set_title(f"{title}, {len(y)} images", fontsize=10)
        axes.set_xlabel("mean of measured and reference HC (mm)")
        axes.set_ylabel("measured minus reference HC (mm)")
        figure.set_layout_engine("constrained")
        return to_svg(figure)
