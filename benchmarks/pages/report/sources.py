"""The result files of a report, and which of their artifacts may stand in one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from string import ascii_uppercase

from benchmarks.common.render import code
from benchmarks.suite.columns import title
from benchmarks.suite.compare import MACHINE, SCORED, TIMED, TOLD
from benchmarks.suite.document import Result, SuiteDocument, load_document
from edge_runtime.common.cli import counted
from edge_runtime.errors import ModelError, UsageError

_DECORATION = re.compile(r"\((R|TM)\)|\bCPU\b|\bProcessor\b|@.*", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """A result file.

    Attributes:
        key: The letter that the report calls it by; two results of one device have the same name, so it takes both.
        name: Name of the file.
        document: What it holds.
    """

    key: str
    name: str
    document: SuiteDocument

    @property
    def device(self) -> str:
        """The device in a few words."""
        device = self.document.device
        text = " ".join(_DECORATION.sub(" ", device.model or device.cpu or "").split())
        return (text[:40] or "unknown device") + ", emulated" * bool(device.emulated)

    @property
    def mode(self) -> str:
        """How it was measured."""
        return self.document.conditions.mode or "not recorded"


@dataclass(frozen=True)
class Entry:
    """One artifact of one result file.

    Attributes:
        source: The file.
        result: The artifact.
        alone: The report has no other file, so that its letter says nothing.
    """

    source: Source
    result: Result
    alone: bool

    @property
    def label(self) -> str:
        """A name for pictures."""
        return self.result.artifact if self.alone else f"{self.result.artifact} · {self.source.key}"

    @property
    def where(self) -> str:
        """The file's letter and device."""
        return f"{self.source.key}: {self.source.device}"

    @property
    def title(self) -> str:
        """A name for headings and captions."""
        return title(self.result) + ("" if self.alone else f", {self.where}")


@dataclass(frozen=True)
class Group:
    """Artifacts that were measured alike, so that their figures may be compared.

    Attributes:
        text: Under what, in words.
        entries: The artifacts.
        name: A short name, for files.
    """

    text: str
    entries: tuple[Entry, ...]
    name: str

    @property
    def sources(self) -> list[Source]:
        """Their files."""
        return list({entry.source.key: entry.source for entry in self.entries}.values())


def read_sources(paths: Sequence[Path]) -> list[Source]:
    """Read result files.

    Raises:
        UsageError: There are none, too many, one is not there, or two are the same result.
        ModelError: One cannot be used: another schema version, cut short, or without artifacts.
    """
    if not 0 < len(paths) <= len(ascii_uppercase):
        raise UsageError(f"{len(paths)} results were given; a report takes 1 to {len(ascii_uppercase)}.")
    sources = [Source(key, path.name, load_document(path)) for key, path in zip(ascii_uppercase, paths, strict=False)]
    for source, path in zip(sources, paths, strict=True):
        if not source.document.results:
            raise ModelError(f"{path} holds no artifact. Measure again with: python -m benchmarks run")
    for (a, one), (b, other) in combinations(zip(paths, sources, strict=True), 2):
        if one.document == other.document:
            raise UsageError(f"{a} and {b} hold the same result. Give each result once.")
    return sources


def entries_of(sources: Sequence[Source]) -> list[Entry]:
    """All artifacts that were measured."""
    return [Entry(s, result, len(sources) == 1) for s in sources for result in s.document.results if not result.error]


def _is_sustained(source: Source) -> bool:
    return source.document.conditions.mode == "sustained"


def timed_alike(entries: Iterable[Entry]) -> list[Group]:
    """Groups of artifacts that were timed under the same conditions, on whatever device."""

    def text(source: Source) -> str:
        return _frames(source) + (", under load for minutes" if _is_sustained(source) else "")

    timed = [entry for entry in entries if entry.result.latency_ms]
    return _groups(timed, lambda s: (*_fields(s, TIMED), _is_sustained(s)), text, "timed")


def networks_timed_alike(entries: Iterable[Entry]) -> list[Group]:
    """The same of artifacts of which only the network was timed, in a browser."""
    timed = [entry for entry in entries if entry.result.steps_ms and not entry.result.latency_ms]
    return _groups(timed, lambda s: _fields(s, TIMED), _frames, "networks")


def networks_timed_by_a_tool(entries: Iterable[Entry]) -> list[Group]:
    """The same of artifacts of which LiteRT's tool timed the network."""

    def text(source: Source) -> str:
        return f"{counted(source.document.conditions.threads, 'thread')}, on {source.document.conditions.data}"

    timed = [entry for entry in entries if entry.result.network_only]
    return _groups(timed, lambda s: _fields(s, TIMED), text, "tool")


def _frames(source: Source) -> str:
    conditions = source.document.conditions
    images = f"{counted(len(conditions.latency_images), 'image')} of {conditions.data}"
    return f"{counted(conditions.threads, 'thread')}, frames of {images}"


def scored_alike(entries: Iterable[Entry]) -> list[Group]:
    """Groups of artifacts that were scored on the same images."""

    def text(source: Source) -> str:
        conditions = source.document.conditions
        return f"{counted(conditions.n_images, 'image')} of {conditions.data}, {code(conditions.split)} split"

    return _groups([entry for entry in entries if entry.result.accuracy], lambda s: _fields(s, SCORED), text, "scored")


def _fields(source: Source, names: Sequence[str]) -> tuple[object, ...]:
    return tuple(getattr(source.document.conditions, name) for name in names)


def _groups(
    entries: Iterable[Entry], key: Callable[[Source], object], text: Callable[[Source], str], name: str
) -> list[Group]:
    found: dict[object, dict[str, list[Entry]]] = {}
    for entry in entries:
        found.setdefault(key(entry.source), {}).setdefault(entry.result.artifact, []).append(entry)
    # an artifact's devices stand below each other
    groups = [[entry for of in artifacts.values() for entry in of] for artifacts in found.values()]
    return [Group(text(of[0].source), tuple(of), f"{name}-{i + 1}") for i, of in enumerate(groups)]


def machines_alike(sources: Sequence[Source]) -> list[list[Source]]:
    """Sources whose devices cannot be told apart, where there are several."""
    found: dict[object, list[Source]] = {}
    for source in sources:
        device = source.document.device
        if not device.is_nameless:
            found.setdefault(tuple(getattr(device, name) for name in MACHINE), []).append(source)
    return [alike for alike in found.values() if len(alike) > 1]


def timing_differences(group: Group) -> list[str]:
    """How the times of a group were measured differently all the same, a sentence each."""
    found = []
    for name in TOLD:
        values = {source.key: getattr(source.document.conditions, name) for source in group.sources}
        if len(set(values.values())) > 1:
            told = ", ".join(f"{key} {'not recorded' if value is None else value}" for key, value in values.items())
            found.append(f"{name} differs: {told}.")
    return found


def other_models(group: Group) -> list[str]:
    """A sentence where artifacts of one name are not the same file in all results of a group."""
    models: dict[str, set[str | None]] = {}
    for entry in group.entries:
        models.setdefault(entry.result.artifact, set()).add(entry.result.model_sha256)
    other = [code(artifact) for artifact, hashes in models.items() if len(hashes) > 1]
    return [f"Not the same model file in all results: {', '.join(other)}."] if other else []
