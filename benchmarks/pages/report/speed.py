"""How fast artifacts are on each device, how large, how much memory, and how much energy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Sheet, code
from benchmarks.common.tables import Columns, number, several
from benchmarks.pages.report.conditions import timed_under
from benchmarks.pages.report.shown import RUN, filled, not_measured
from benchmarks.pages.report.sources import Entry, Group, timed_alike
from benchmarks.pictures.report.latencies import Times, parts, percentiles
from benchmarks.suite.document import Result
from edge_runtime.stages import STEPS

_TEXT = (
    "Latency is that of one frame in memory, from the frame to the circumference. The first result is counted from the "
    "start of the process, so it includes Python and loading the model; loading + first leaves Python out. Peak memory "
    "is that of a process with this one model. MB are millions of bytes. Intervals are over rounds."
)


def of_result(read: Callable[[Result], str]) -> Callable[[Entry], str]:
    """A column of an artifact's figures for a table of a report."""
    return lambda entry: read(entry.result)


def names(entries: Sequence[Entry]) -> Columns[Entry]:
    """The columns that say which artifact, and where it was measured."""
    where: Columns[Entry] = () if all(entry.alone for entry in entries) else (("measured in", lambda e: e.where),)
    return (("artifact", lambda entry: code(entry.result.artifact)), *where)


def section(entries: Sequence[Entry]) -> list[Block]:
    """Tables and pictures of speed, one set for each kind of timing."""
    blocks: list[Block] = [Heading("Speed, size and memory"), Paragraph(_TEXT)]
    groups = timed_alike(entries)
    if not groups:
        return [*blocks, not_measured("Latency", f"Measure it with `{RUN}`.")]
    if len(groups) > 1:
        blocks.append(
            Paragraph(f"These results were timed in {len(groups)} different ways. Each has a table of its own.")
        )
    for group in groups:
        blocks += [Heading(f"Timed on {group.text}", 3), *filled(group.entries, [*names(entries), *_COLUMNS])]
        blocks += [*timed_under(group), Sheet(_pictures(group), large=True)]
    return blocks


def _pictures(group: Group) -> list[Figure]:
    stepwise = all(entry.result.steps_ms for entry in group.entries)
    times = [
        Times(entry.label, entry.result.latency_ms.total, _parts(entry.result, stepwise))
        for entry in group.entries
        if entry.result.latency_ms
    ]
    return [
        Figure(
            f"{group.name}-latency.svg",
            percentiles(times),
            "Median, 90th and 99th percentile and maximum of the latency of each artifact",
            "Latency of a frame; beside each name its median. The thick bar runs from the median to the 99th "
            "percentile, the thin line from the fastest frame to the slowest that was recorded.",
        ),
        Figure(
            f"{group.name}-parts.svg",
            parts(times),
            "Stacked bars: the median time of each part of a frame, for each artifact",
            "The median of each part of a frame. Medians do not add up exactly to the median of the whole.",
        ),
    ]


def _parts(result: Result, stepwise: bool) -> dict[str, float]:
    """Medians of the steps where all artifacts have them, else of the three stages that every result has."""
    if stepwise and result.steps_ms:
        return {step: result.steps_ms[step].p50 for step in STEPS if step in result.steps_ms}
    found = result.latency_ms
    if found is None:
        return {}
    return {
        "preprocess": found.preprocess.p50, "invoke": found.invoke.p50, "postprocess": found.postprocess.p50
    }  # fmt: skip


def _total(result: Result) -> str:
    total = result.latency_ms and result.latency_ms.total
    return several([total and total.p50, total and total.p90, total and total.p99], 2)


def _stages(result: Result) -> str:
    found = result.latency_ms
    stages = [found.preprocess, found.invoke, found.postprocess] if found else []
    return several([stage.p50 for stage in stages] or [None], 2)


def _mean(result: Result) -> str:
    found = result.mean_ms
    text = number(found and found.value, 2)
    return text if found is None or found.low is None or found.high is None else (
        f"{text} [{found.low:.2f}, {found.high:.2f}]"
    )  # fmt: skip


_COLUMNS: Columns[Entry] = (
    ("size (MB)", of_result(lambda r: number(r.size_bytes, 2, 1e-6))),
    ("p50 / p90 / p99 (ms)", of_result(_total)),
    ("max (ms)", of_result(lambda r: number(r.latency_ms and r.latency_ms.total.max, 2))),
    ("mean [95% interval] (ms)", of_result(_mean)),
    ("frames/s", of_result(lambda r: number(r.frames_per_s, 1))),
    ("pre / invoke / post, p50 (ms)", of_result(_stages)),
    ("first result (ms)", of_result(lambda r: number(r.process_start_to_first_result_ms, 0))),
    ("loading + first (ms)", of_result(lambda r: number(r.time_to_first_result_ms, 1))),
    ("peak memory (MB)", of_result(lambda r: number(r.peak_memory_bytes, 0, 1e-6))),
)

_ENERGY: Columns[Entry] = (
    ("energy (J/frame)", of_result(lambda r: number(r.energy and r.energy.joules_per_frame, 4))),
    ("mean power (W)", of_result(lambda r: number(r.energy and r.energy.watts, 2))),
    ("measured at", of_result(lambda r: r.energy.source if r.energy else "")),
)


def energy(entries: Sequence[Entry]) -> list[Block]:
    """Energy of a frame, where the device tells it, else why not."""
    blocks: list[Block] = [Heading("Energy")]
    known = [entry for entry in entries if entry.result.energy]
    for group in timed_alike(known):
        blocks += [
            Heading(f"Timed on {group.text}", 3),
            Paragraph("What the machine uses when idle is included. Compare only what was measured at the same place."),
            *filled(group.entries, [*names(entries), *_ENERGY]),
            *timed_under(group),
        ]
    told = {entry.source.key for entry in known}
    for key in dict.fromkeys(entry.source.key for entry in entries if entry.source.key not in told):
        of = [entry for entry in entries if entry.source.key == key]
        reason = next((e.result.energy_reason for e in of if e.result.energy_reason), "the result does not have it")
        blocks.append(not_measured(f"{of[0].where}, energy", f"Why: {reason}."))
    return blocks
