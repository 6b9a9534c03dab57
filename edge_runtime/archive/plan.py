"""An archive's plan: what is measured, with what. It is written once, and a rerun must agree with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from edge_runtime.archive.parts import LISTING
from edge_runtime.archive.place import Place
from edge_runtime.common.record import from_json, to_json
from edge_runtime.errors import ModelError, UsageError

SCHEMA_VERSION = 1
PLAN, ROWS = "archive.json", "rows"


@dataclass(frozen=True)
class Settings:
    """How images are measured.

    Attributes:
        frame: Which frame of files that hold several, from 1.
        region: Which tissue region of DICOM files that have several, from 1.
        pixel_size_mm: (x, y) for all images.
        first_size: (height, width) of the first image, if ``pixel_size_mm`` is only for images of its size.
        pixel_size_from: What the rows say of pixel sizes that are not the files' own.
    """

    frame: int | None = None
    region: int | None = None
    pixel_size_mm: tuple[float, float] | None = None
    first_size: tuple[int, int] | None = None
    pixel_size_from: str = "source"


@dataclass(frozen=True)
class Plan:
    """The plan.

    Attributes:
        schema_version: Version of this document and of the rows.
        program: Version of this package.
        source: Path or URL of the source's folder.
        kind: Of the source: image files, or tables of frames.
        images: Number of images, which is the number of rows.
        part_images: Number of images in a part, but for the last of the files or of each table.
        parts: Number of parts, each one file of rows.
        listing_sha256: Hash of the images' names and pixel sizes.
        model: Name of the model.
        model_sha256: Its hash.
        manifest_sha256: Hash of its manifest, which holds the limits and the interval.
        settings: How images are measured.
    """

    schema_version: int
    program: str
    source: str
    kind: Literal["files", "table"]
    images: int
    part_images: int
    parts: int
    listing_sha256: str
    model: str
    model_sha256: str
    manifest_sha256: str
    settings: Settings


def settle(place: Place, plan: Plan, listed: bytes) -> None:
    """Write a plan into a folder, or check that the folder has the same plan.

    Raises:
        UsageError: The folder holds something else, or an archive of another plan.
        ModelError: Its plan is damaged.
    """
    data = place.load(PLAN)
    if data is None:
        other = next((name for name in place.files() if name != LISTING), None) if place.kind() else None
        if other is not None:
            raise UsageError(
                f"{place.where} holds {other}, but no {PLAN}, so it is no archive of ours. Name an empty or new folder "
                "with --out."
            )
        place.save(LISTING, listed)
        place.save(PLAN, (json.dumps(to_json(plan), indent=2) + "\n").encode())
        return
    for what, theirs, ours in _differences(_read(place, data), plan):
        raise UsageError(
            f"{place.where} holds an archive of {what}: {theirs} there, {ours} in this call. Rows are never "
            "mixed: name another folder with --out, or repeat the first call."
        )
    if place.load(LISTING) != listed:  # it follows from the plan: a damaged one is mended
        place.save(LISTING, listed)


def _read(place: Place, data: bytes) -> Plan:
    name = place.name_of(PLAN)
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ModelError(f"{name} is damaged: {error}. Restore it, or begin in another folder.") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ModelError(
            f"{name} has schema version {version!r}; this program writes {SCHEMA_VERSION}. Use another --out."
        )
    return from_json(Plan, document, name)


def _differences(old: Plan, new: Plan) -> Iterator[tuple[str, Any, Any]]:
    """What differs, the plainest first: name, value before, value now."""
    yield from (
        (what, theirs, ours)
        for what, theirs, ours in (
            ("another model", f"{old.model} ({old.model_sha256[:12]})", f"{new.model} ({new.model_sha256[:12]})"),
            ("another manifest of the model", old.manifest_sha256[:12], new.manifest_sha256[:12]),
            ("another source", old.source, new.source),
            ("another number of images", old.images, new.images),
            ("other settings", *_changed(old.settings, new.settings)),
            ("another list of images or pixel sizes", old.listing_sha256[:12], new.listing_sha256[:12]),
            ("another version of this program", old.program, new.program),
            ("another plan", old, new),
        )
        if theirs != ours
    )


def _changed(old: Settings, new: Settings) -> tuple[str, str]:
    names = [name for name in vars(old) if getattr(old, name) != getattr(new, name)]
    return tuple(", ".join(f"{name} {getattr(settings, name)}" for name in names) for settings in (old, new))  # type: ignore[return-value]
