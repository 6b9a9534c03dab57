"""What devices do over minutes, and where a model's time goes on them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.render import Block, Details, Figure, Heading, Paragraph, Sheet, Table, code
from benchmarks.common.tables import Columns, cells, number
from benchmarks.pages.report.conditions import all_of
from benchmarks.pages.report.shown import RUN, filled, not_measured
from benchmarks.pages.report.sources import Entry, Source
from benchmarks.pictures.report import over_time, roofline
from benchmarks.roofline.profile import OperatorShare, Profile
from benchmarks.suite.rounds import Point, Sustained
from edge_runtime.common.cli import counted

_MOST_ROWS = 8
_THROTTLED = {
    True: "It throttled.",
    False: "It did not throttle.",
    None: "The device tells neither clock nor throttling flags, so whether it throttled is not known.",
}

_POINTS: Columns[Point] = (
    ("from (s)", lambda p: number(p.start_s, 0)),
    ("frames", lambda p: str(p.frames)),
    ("median (ms)", lambda p: number(p.p50_ms, 2)),
    ("90 % (ms)", lambda p: number(p.p90_ms, 2)),
    ("slowest (ms)", lambda p: number(p.max_ms, 2)),
    ("clock (MHz)", lambda p: number(p.frequency_mhz, 0)),
    ("temperature (degrees C)", lambda p: number(p.temperature_c, 1)),
    ("throttling flags", lambda p: p.throttled or ""),
)


def sustained(entries: Sequence[Entry]) -> list[Block]:
    """Latency, clock and temperature over time, a picture for each artifact that was measured so."""
    blocks: list[Block] = [Heading("Under load for minutes")]
    found = [
        (entry, entry.result.sustained) for entry in entries if entry.result.sustained and entry.result.sustained.points
    ]
    if not found:
        return [*blocks, not_measured("Latency over time", f"Measure it with `{RUN} --mode sustained`.")]
    figures = [
        Figure(
            f"{entry.source.key.lower()}-over-time-{i + 1}.svg",
            over_time.draw(run),
            f"Latency of {entry.result.artifact} over time, and the device's clock and temperature where it tells them",
            f"{entry.title}: {_words(run)}",
        )
        for i, (entry, run) in enumerate(found)
    ]
    blocks.append(Sheet(figures, large=True))
    for entry, run in found:
        blocks.append(Details(f"Figures over time of {code(entry.label)}", filled(run.points, _POINTS)))
    return blocks + [all_of(source) for source in {e.source.key: e.source for e, _ in found}.values()]


def _words(run: Sustained) -> str:
    first, last = run.points[0], run.points[-1]
    untold = [
        name
        for name, values in (
            ("clock", [point.frequency_mhz for point in run.points]),
            ("temperature", [point.temperature_c for point in run.points]),
        )
        if all(value is None for value in values)
    ]
    findings = "".join(f" {text[0].upper()}{text[1:]}." for text in run.findings)
    unknown = f" Not told by the device: {' and '.join(untold)}." if untold else ""
    return (
        f"median {first.p50_ms:.2f} ms at first and {last.p50_ms:.2f} ms at last, {run.slowdown:+.1%} from the first "
        f"fifth to the last. {_THROTTLED[run.throttled]}{findings}{unknown}"
    )


_OPERATORS: Columns[OperatorShare] = (
    ("operator", lambda o: o.kind.lower()),
    ("place", lambda o: str(o.index)),
    ("output", lambda o: "x".join(map(str, o.shape[1:]))),
    ("MMAC", lambda o: number(o.macs, 1, 1e-6)),
    ("MB moved", lambda o: number(o.moved_bytes, 2, 1e-6)),
    ("ms", lambda o: number(o.ms, 3)),
    ("least ms", lambda o: number(o.bound_ms, 3)),
    ("bound by", lambda o: o.bound_by),
    ("achieved %", lambda o: number(o.share, 0, 100)),
    ("why not timed", lambda o: o.not_timed or ""),
)


def operators(sources: Sequence[Source]) -> list[Block]:
    """The profile of each result that has one, against the roofline."""
    blocks: list[Block] = [Heading("Where the time goes")]
    known = [(source, source.document.profile) for source in sources if source.document.profile]
    for source in sources:
        if source.document.profile_reason:
            blocks.append(not_measured(f"{source.key}, operators", f"Why: {source.document.profile_reason}."))
    if not known:
        return [*blocks, not_measured("Operators", f"Measure them with `{RUN} --profile slowest`.")]
    for source, profile in known:
        blocks += _profile(source, profile)
    return blocks


def _profile(source: Source, profile: Profile) -> list[Block]:
    rows = sorted(profile.operators, key=lambda row: -(row.ms or 0.0))
    ceilings = profile.ceilings
    prefix = source.key.lower()
    figures = []
    if (picture := roofline.by_kind(profile)) is not None:
        text = "Time of each kind of operator, measured alone; hatched: the least by the roofline."
        figures.append(Figure(f"{prefix}-operators.svg", picture, "Bars: time of each kind of operator", text))
    if (picture := roofline.draw(profile)) is not None:
        text = (
            f"Roofline of {profile.arithmetic} on one thread. The line is the most that arithmetic and memory allow. "
            "The longer an operator takes, the larger its marker. One above the line has its data in a cache, or other "
            "work slowed the measurement of the ceilings."
        )
        figures.append(Figure(f"{prefix}-roofline.svg", picture, "Roofline plot of the operators", text))
    return [
        Heading(f"{profile.artifact}, the slowest of {source.key}: {source.device}", 3),
        Paragraph(
            f"{profile.whole_ms:.2f} ms for {profile.gmac:.2f} GMAC and {profile.moved_mb:.1f} MB on one thread; the "
            f"machine would allow {profile.bound_ms:.2f} ms, so {profile.share:.0%} is achieved. Ceilings: "
            f"{ceilings.int8_gmac_s:.0f} GMAC/s in int8, {ceilings.float32_gmac_s:.0f} GMAC/s in float32, "
            f"{ceilings.memory_gb_s:.1f} GB/s of memory."
        ),
        Sheet(figures, large=True),
        *filled(rows[:_MOST_ROWS], _OPERATORS),
        Details(f"All {counted(len(rows), 'operator')}, in the order of their time", [Table(*cells(rows, _OPERATORS))]),
        Details("How the ceilings were measured", [Paragraph(f"{ceilings.how}.")]),
        all_of(source),
    ]
