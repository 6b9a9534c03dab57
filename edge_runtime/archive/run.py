"""An archive from beginning to end: find the images, settle the plan, measure what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import edge_runtime
from edge_runtime.archive.attempts import FOLDER as ATTEMPTS
from edge_runtime.archive.frames import first_size, items
from edge_runtime.archive.parts import LISTING, Part, count_parts, part_size, write_listing
from edge_runtime.archive.place import Place, open_place
from edge_runtime.archive.plan import PLAN, ROWS, SCHEMA_VERSION, Plan, Settings, settle
from edge_runtime.archive.pool import run_on_ray
from edge_runtime.archive.sources import Entry, Source, find_source
from edge_runtime.archive.worker import Job, Report, done_parts, run_here
from edge_runtime.artifact.manifest import manifest_path
from edge_runtime.common.files import read_bounded, remove_temporary
from edge_runtime.common.lock import locked
from edge_runtime.errors import UsageError
from edge_runtime.frame.image_folders import SUFFIXES
from edge_runtime.segmenter import Segmenter
from edge_runtime.shipped import find_model

_MOST_BYTES = 1 << 30
"""Of a model or manifest: their own limits were checked when they were loaded."""


@dataclass(frozen=True)
class Archive:
    """An archive whose plan is settled.

    Attributes:
        job: What is measured, with what.
        missing: The parts that are not done.
        done_images: Number of images in the parts that are done.
        left_out: Files of the source that are neither images nor tables.
        unsized: Number of image files for which no pixel size is given.
        damaged: Tables that cannot be read.
    """

    job: Job
    missing: Sequence[int]
    done_images: int
    left_out: Sequence[str]
    unsized: int
    damaged: Sequence[str]


def find_archive(
    source: str,
    out: Place,
    settings: Settings,
    *,
    one_size: bool = False,
    sizes: Path | None = None,
    model: Path | None = None,
    trusted_keys: Sequence[Path] | None = None,
) -> Archive:
    """Find the images, and write the plan into an empty folder, or check that the folder has the same plan.

    Args:
        source: Path or URL.
        out: The archive's folder.
        settings: How images are measured.
        one_size: Whether the pixel size is only for images of the first one's size.
        sizes: Table with the pixel sizes of image files.
        model: A .tflite file or the name of a shipped size. None for the default.
        trusted_keys: As for :meth:`Segmenter.load`.

    Raises:
        UsageError: A source or model does not exist or is not of a known kind, or the folder holds something else, or
            an archive of another source, model or settings.
        FetalHeadError: The model cannot be used, or an object store cannot be reached.
    """
    file = find_model(model)
    manifest = Segmenter.load(file, trusted_keys=trusted_keys).manifest
    described = read_bounded(manifest_path(file), _MOST_BYTES)
    found = find_source(source, sizes)
    if open_place(source).kind() == "folder" and _within(out, found.place):
        raise UsageError(f"--out {out.where} lies in the source: its rows would be found there. Name another folder.")
    if one_size:
        settings = replace(settings, first_size=_first_size(found, settings))
    if found.kind == "table" and (settings.frame, settings.region) != (None, None):
        raise UsageError("--frame and --region are for image files; a row of a table is one frame. Leave them out.")
    images = sum(entry.count for entry in found.entries)
    size = part_size(images)
    counts = count_parts(found, size)
    listed, listing_sha256 = write_listing(found, size)
    plan = Plan(
        schema_version=SCHEMA_VERSION,
        program=edge_runtime.__version__,
        source=found.place.where if found.place.store else str(found.place.path.resolve()),
        kind=found.kind,
        images=images,
        part_images=size,
        parts=len(counts),
        listing_sha256=listing_sha256,
        model=manifest.name,
        model_sha256=manifest.model_sha256,
        manifest_sha256=hashlib.sha256(described).hexdigest(),
        settings=settings,
    )
    settle(out, plan, listed)
    done = done_parts(out)
    job = Job(plan, found.place.where, out.where, read_bounded(file, _MOST_BYTES), described)
    missing = [number for number in range(plan.parts) if number not in done]
    unsized = 0 if settings.pixel_size_mm else sum(map(_lacks_size, found.entries))
    damaged = [entry.name for entry in found.entries if found.kind == "table" and entry.doubt]
    done_images = images - sum(counts[number] for number in missing)
    return Archive(job, missing, done_images, found.left_out, unsized, damaged)


def _lacks_size(entry: Entry) -> bool:
    """Whether nothing can say the pixel size of an image file. A DICOM file or a table of frames may."""
    return entry.pixel_size_mm is None and PurePosixPath(entry.name).suffix.lower() in SUFFIXES


def _within(out: Place, folder: Place) -> bool:
    if out.store is None and folder.store is None:
        return out.path.resolve().is_relative_to(folder.path.resolve())
    return out.store == folder.store and PurePosixPath(out.root).is_relative_to(folder.root)


def _first_size(source: Source, settings: Settings) -> tuple[int, int] | None:
    if source.kind == "files":
        return first_size(items(source.place, "files", Part(0, 0, list(source.entries), 0, 0), settings))
    tables = (Part(0, 0, [entry], 0, entry.count) for entry in source.entries)
    return first_size(item for part in tables for item in items(source.place, "table", part, settings))


def measure(archive: Archive, processes: int | None, address: str | None) -> Iterable[Report]:
    """Measure what is missing. Each report comes when the rows of its part are written.

    Args:
        archive: The archive.
        processes: How many; one works in this process, without Ray. None for one a core of the cluster.
        address: Of a Ray cluster. None for this computer alone.

    Raises:
        FetalHeadError: Ray, an object store, the model or a device failed. What is done stays done.
    """
    if not archive.missing:
        return iter(())
    if processes == 1 and address is None:
        return run_here(archive.job, archive.missing)
    return run_on_ray(archive.job, archive.missing, processes, address)


def tidy(out: Place) -> None:
    """Remove what killed processes had begun to write. Call it once all is measured: nobody writes rows then."""
    if out.store is not None:
        return
    for folder, name in ((out.path, PLAN), (out.path, LISTING), (out.path / ROWS, "*"), (out.path / ATTEMPTS, "*")):
        remove_temporary(folder, name)


def held(out: Place) -> AbstractContextManager[None]:
    """Hold the archive's folder for this process, where it is on this computer: see :func:`locked`."""
    return locked(out.path) if out.store is None else nullcontext()
