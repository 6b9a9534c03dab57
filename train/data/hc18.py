"""HC18 as published: find it, read it, list its images. Needs numpy and Pillow only."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.pixel_sizes import PIXEL_SIZE_COLUMN, read_csv
from edge_runtime.frame.preprocess import to_gray
from edge_runtime.head.components import fill_holes
from edge_runtime.head.ellipse import Ellipse, fit_ellipse
from train.data import phantom

MaskKind = Literal["ellipse", "contour"]

IMAGES = "training_set"
TABLE = "training_set_pixel_size_and_HC.csv"
LOCAL = Path("data/hc18")
"""Where a download is put, and looked for."""
HC_COLUMN = "head circumference (mm)"
LINE_LEVEL = 127
"""Annotation pixels brighter than this belong to the line."""


@dataclass(frozen=True)
class Sample:
    """One image with its reference.

    Attributes:
        name: File name, e.g. ``010_HC.png``.
        path: The image.
        annotation: The outline drawn by the sonographer, same size.
        pixel_size_mm: Side of a pixel in mm.
        hc_mm: Reference head circumference in mm.
    """

    name: str
    path: Path
    annotation: Path
    pixel_size_mm: float
    hc_mm: float

    @property
    def exam(self) -> str:
        """The exam the image belongs to: what stands before ``_`` in its name."""
        return self.name.split("_")[0]

    def frame(self) -> NDArray[np.uint8]:
        """The image in grey, uint8 (H, W)."""
        return to_gray(read_image(self.path))

    def ellipse(self) -> Ellipse:
        """The reference: the ellipse through the middle of the annotated line, in pixels."""
        return _reference_ellipse(self.annotation)

    def mask(self, kind: MaskKind = "ellipse") -> NDArray[np.bool_]:
        """The reference mask, bool (H, W).

        Args:
            kind: ``ellipse``: the interior of :meth:`ellipse`. ``contour``: the paper's, the filled outline with its
                line (the interior is added where the outline leaves the frame and a fill would leak).
        """
        line = _line(self.annotation)
        interior = self.ellipse().interior(line.shape)
        if kind == "ellipse":
            return interior
        filled = fill_holes(line)
        leaked = np.count_nonzero(filled) < 0.9 * np.count_nonzero(interior)
        return filled | interior if leaked else filled


class CachedSample(Sample):
    """A sample whose image and reference mask are read once, where it is scored more than once."""

    @cached_property
    def _frame(self) -> NDArray[np.uint8]:
        return super().frame()

    @cached_property
    def _mask(self) -> NDArray[np.bool_]:
        return super().mask()

    def frame(self) -> NDArray[np.uint8]:
        """The image in grey, uint8 (H, W)."""
        return self._frame

    def mask(self, kind: MaskKind = "ellipse") -> NDArray[np.bool_]:
        """The reference mask, bool (H, W)."""
        return self._mask if kind == "ellipse" else super().mask(kind)


def cache(samples: Sequence[Sample]) -> list[Sample]:
    """The same samples, each read from disk once; about 0.9 MB an image of 540x800."""
    return [CachedSample(**{f.name: getattr(sample, f.name) for f in fields(sample)}) for sample in samples]


def _line(path: Path) -> NDArray[np.bool_]:
    return np.asarray(to_gray(read_image(path)) > LINE_LEVEL)


@lru_cache(maxsize=2048)
def _reference_ellipse(path: Path) -> Ellipse:
    y, x = np.nonzero(_line(path))
    try:
        return fit_ellipse(np.stack([x, y], axis=1).astype(np.float64))
    except ValueError as error:
        raise InputError(f"{path}: no ellipse can be fitted to this annotation: {error}.") from error


@dataclass(frozen=True)
class Dataset:
    """HC18, or the phantom in its place.

    Attributes:
        root: Folder in the published layout.
        samples: By file name, sorted.
        is_phantom: True where these are procedural images, not ultrasound.
    """

    root: Path
    samples: dict[str, Sample]
    is_phantom: bool

    @property
    def title(self) -> str:
        """For announcements and manifests."""
        return "procedural phantom (not ultrasound)" if self.is_phantom else "HC18"

    def select(self, names: Sequence[str]) -> list[Sample]:
        """Samples by name, in that order."""
        missing = [n for n in names if n not in self.samples]
        if missing:
            raise InputError(f"{self.root} lacks {len(missing)} images of the split, the first is {missing[0]}.")
        return [self.samples[n] for n in names]


def read_dataset(root: Path) -> Dataset:
    """Read a folder in HC18's layout: every image that has an annotation, checked against the CSV.

    Raises:
        UsageError: The folder or its parts are missing.
        InputError: An image without annotation or CSV row, or a value in the CSV that cannot be.
    """
    images, table = root / IMAGES, root / TABLE
    for wanted in (images, table):
        if not wanted.exists():
            raise UsageError(
                f"{root} is not laid out as HC18: {wanted.name} is missing. Give --data the folder that holds "
                f"{IMAGES}/ and {TABLE}."
            )
    rows = read_csv(table)
    samples = {}
    for path in sorted(p for p in images.glob("*.png") if not p.stem.endswith("_Annotation")):
        annotation = path.with_name(f"{path.stem}_Annotation.png")
        if not annotation.exists():
            raise InputError(
                f"{path} has no annotation: {annotation.name} is missing. Restore it or move the image away."
            )
        if path.name not in rows:
            raise InputError(f"{table} has no row for {path.name}. Add one, or move the image away.")
        pixel_size, hc = (_positive(rows[path.name], c, table, path.name) for c in (PIXEL_SIZE_COLUMN, HC_COLUMN))
        samples[path.name] = Sample(path.name, path, annotation, pixel_size, hc)
    if not samples:
        raise InputError(f"{images} holds no images (*.png).")
    return Dataset(root, samples, is_phantom=(root / phantom.MARKER).exists())


def _positive(row: dict[str, str], column: str, table: Path, name: str) -> float:
    try:
        value = float(row.get(column, ""))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{table}: '{column}' of {name} is {row.get(column)!r}; a number above 0 is needed.")
    return value


def find_local() -> Path | None:
    """The folder that holds HC18 on this machine: ``$HC18_DIR``, ``data/hc18``, ``../shared/hc18``; else None."""
    places = (os.environ.get("HC18_DIR"), LOCAL, Path("../shared/hc18"))
    return next((Path(place) for place in places if place and Path(place).exists()), None)


def find_data(data: str | None) -> Dataset:
    """Find the data: ``--data``, ``$HC18_DIR``, ``data/hc18``, ``../shared/hc18``, a download, else the phantom.

    Args:
        data: What the user gave as ``--data``: a folder, ``phantom``, ``download``, or None to search.

    Returns:
        The data set. The phantom is announced by its :attr:`Dataset.title`; callers print it.
    """
    if data == "phantom":
        return read_dataset(phantom.make_dataset(Path("data/phantom")))
    if data and data != "download":
        return read_dataset(Path(data))
    if not data and (place := find_local()):
        return read_dataset(place)
    from train.data.download import DownloadError, download

    try:
        return read_dataset(download(LOCAL))
    except DownloadError as error:
        if data == "download":
            raise
        print(
            f"HC18 is not at hand and could not be downloaded ({error})\nUsing the procedural phantom instead.",
            flush=True,
        )
        return read_dataset(phantom.make_dataset(Path("data/phantom")))


def hash_files(paths: Sequence[Path]) -> dict[str, str]:
    """sha256 of each file's bytes, by file name."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def hash_samples(samples: Sequence[Sample]) -> str:
    """One sha256 over names, images, annotations and CSV values: what a checkpoint says it was trained on."""
    digest = hashlib.sha256()
    for s in samples:
        digest.update(f"{s.name} {s.pixel_size_mm!r} {s.hc_mm!r}\n".encode())
        digest.update(s.path.read_bytes())
        digest.update(s.annotation.read_bytes())
    return digest.hexdigest()
