"""What figures were measured under: the part of a report that is one click away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.common.device import EMULATED
from benchmarks.common.render import Block, Details, Heading, Paragraph, Table, code
from benchmarks.common.tables import Columns, cells, number, several
from benchmarks.machine.state import Load, throttled_meanwhile
from benchmarks.pages.report.sources import Entry, Group, Source, other_models, timing_differences
from benchmarks.suite.modes import STABLE
from benchmarks.suite.rounds import Round
from edge_runtime.common.cli import counted

_NOT_TOLD = "not told"

Fact = tuple[str, Callable[[Source], object]]
"""Name of a condition, and what it was."""

_DEVICE: tuple[Fact, ...] = (
    ("device model", lambda s: s.document.device.model),
    ("CPU", lambda s: s.document.device.cpu),
    ("int8 instructions", lambda s: _codes(s.document.device.int8_instructions)),
    ("architecture", lambda s: s.document.device.machine),
    ("emulated", lambda s: _yes(s.document.device.emulated)),
    ("cores", lambda s: s.document.device.cores),
    ("memory (GB)", lambda s: _scaled(s.document.device.memory_bytes, 1, 1e-9)),
    ("frequency governor", lambda s: s.document.device.governor),
    ("highest frequency (MHz)", lambda s: s.document.device.max_frequency_mhz),
    ("frequency at the start (MHz)", lambda s: s.document.device.frequency_mhz),
    ("temperature at the start (degrees C)", lambda s: s.document.device.temperature_c),
    ("throttling flags at the start", lambda s: s.document.device.throttled),
    ("system", lambda s: s.document.device.os),
    ("versions", lambda s: ", ".join(f"{name} {version}" for name, version in s.document.device.tools.items())),
)
_TIMING: tuple[Fact, ...] = (
    ("mode", lambda s: s.mode),
    ("threads", lambda s: s.document.conditions.threads),
    ("rounds, each in a fresh process", lambda s: _rounds(s)),
    ("a round, at least", lambda s: _round_length(s)),
    ("warm-up (frames a round)", lambda s: s.document.conditions.warmup),
    ("pause between artifacts (s)", lambda s: s.document.conditions.cooldown_s),
    ("order of artifacts", lambda s: _order(s)),
    ("timed frames", lambda s: f"{s.document.conditions.data}: {_codes(s.document.conditions.latency_images)}"),
    ("load before", lambda s: _load(s.document.conditions.load_before, s.document.conditions.load_average_1min)),
    ("load afterwards", lambda s: _load(s.document.conditions.load_after, None)),
)
_BROWSER: tuple[Fact, ...] = (
    ("browser", lambda s: s.document.device.browser and s.document.device.browser.user_agent),
    ("LiteRT.js build", lambda s: s.document.device.browser and s.document.device.browser.build),
    ("cross-origin isolated", lambda s: s.document.device.browser and _yes(s.document.device.browser.isolated)),
    ("the browser's clock (ms)", lambda s: s.document.device.browser and s.document.device.browser.clock_ms),
    ("memory by the browser (GiB)", lambda s: s.document.device.browser and s.document.device.browser.memory_gib),
)
"""Shown where a browser ran artifacts."""

_SCORING: tuple[Fact, ...] = (
    ("images", lambda s: f"{s.document.conditions.n_images} of {s.document.conditions.n_images_in_test_part}"),
    ("data", lambda s: s.document.conditions.data),
    ("split", lambda s: code(s.document.conditions.split)),
    ("sha256 of the images", lambda s: _hash(s.document.conditions.images_sha256)),
    ("sha256 of the frame set", lambda s: _hash(s.document.conditions.frame_set_sha256)),
)
_ORIGIN: tuple[Fact, ...] = (
    ("date (UTC)", lambda s: s.document.conditions.date),
    ("git commit", lambda s: _hash(s.document.conditions.git_commit)),
    ("result file", lambda s: code(s.name)),
)


def timed_under(group: Group) -> list[Block]:
    """What keeps the times of a group from being equal in worth, and what they were measured under."""
    notes = [*timing_differences(group), *other_models(group), *_doubts(group)]
    blocks: list[Block] = [_table(group.sources, (*_TIMING, *_DEVICE, *_ORIGIN))]
    rows = [(entry, i + 1, one) for entry in group.entries for i, one in enumerate(entry.result.rounds or ())]
    blocks += [Heading("Each round", 3), Table(*cells(rows, _ROUND))] if rows else []
    return [*_mind(notes), Details("Conditions of these times, and each round", blocks)]


def scored_under(group: Group) -> list[Block]:
    """The same for scores, which do not depend on how times were measured."""
    table = _table(group.sources, (*_SCORING, *_DEVICE[1:4], _DEVICE[-1], *_ORIGIN))
    return [*_mind(other_models(group)), Details("Conditions of these scores", [table])]


def all_of(source: Source) -> Details:
    """All that is known of a result's conditions."""
    table = _table([source], (*_DEVICE, *_TIMING, *_SCORING, *_ORIGIN))
    return Details(f"Conditions of {source.key}: {source.device}, {code(source.name)}", [table])


