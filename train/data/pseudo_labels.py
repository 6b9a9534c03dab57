"""Pseudo-labels: the head as networks outline it, in images without annotations and beside those. Free of torch."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.files import write_bytes
from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.pixel_sizes import NAME_COLUMN, PIXEL_SIZE_COLUMN, pixel_size_of, read_csv, to_number
from edge_runtime.head.ellipse import Ellipse
from train.data.hc18 import HC_COLUMN, IMAGES, MaskKind, Sample

UNLABELLED = "test_set"
"""HC18's challenge images, whose annotations are not published."""
UNLABELLED_TABLE = "test_set_pixel_size.csv"

SPREAD_COLUMN = "spread"
_ELLIPSE = tuple(field.name for field in fields(Ellipse))


@dataclass(frozen=True)
class PseudoSample(Sample):
    """An image with an outline that networks agreed on.

    Its ``name`` is its path within the data set, such as ``test_set/000_HC.png``: a file of this name is in
    ``training_set`` too. ``annotation`` is the table that it stands in.

    Attributes:
        outline: The ellipse in pixels.
        spread: How far the networks' circumferences lie apart: their standard deviation, relative to their mean.
    """

    outline: Ellipse
    spread: float

    def ellipse(self) -> Ellipse:
        """The outline."""
        return self.outline

    def mask(self, kind: MaskKind = "ellipse") -> NDArray[np.bool_]:
        """Its interior, bool (H, W), of either kind: nobody drew a line."""
        height, width = self.frame().shape
        return self.outline.interior((height, width))


def mean_ellipse(ellipses: Sequence[Ellipse]) -> Ellipse:
    """The ellipse in the middle of some.

    An ellipse is the unit circle mapped by a positive definite (2, 2) matrix and moved to its centre. The mean has the
    mean of both.
    """
    maps = [_root(ellipse) for ellipse in ellipses]
    centre = np.mean([(e.center_x, e.center_y) for e in ellipses], axis=0)
    return Ellipse(0.0, 0.0, 1.0, 1.0, 0.0).mapped(np.mean(maps, axis=0), centre)


def _root(ellipse: Ellipse) -> NDArray[np.float64]:
    angle = np.radians(ellipse.angle_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(turn @ np.diag([ellipse.semi_major, ellipse.semi_minor]) @ turn.T)


def write_pseudo_labels(path: Path, samples: Sequence[PseudoSample]) -> None:
    """Write a table, one row an image."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([NAME_COLUMN, PIXEL_SIZE_COLUMN, *_ELLIPSE, HC_COLUMN, SPREAD_COLUMN])
    for s in samples:
        ellipse = [f"{value:.3f}" for value in astuple(s.outline)]
        table.writerow([s.name, repr(s.pixel_size_mm), *ellipse, f"{s.hc_mm:.3f}", f"{s.spread:.4f}"])
    write_bytes(path, text.getvalue().encode())


def read_pseudo_labels(path: Path, root: Path) -> list[PseudoSample]:
    """Read a table and find its images.

    Args:
        path: The table.
        root: Folder in HC18's layout.

    Raises:
        UsageError: The table cannot be read.
        InputError: A number is missing or cannot be, or an image is not there.
    """
    samples = []
    for name, row in read_csv(path).items():
        values = {column: to_number(row.get(column) or "") for column in (*_ELLIPSE, HC_COLUMN, SPREAD_COLUMN)}
        if bad := [column for column, value in values.items() if value is None]:
            raise InputError(f"{path}: '{bad[0]}' of {name} is {row.get(bad[0])!r:.60}; a number is needed.")
        numbers = {column: value for column, value in values.items() if value is not None}
        outline = Ellipse(*(numbers[column] for column in _ELLIPSE))
        if not outline.semi_major >= outline.semi_minor > 0:
            raise InputError(f"{path}: the semi-axes of {name} are {outline.semi_major:g} and {outline.semi_minor:g}.")
        image = root / name
        if not image.is_file():
            raise InputError(f"{path} has a row for {name}, but there is no {image}. HC18's {UNLABELLED} is needed.")
        size = pixel_size_of({name: row}, name, path)
        samples.append(PseudoSample(name, image, path, size, numbers[HC_COLUMN], outline, numbers[SPREAD_COLUMN]))
    return samples


def learn_from(samples: Sequence[Sample], pseudo: Sequence[PseudoSample], limit: int | None = None) -> list[Sample]:
    """What to train on: the annotated images, then those that only networks have outlined.

    An annotated image that networks have outlined too gets the mean of both: it has less of the sonographer's chance.
    Outlines of other annotated images are not used, because these may judge.

    Args:
        samples: The training part.
        pseudo: Outlines of unlabelled images and of annotated ones.
        limit: Use only the first this many unlabelled images; None for all.
    """
    outlined = {one.name: one for one in pseudo}
    both = [(sample, outlined.get(f"{IMAGES}/{sample.name}")) for sample in samples]
    learned = [
        sample if one is None else replace(one, outline=mean_ellipse([sample.ellipse(), one.outline]))
        for sample, one in both
    ]
    unlabelled = [one for one in pseudo if one.name.startswith(f"{UNLABELLED}/")]
    return [*learned, *unlabelled[:limit]]


def unlabelled_images(root: Path) -> list[PseudoSample]:
    """The images without annotations of a folder in HC18's layout, not outlined yet.

    Raises:
        UsageError: There are none, or their table is missing or lacks one.
    """
    folder, table = root / UNLABELLED, root / UNLABELLED_TABLE
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}. HC18 has it: give --data the folder that holds {UNLABELLED}/.")
    rows = read_csv(table)
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise UsageError(f"{folder} holds no images.")
    return [blank(f"{UNLABELLED}/{path.name}", path, pixel_size_of(rows, path.name, table)) for path in paths]


def blank(name: str, path: Path, pixel_size_mm: float) -> PseudoSample:
    """An image that is not outlined yet.

    Args:
        name: Its path within the data set.
        path: Where it is.
        pixel_size_mm: Side of a pixel in mm.
    """
    return PseudoSample(name, path, path, pixel_size_mm, 0.0, Ellipse(0.0, 0.0, 1.0, 1.0, 0.0), 0.0)


def hash_pseudo_labels(samples: Sequence[PseudoSample]) -> str:
    """One sha256 over names, images and outlines."""
    digest = hashlib.sha256()
    for s in samples:
        digest.update(f"{s.name} {s.pixel_size_mm!r} {astuple(s.outline)!r}\n".encode())
        digest.update(s.path.read_bytes())
    return digest.hexdigest()
