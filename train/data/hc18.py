"""HC18 as published: find it, list its images, read their table. Needs numpy and Pillow only."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.cli import say
from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.image_folders import ANNOTATION, SUFFIXES, canonical_name, left_out_note, list_images
from edge_runtime.frame.pixel_sizes import PIXEL_SIZE_COLUMN, read_csv, to_number
from edge_runtime.frame.preprocess import to_gray
from edge_runtime.head.components import fill_holes
from edge_runtime.head.ellipse import Ellipse
from train.data import phantom
from train.data.annotation import Annotation, marked_pixels, read_annotation

MaskKind = Literal["ellipse", "contour"]

IMAGES = "training_set"
TABLE = "training_set_pixel_size_and_HC.csv"
LOCAL = Path("data/hc18")
"""Where a download is put, and looked for."""
HC_COLUMN = "head circumference (mm)"

_NAME = re.compile(r"\d{3}_[2-4]?HC\.png")
"""Of HC18's images."""


def exam_of(image: str) -> str:
    """The exam that an image belongs to, by its name: what stands before ``_``."""
    return image.split("_")[0]


@dataclass(frozen=True)
class Sample:
    """One image with its reference.

    Attributes:
        name: File name, e.g. ``010_HC.png``; its suffix is in lower case, also where the file's is not.
        path: The image.
        annotation: The outline drawn by the sonographer, or a filled mask, same size.
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
        return exam_of(self.name)

    def frame(self) -> NDArray[np.uint8]:
        """The image in grey, uint8 (H, W)."""
        pixels = read_image(self.path)
        try:
            return to_gray(pixels)
        except InputError as error:  # it knows the pixels only
            raise InputError(f"{self.path}: {error}") from error

    @cached_property
    def reference(self) -> Annotation:
        """The annotation and its ellipse, read once."""
        return read_annotation(self.annotation, self.pixel_size_mm, self.hc_mm)

    def ellipse(self) -> Ellipse:
        """The reference ellipse in pixels: through the middle of the annotated line, or of a filled mask."""
        return self.reference.ellipse

    def mask(self, kind: MaskKind = "ellipse") -> NDArray[np.bool_]:
        """The reference mask, bool (H, W).

        Args:
            kind: ``ellipse`` is the interior of :meth:`ellipse`. ``contour`` is the paper's mask, the outline filled
                with its line (where the outline leaves the frame and a fill would leak, the interior is added).
        """
        reference = self.reference
        interior = reference.ellipse.interior(reference.shape)
        if kind == "ellipse":
            return interior
        filled = fill_holes(marked_pixels(self.annotation))
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


@dataclass(frozen=True)
class Dataset:
    """HC18, other images in its layout, or the phantom.

    Attributes:
        root: Folder in the published layout.
        samples: By file name, sorted.
        is_phantom: True where these are procedural images, not ultrasound.
        left_out: Files among the images that are not read: hidden, of another format, or an annotation without image.
        rows_without_image: Rows of the table whose image is not there.
        checked: Names of the samples that :func:`train.data.check.check_samples` has passed.
    """

    root: Path
    samples: dict[str, Sample]
    is_phantom: bool
    left_out: tuple[Path, ...] = ()
    rows_without_image: int = 0
    checked: set[str] = field(default_factory=set, compare=False, repr=False)

    @property
    def title(self) -> str:
        """For announcements and manifests. HC18 is known by the names of its images."""
        if self.is_phantom:
            return "procedural phantom (not ultrasound)"
        return "HC18" if all(map(_NAME.fullmatch, self.samples)) else "own data"

    @property
    def summary(self) -> str:
        """What was found and what was left out, in one line."""
        parts = [f"{self.title}, {len(self.samples)} images in {self.root}", *left_out_note(self.left_out)]
        if self.rows_without_image:
            rows = f"{self.rows_without_image} row{'s' * (self.rows_without_image != 1)}"
            parts.append(f"{rows} of the table without an image")
        return ", ".join(parts)

    def select(self, names: Sequence[str]) -> list[Sample]:
        """Samples by name, in that order."""
        missing = [n for n in names if n not in self.samples]
        if missing:
            raise InputError(f"{self.root} lacks {len(missing)} images of the split, the first is {missing[0]}.")
        return [self.samples[n] for n in names]


def read_dataset(root: Path) -> Dataset:
    """Read a folder in HC18's layout: its images, their annotations and their rows in the table.

    If the table has no column of circumferences, they are those of the annotations' ellipses. What the images hold is
    checked by :func:`train.data.check.check_samples`, for those that are used.

    Raises:
        UsageError: The folder or its parts are missing, or the table cannot be read.
        InputError: An image has no annotation, no row or two files, or a value in the table cannot be.
    """
    _check_layout(root)
    folder, table = list_images(root / IMAGES), root / TABLE
    rows = read_csv(table)
    columns = list(next(iter(rows.values())))
    if HC_COLUMN not in columns and any("circumference" in column.lower() for column in columns):
        raise UsageError(f"{table} has no column '{HC_COLUMN}'; its columns are {columns!s:.300}. Rename its column.")
    annotations: dict[str, Path] = {}
    for path in folder.annotations:
        if (first := annotations.setdefault(path.stem[: -len(ANNOTATION)], path)) != path:
            raise InputError(f"{first} and {path.name} are annotations of one image. Move one away.")
    samples: dict[str, Sample] = {}
    for path in folder.images:
        name = canonical_name(path.name)
        if name in samples:
            raise InputError(f"{samples[name].path} and {path.name} are two files of one image. Move one away.")
        samples[name] = _sample(name, path, annotations.get(path.stem), rows.get(name), table)
    if not samples:
        raise InputError(f"{folder.path} holds no images ({', '.join(SUFFIXES)}): {folder}.")
    used = {sample.annotation for sample in samples.values()}
    left_out = (*folder.left_out, *(path for path in folder.annotations if path not in used))
    is_phantom = (root / phantom.MARKER).exists()
    return Dataset(root, samples, is_phantom, left_out, len(rows.keys() - samples.keys()))


def _check_layout(root: Path) -> None:
    if not root.exists():
        raise UsageError(f"There is no folder {root}. Give --data the folder that holds {IMAGES}/ and {TABLE}.")
    if not root.is_dir():
        raise UsageError(f"{root} is a file. Give --data the folder that holds {IMAGES}/ and {TABLE}.")
    missing = [name for name, is_there in ((IMAGES, Path.is_dir), (TABLE, Path.is_file)) if not is_there(root / name)]
    if not missing:
        return
    if not any(root.iterdir()):
        raise UsageError(f"{root} is empty. Give --data the folder that holds {IMAGES}/ and {TABLE}.")
    inside = root.name == IMAGES and (root.parent / TABLE).exists()
    raise UsageError(
        f"{root} is not laid out as HC18: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. "
        f"Give --data {root.parent if inside else f'the folder that holds {IMAGES}/ and {TABLE}'}."
    )


def _sample(name: str, path: Path, annotation: Path | None, row: dict[str, str] | None, table: Path) -> Sample:
    if annotation is None:
        wanted = f"{path.stem}{ANNOTATION}{path.suffix}"
        raise InputError(f"{path} has no annotation: {wanted} is missing. Restore it or move the image away.")
    if row is None:
        raise InputError(f"{table} has no row for {name}. Add one, or move the image away.")
    pixel_size = _positive(row[PIXEL_SIZE_COLUMN], PIXEL_SIZE_COLUMN, table, name)
    if HC_COLUMN in row:
        hc = _positive(row[HC_COLUMN], HC_COLUMN, table, name)
    else:
        hc = read_annotation(annotation, pixel_size, None).measured_mm
    return Sample(name, path, annotation, pixel_size, hc)


def _positive(text: str, column: str, table: Path, name: str) -> float:
    value = to_number(text)
    if value is None or not (math.isfinite(value) and value > 0):
        comma = ", with a decimal point" if "," in text else ""
        raise InputError(f"{table}: '{column}' of {name} is {text!r:.60}; a number above 0 is needed{comma}.")
    return value


def find_local() -> Path | None:
    """The folder that holds HC18 on this machine: ``$HC18_DIR``, ``data/hc18``, ``../shared/hc18``; else None.

    Raises:
        UsageError: ``$HC18_DIR`` names a folder that does not exist.
    """
    named = os.environ.get("HC18_DIR")
    if named:
        if not Path(named).exists():
            raise UsageError(
                f"$HC18_DIR is {named}, which does not exist. Correct it, or unset it to search elsewhere."
            )
        return Path(named)
    return next((place for place in (LOCAL, Path("../shared/hc18")) if place.exists()), None)


def find_data(data: str | None) -> Dataset:
    """Find the data: ``--data``, ``$HC18_DIR``, ``data/hc18``, ``../shared/hc18``, a download, else the phantom.

    Args:
        data: What the user gave as ``--data``: a folder, ``phantom``, ``download``, or None to search.

    Returns:
        The data set. Callers print its :attr:`Dataset.summary`, which says where it is the phantom.
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
        say(f"HC18 was not found and cannot be downloaded: {error}\nUsing the procedural phantom instead.")
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
