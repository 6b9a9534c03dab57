"""What phones tell of the network alone: in a browser, and with LiteRT's own tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from benchmarks.common.render import Block, Heading, Paragraph
from benchmarks.common.tables import Columns, number, several
from benchmarks.pages.report.conditions import timed_under
from benchmarks.pages.report.shown import filled
from benchmarks.pages.report.sources import Entry, networks_timed_alike, networks_timed_by_a_tool
from benchmarks.pages.report.speed import names, of_result
from benchmarks.suite.document import Result
from benchmarks.suite.network_only import ToolRun

_IN_BROWSERS = (
    "A browser ran the network alone; a computer prepared the frames and found the heads. So these are not times of a "
    "whole frame: compare them with the network's part of it only. All rounds are in one page."
)

_BY_A_TOOL = (
    "LiteRT's benchmark_model ran the network alone, on random values, in a new process each round. So these are not "
    "times of a whole frame, and nothing was scored. Figures are means over rounds; memory is the process's growth."
)


def section(entries: Sequence[Entry]) -> list[Block]:
    """A table for each way to time the network alone; nothing where it was not."""
    blocks: list[Block] = []
    for group in networks_timed_alike(entries):
        blocks += [
            Heading(f"The network alone, in a browser, on {group.text}", 3),
            Paragraph(_IN_BROWSERS),
            *filled(group.entries, [*names(entries), *_OF_BROWSERS]),
            *timed_under(group),
        ]
    for group in networks_timed_by_a_tool(entries):
        blocks += [
            Heading(f"The network alone, by LiteRT's tool, with {group.text}", 3),
            Paragraph(_BY_A_TOOL),
            *filled(group.entries, [*names(entries), *_OF_TOOLS]),
            *timed_under(group),
        ]
    return blocks


_OF_BROWSERS: Columns[Entry] = (
    ("size (MB)", of_result(lambda r: number(r.size_bytes, 2, 1e-6))),
    ("network p50 / p90 / p99 (ms)", of_result(lambda r: several(_network(r)[:3], 2))),
    ("max (ms)", of_result(lambda r: number(_network(r)[3], 2))),
    ("loading (ms)", of_result(lambda r: number(r.load_ms, 1))),
    ("outputs as Python's", of_result(lambda r: _agreement(r))),
    ("mask Dice with Python's", of_result(lambda r: number(r.agreement and r.agreement.mask_dice, 5))),
)


def _of_runs(read: Callable[[ToolRun], float | None], digits: int) -> Callable[[Entry], str]:
    """A column: the mean over the runs of a tool; empty where it did not print the figure."""

    def text(result: Result) -> str:
        found = [read(run) for run in result.network_only.runs] if result.network_only else []
        known = [value for value in found if value is not None]
        return number(fmean(known), digits) if known and len(known) == len(found) else ""

    return of_result(text)


_OF_TOOLS: Columns[Entry] = (
    ("size (MB)", of_result(lambda r: number(r.size_bytes, 2, 1e-6))),
    ("mean (ms)", _of_runs(lambda run: run.mean_ms, 2)),
    ("sd (ms)", _of_runs(lambda run: run.sd_ms, 2)),
    ("median (ms)", _of_runs(lambda run: run.median_ms, 2)),
    ("p95 (ms)", _of_runs(lambda run: run.p95_ms, 2)),
    ("max (ms)", _of_runs(lambda run: run.max_ms, 2)),
    ("loading (ms)", _of_runs(lambda run: run.init_ms, 1)),
    ("memory (MB)", _of_runs(lambda run: run.memory_overall_mb, 1)),
    ("thermal status", of_result(lambda r: _thermal(r))),
)


def _thermal(result: Result) -> str:
    """Android's status, the worst over rounds: 0 is none, 6 is shutdown."""
    found = (
        [status for status in result.network_only.thermal_status if status is not None] if result.network_only else []
    )
    return str(max(found)) if found else ""


def _network(result: Result) -> list[float | None]:
    found = (result.steps_ms or {}).get("invoke")
    return [found.p50, found.p90, found.p99, found.max] if found else [None] * 4


def _agreement(result: Result) -> str:
    found = result.agreement
    return f"{found.n_identical} of {found.n_frames}" if found else ""