def _table(sources: Sequence[Source], facts: Sequence[Fact]) -> Table:
    if any(source.document.device.browser for source in sources):
        facts = (*facts, *_BROWSER)
    rows = [[name, *(_text(value(source)) for source in sources)] for name, value in facts]
    return Table(("condition", *(f"{source.key}: {source.device}" for source in sources)), rows, facts=True)


def _mind(notes: Sequence[str]) -> list[Block]:
    return [Paragraph("Mind: " + " ".join(notes))] if notes else []


def _doubts(group: Group) -> list[str]:
    """What keeps figures from being official, or from being their device's true speed; a sentence each."""
    found = []
    for source in group.sources:
        if source.document.device.emulated:
            found.append(f"{source.key} was {EMULATED}.")
        if busy := source.document.conditions.busy:
            found.append(f"Other work took part of {source.key}'s time ({busy}): the figures are not its true speed.")
        lacks = source.document.conditions.shortfalls
        if source.mode == "official" and lacks:
            name, lack = next(iter(lacks.items()))
            found.append(f"{source.key} is not official: {code(name)}, for one, has {lack}.")
    unstable = {e.label: e.result.rounds_apart or 0.0 for e in group.entries if e.result.unstable}
    if unstable:
        names = ", ".join(f"{code(name)} ({apart:.0%})" for name, apart in unstable.items())
        found.append(f"Unstable, because their rounds are more than {STABLE:.0%} apart: {names}.")
    for entry in group.entries:
        at_first = entry.source.document.device.throttled
        if said := throttled_meanwhile(at_first, *(one.throttled for one in entry.result.rounds or ())):
            found.append(f"{code(entry.label)} was measured while {said}.")
    return found


_ROUND: Columns[tuple[Entry, int, Round]] = (
    ("artifact", lambda row: code(row[0].label)),
    ("round", lambda row: str(row[1])),
    ("p50 / p90 / p99 (ms)", lambda row: several([row[2].total_p50_ms, row[2].total_p90_ms, row[2].total_p99_ms], 2)),
    ("network p50 (ms)", lambda row: number((row[2].steps_p50_ms or {}).get("invoke"), 2)),
    ("mean (ms)", lambda row: number(row[2].total_mean_ms, 2)),
    ("frames", lambda row: number(row[2].frames, 0)),
    ("seconds", lambda row: number(row[2].seconds, 1)),
    ("peak memory (MB)", lambda row: number(row[2].peak_memory_bytes, 0, 1e-6)),
    ("clock afterwards (MHz)", lambda row: number(row[2].frequency_mhz, 0)),
    ("temperature (degrees C)", lambda row: number(row[2].temperature_c, 1)),
    ("throttling flags", lambda row: row[2].throttled or _NOT_TOLD),
)


def _text(value: object) -> str:
    return _NOT_TOLD if value is None else str(value)


def _codes(names: Sequence[str] | None) -> str | None:
    return None if names is None else ", ".join(map(code, names)) or "none"


def _scaled(value: float | None, digits: int, scale: float) -> str | None:
    return None if value is None else number(value, digits, scale)


def _hash(text: str | None) -> str | None:
    return None if text is None else code(text[:16] + ("..." if len(text) > 16 else ""))


def _rounds(source: Source) -> str:
    conditions = source.document.conditions
    return f"{conditions.rounds}, all in one page" if source.document.device.browser else str(conditions.rounds)


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _round_length(source: Source) -> str:
    conditions = source.document.conditions
    seconds = f" and {conditions.seconds:g} s" if conditions.seconds else ""
    return f"{counted(conditions.frames, 'frame')}{seconds}"


def _order(source: Source) -> str | None:
    conditions = source.document.conditions
    if conditions.order is None:
        return None
    return "the same in each round" if conditions.seed is None else f"random in each round, seed {conditions.seed}"


def _load(load: Load | None, average: float | None) -> str | None:
    if load:
        return load.text
    return None if average is None else f"load average {average:.2f}"
