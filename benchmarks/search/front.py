"""Which networks are worth their time: the table of all points, and the front of those that nothing beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.common.device import cpu_text
from benchmarks.common.tables import Columns, cells, number, text_table
from benchmarks.search.latency import LatencyDocument, Speed
from benchmarks.search.trial import Judged, TrialResult
from edge_runtime.errors import UsageError

Row = tuple[TrialResult, Speed]


def rows(results: Sequence[TrialResult], latency: LatencyDocument) -> list[Row]:
    """The results whose speed is known, the fastest first."""
    speeds = latency.by_name()
    found = [(r, speeds[r.strategy.name]) for r in results if r.strategy.name in speeds]
    return sorted(found, key=lambda row: -row[1].times_faster)


def front(found: Sequence[Row]) -> set[str]:
    """Names of the points that no faster point equals in Dice and in ADF, both in int8."""
    both = (best(found, lambda judged: judged.mean_dice), best(found, lambda judged: -judged.adf_mm))
    return {result.name for rows_of_one in both for result, _ in rows_of_one}


def best(found: Sequence[Row], score: Callable[[Judged], float]) -> list[Row]:
    """The points that no faster point equals in one score, the fastest first.

    Args:
        found: The points, the fastest first.
        score: What is compared, in full int8; more is better.
    """
    kept: list[Row] = []
    most = float("-inf")
    for row in found:
        if score(row[0].int8) > most:
            kept.append(row)
            most = score(row[0].int8)
    return kept


COLUMNS: Columns[Row] = (
    ("network", lambda row: row[0].name),
    ("times faster", lambda row: f"{row[1].times_faster:.1f}"),
    ("ms", lambda row: f"{row[1].ms:.2f}"),
    ("GMAC", lambda row: f"{row[1].gmac:.3f}"),
    ("MB", lambda row: f"{row[1].size_bytes / 1e6:.2f}"),
    ("Dice (%)", lambda row: f"{row[0].int8.mean_dice:.2%}".rstrip("%")),
    ("ADF (mm)", lambda row: number(row[0].int8.adf_mm, 2)),
    ("int8 costs (points)", lambda row: f"{max(0.0, -row[0].int8_dice_points):.3f}"),
    ("int8 shifts HC (mm)", lambda row: number(row[0].int8_hc_shift_mm, 3)),
    ("train (s)", lambda row: f"{row[0].seconds:.0f}"),
)


def table(results: Sequence[TrialResult], latency: LatencyDocument) -> str:
    """The points that are trained and timed, for a terminal; those of the front are marked.

    Raises:
        UsageError: They were not judged by the same images.
    """
    if len({result.images for result in results}) > 1:
        raise UsageError("These points were not judged by the same images. Keep results of one data set in a folder.")
    found = rows(results, latency)
    kept = front(found)
    header, body = cells(found, COLUMNS)
    marked = [[f"{'*' if row[0] in kept else ' '} {row[0]}", *row[1:]] for row in body]
    where = cpu_text(latency.device.cpu, latency.device.int8_instructions).replace("`", "")
    note = f"* nothing faster is as good in Dice or in ADF. Accuracy: full int8, {len(results[0].images)} images."
    note += f"\nTimes: {where}."
    untimed = sorted({result.name for result in results} - {result.name for result, _ in found})
    if untimed:
        note += f"\nTrained, but not timed there: {', '.join(untimed)}. Time them: --latency --overwrite"
    return f"{text_table([f'  {header[0]}', *header[1:]], marked)}\n{note}"
