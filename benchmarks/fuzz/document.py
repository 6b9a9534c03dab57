"""The document of ``python -m benchmarks fuzz``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.measured import Measured, here_and_now
from benchmarks.common.result_files import read_record
from benchmarks.fuzz.campaign import Failure, Tally

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class KindCount:
    """The cases of one kind.

    Attributes:
        cases: How many.
        slowest_ms: Time of the slowest, in ms.
        outcomes: Cases by outcome.
    """

    cases: int
    slowest_ms: float
    outcomes: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class FuzzDocument(Measured):
    """A campaign.

    Attributes:
        seed: Seed of all cases.
        cases: How many cases there were.
        failures: The cases that failed.
        seconds: Time of the campaign in seconds.
        jobs: Processes at a time.
        kinds: Counts by kind of case.
    """

    seed: int
    cases: int
    failures: tuple[Failure, ...]
    seconds: float
    jobs: int
    kinds: dict[str, KindCount]


def make_document(tally: Tally, seed: int, jobs: int, seconds: float) -> FuzzDocument:
    """The document of a campaign on this machine."""
    return FuzzDocument(
        **here_and_now(SCHEMA_VERSION, ("ai-edge-litert", "numpy", "pillow", "cryptography"), threads=1),
        seed=seed,
        cases=tally.cases,
        failures=tuple(tally.failures),
        seconds=round(seconds, 1),
        jobs=jobs,
        kinds={
            kind: KindCount(sum(counts.values()), round(tally.slowest_ms[kind], 1), dict(sorted(counts.items())))
            for kind, counts in sorted(tally.outcomes.items())
        },
    )


def read_fuzz(path: Path) -> FuzzDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, FuzzDocument, SCHEMA_VERSION, "python -m benchmarks fuzz")
