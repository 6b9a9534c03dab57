"""Operators against what the machine allows: the roofline of Williams, Waterman and Patterson (2009)."""

from __future__ import annotations

from benchmarks.pictures.labels import label
from benchmarks.pictures.plots import log_axis
from benchmarks.pictures.report.canvas import (
    COLORS,
    INK,
    PAPER,
    canvas,
    name_rows,
    rows_height,
    to_themed_svg,
)
from benchmarks.roofline.profile import OperatorShare, Profile
from edge_runtime.common.cli import counted

_NAMED = 3
"""The slowest operators, which are named."""

_MOST_KINDS = 8


def draw(profile: Profile) -> bytes | None:
    """Speed of each operator over its multiplications per byte, with both ceilings, as SVG; None if none was timed."""
    timed = [(row, row.ms) for row in profile.operators if row.ms and row.macs and row.moved_bytes]
    ceilings = profile.ceilings
    if not timed or min(ceilings.int8_gmac_s, ceilings.float32_gmac_s, ceilings.memory_gb_s) <= 0:
        return None
    peak = ceilings.int8_gmac_s if profile.arithmetic == "int8" else ceilings.float32_gmac_s
    at = [(row.macs / row.moved_bytes, row.macs / ms / 1e6) for row, ms in timed]
    slowest = max(ms for _, ms in timed)
    with canvas(3.9) as (figure, (axes,)):
        low = min(min(x for x, _ in at), peak / ceilings.memory_gb_s) / 2
        high = max(max(x for x, _ in at), peak / ceilings.memory_gb_s) * 2
        edge = peak / ceilings.memory_gb_s
        axes.plot([low, edge, high], [low * ceilings.memory_gb_s, peak, peak], color=INK, linewidth=1.5)
        for bound_by, color, marker in (("arithmetic", COLORS[0], "o"), ("memory", COLORS[3], "s")):
            for (row, ms), (x, y) in zip(timed, at, strict=True):
                if row.bound_by == bound_by:
                    size = 3 + 9 * (ms / slowest) ** 0.5
                    axes.plot([x], [y], marker, color=color, markersize=size, alpha=0.8, markeredgecolor=PAPER)
            axes.plot([], [], marker, color=color, label=f"bound by {bound_by}")
        axes.set_xlim(low, high)
        speeds = [y for _, y in at]
        axes.set_ylim(min(speeds) / 2, max(*speeds, peak) * 2)
        log_axis(axes)
        log_axis(axes, "y")
        axes.set_xlabel("multiply-accumulates per byte")
        axes.set_ylabel("speed (GMAC/s)")
        figure.legend(loc="outside upper center", ncols=2, handletextpad=0.3)
        axes.annotate(
            f"{profile.arithmetic}: {peak:.0f} GMAC/s", (high, peak), (-3, 3), textcoords="offset points", ha="right",
            fontsize=8.5,
        )  # fmt: skip
        figure.canvas.draw()
        figure.set_layout_engine("none")
        order = sorted(range(len(timed)), key=lambda i: -timed[i][1])[:_NAMED]
        names = [f"{_short(timed[i][0])} {timed[i][1]:.2f} ms" for i in order]
        label(axes, names, [at[i] for i in order], at)
        return to_themed_svg(figure)


def by_kind(profile: Profile) -> bytes | None:
    """Time of each kind of operator, and the least that the machine allows, as SVG; None if none was timed."""
    spent: dict[str, list[tuple[float, float]]] = {}
    for row in profile.operators:
        if row.ms is not None:
            spent.setdefault(row.kind, []).append((row.ms, row.bound_ms))
    if not spent:
        return None
    kinds = sorted(spent, key=lambda kind: -sum(ms for ms, _ in spent[kind]))[:_MOST_KINDS]
    with canvas(rows_height(len(kinds))) as (figure, (axes,)):
        rows = range(len(kinds))
        axes.barh(rows, [sum(ms for ms, _ in spent[k]) for k in kinds], 0.42, color=COLORS[0], label="measured")
        least = [sum(bound for _, bound in spent[kind]) for kind in kinds]
        axes.barh(
            rows,
            least,
            0.2,
            color=COLORS[1],
            hatch="////",
            edgecolor=PAPER,
            linewidth=0.4,
            label="least by the roofline",
        )
        name_rows(axes, [f"{kind.lower()}, {counted(len(spent[kind]), 'operator')}" for kind in kinds])
        axes.set_xlabel("time alone, all of a kind (ms)")
        figure.legend(loc="outside upper center", ncols=2)
        return to_themed_svg(figure)


def _short(row: OperatorShare) -> str:
    return f"{row.kind.split(' + ')[-1].lower().removesuffix('_2d')} {row.index}"
