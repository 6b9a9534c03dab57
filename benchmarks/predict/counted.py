"""Instructions that models really execute on emulated ARM cores: the document that ``.ci/instructions`` writes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.result_files import RESULTS, read_record
from benchmarks.common.tables import Columns, cells, text_table

SCHEMA_VERSION = 1

COUNTED = RESULTS / "predict" / "instructions.json"
"""The committed counts."""


@dataclass(frozen=True)
class Count:
    """Instructions of one frame: one ``invoke()`` on one thread, from Python.

    Attributes:
        model: File name.
        sha256: SHA-256 of the .tflite file.
        cpu: The emulated core, QEMU's name.
        frames: Frames after the first, which all executed the same number within 0.1 %; these are their means.
        total: All instructions.
        dot: Dot products (SDOT, UDOT).
        multiply: Widening integer multiplications of vectors (SMULL, SMLAL and so on).
        widen: Additions of neighbours into wider values (SADALP).
        vector: Other vector and floating-point instructions.
        memory: Loads and stores.
        other: All others.
    """

    model: str
    sha256: str
    cpu: str
    frames: int
    total: int
    dot: int
    multiply: int
    widen: int
    vector: int
    memory: int
    other: int


@dataclass(frozen=True)
class Counts:
    """All counts of one call.

    Attributes:
        schema_version: Version of the kind of document.
        git_commit: Commit of the source tree; ``-dirty`` appended if it had changes.
        date: Day, YYYY-MM-DD.
        interpreter: The aarch64 interpreter and its version.
        emulator: QEMU's version.
        counts: Each model on each core.
    """

    schema_version: int
    git_commit: str | None
    date: str
    interpreter: str
    emulator: str
    counts: tuple[Count, ...]

    def of(self, data: bytes) -> tuple[Count, ...]:
        """The counts of a model, by the bytes of its file."""
        digest = hashlib.sha256(data).hexdigest()
        return tuple(count for count in self.counts if count.sha256 == digest)


def read_counts(path: Path = COUNTED) -> Counts:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, Counts, SCHEMA_VERSION, f".ci/instructions --out {path}")


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f}"


COLUMNS: Columns[Count] = (
    ("model", lambda c: c.model),
    ("core", lambda c: c.cpu),
    ("million instructions", lambda c: _millions(c.total)),
    ("dot", lambda c: _millions(c.dot)),
    ("multiply", lambda c: _millions(c.multiply)),
    ("widen", lambda c: _millions(c.widen)),
    ("vector", lambda c: _millions(c.vector)),
    ("memory", lambda c: _millions(c.memory)),
    ("other", lambda c: _millions(c.other)),
)


def table(counts: Iterable[Count]) -> str:
    """Counts for a terminal."""
    return text_table(*cells(list(counts), COLUMNS))
