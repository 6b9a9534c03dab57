"""What one process does: it loads the model once, and measures one part after the other."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.archive.attempts import Attempt
from edge_runtime.archive.frames import items
from edge_runtime.archive.parts import Listing
from edge_runtime.archive.place import Place, open_place
from edge_runtime.archive.plan import ROWS, Plan
from edge_runtime.archive.rows import from_parquet, measure_item, to_parquet
from edge_runtime.artifact.manifest import manifest_path
from edge_runtime.common.files import write_bytes
from edge_runtime.device.fingerprint import memory_bytes_of
from edge_runtime.errors import InputError, SourceError
from edge_runtime.output.image_row import unread_row
from edge_runtime.segmenter import Segmenter

_MARK = b"PAR1"
"""At the end of every whole Parquet file."""

_DONE = re.compile(rf"{ROWS}/part-(\d{{8}})\.parquet")


_FATAL = InputError("The process ended each time that it was read or measured. It may be damaged: open it in a viewer.")


@dataclass(frozen=True)
class Job:
    """What every process is given.

    Attributes:
        plan: What is measured, with what.
        source: Path or URL of the source's folder.
        out: Path or URL of the archive.
        model: The .tflite file.
        manifest: Its manifest.
    """

    plan: Plan
    source: str
    out: str
    model: bytes
    manifest: bytes


@dataclass(frozen=True)
class Report:
    """What a process says of a part.

    Attributes:
        part: Its number.
        images: Number of its images.
        measured: Those with a circumference.
        unread: Those that cannot be read or measured. The others were refused.
        began_s: When it began, in seconds since the epoch.
        ended_s: When its rows were written.
        process: Id of the process.
        memory_bytes: Resident memory of the process then. None if unknown.
    """

    part: int
    images: int
    measured: int
    unread: int
    began_s: float
    ended_s: float
    process: int
    memory_bytes: int | None


def part_name(number: int) -> str:
    """The file with the rows of a part."""
    return f"{ROWS}/part-{number:08d}.parquet"


def done_parts(out: Place) -> set[int]:
    """The numbers of the parts whose rows are written. On this computer, damaged files do not count."""
    if out.kind(ROWS) is None:
        return set()
    found = {int(match[1]): name for name in out.files(ROWS) if (match := _DONE.fullmatch(name))}
    return {number for number, name in found.items() if out.store is not None or _is_whole(out.path / name)}


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) < len(_MARK):
            return False
        file.seek(-len(_MARK), os.SEEK_END)
        return file.read() == _MARK


class Worker:
    """A process that is ready to measure.

    Raises:
        FetalHeadError: The model cannot be used here.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.source, self.out = job, open_place(job.source), open_place(job.out)
        with tempfile.TemporaryDirectory() as folder:  # the bytes that were checked are those that run, on any computer
            model = Path(folder) / f"{job.plan.model}.tflite"
            write_bytes(model, job.model)
            write_bytes(manifest_path(model), job.manifest)
            self.segmenter = Segmenter.load(model)
        self.listing = Listing(self.out, job.plan.kind, job.plan.part_images)

    def measure(self, number: int) -> Report:
        """Measure a part and write its rows, unless a process that was killed then had written them."""
        began = time.time()
        written = self.out.load(part_name(number))
        if written is not None and not written.endswith(_MARK):
            written = None
        rows = self._rows(number) if written is None else from_parquet(written)
        if written is None:
            self.out.save(part_name(number), to_parquet(rows))
        measured = sum(row["head_circumference_mm"] is not None for row in rows)
        unread = sum(row.get("quality") is None for row in rows)
        return Report(
            number, len(rows), measured, unread, began, time.time(), os.getpid(), memory_bytes_of(os.getpid())
        )

    def _rows(self, number: int) -> list[dict[str, Any]]:
        plan, part, rows = self.job.plan, self.listing.part(number), []
        attempt, begun = Attempt(self.out, number), time.perf_counter()
        try:
            for at, item in enumerate(items(self.source, plan.kind, part, plan.settings), part.begin):
                may_open = attempt.may_open(at)
                row = (
                    measure_item(self.segmenter, item, plan.settings, begun)
                    if may_open
                    else unread_row(item.image, _FATAL)
                )
                rows.append({**row, "number": at, "model_sha256": plan.model_sha256})
                begun = time.perf_counter()
        finally:  # not reached where the process is killed
            attempt.end()
        if len(rows) != part.count:
            raise SourceError(
                f"{part.entries[0].name} had {part.count} frames from {part.first} on when the archive was begun, and "
                f"has {len(rows)} now. Restore it, or begin an archive in another --out."
            )
        return rows


def run_here(job: Job, parts: Iterable[int]) -> Iterable[Report]:
    """Measure parts in this process."""
    worker = Worker(job)
    return map(worker.measure, parts)
