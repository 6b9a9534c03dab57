"""Pseudo-labels: the head as networks outline it, in images without annotations and beside those. Free of torch."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.cli import counted
from edge_runtime.common.files import write_bytes
from edge_runtime.common.text import read_text
from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.image_folders import canonical_name, list_images
from edge_runtime.frame.pixel_sizes import NAME_COLUMN, PIXEL_SIZE_COLUMN, pixel_size_of, read_csv, to_number
from edge_runtime.head.ellipse import Ellipse
from train.data.hc18 import HC_COLUMN, IMAGES, MaskKind, Sample

UNLABELLED = "test_set"
"""HC18's challenge images, whose annotations are not published."""
UNLABELLED_TABLE = "test_set_pixel_size.csv"

SPREAD_COLUMN = "spread"
TRAINED_ON = "trained_on"
"""In the record beside a table: the images that its networks were trained on."""

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
    places = {f"{folder}/{name}": image for folder in (IMAGES, UNLABELLED) for name, image in _images(root / folder)}
    rows = read_csv(path)
    for name, row in rows.items():
        outline = Ellipse(*(_number(row, column, path) for column in _ELLIPSE))
        hc_mm, spread = (_number(row, column, path) for column in (HC_COLUMN, SPREAD_COLUMN))
        if not outline.semi_major >= outline.semi_minor > 0:
            raise InputError(f"{path}: the semi-axes of {name} are {outline.semi_major:g} and {outline.semi_minor:g}.")
        if name not in places:
            raise InputError(
                f"{path} has a row for {name}, but there is no {root / name}. HC18's {UNLABELLED} is needed."
            )
        samples.append(PseudoSample(name, places[name], path, pixel_size_of(rows, name, path), hc_mm, outline, spread))
    return samples


def _images(folder: Path) -> list[tuple[str, Path]]:
    """Name and place of each image in a folder; none if there is no folder."""
    return [(canonical_name(path.name), path) for path in list_images(folder).images] if folder.is_dir() else []


def _number(row: dict[str, str], column: str, path: Path) -> float:
    value = to_number(row.get(column) or "")
    if value is None or not math.isfinite(value):
        raise InputError(f"{path}: '{column}' of {row[NAME_COLUMN]} is {row.get(column)!r:.60}; a number is needed.")
    return value


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


def check_unseen(table: Path, judging: Collection[str]) -> None:
    """Refuse outlines by networks that were trained on images that are to judge.

    Args:
        table: The outlines. The record beside it names the images that the networks were trained on.
        judging: Names of the images of the validation and test parts.

    Raises:
        UsageError: There is no such record, or one of these images is in it.
    """
    record = table.with_suffix(".json")
    try:
        trained_on = set(json.loads(read_text(record))[TRAINED_ON])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{record} does not say which images the networks of {table.name} were trained on: {type(error).__name__}. "
            "Keep both files together, or make them anew: python -m train.pseudo_label --help"
        ) from error
    refuse_seen(f"a network of {table}", trained_on, judging)


def refuse_seen(networks: str, trained_on: Collection[str], judging: Collection[str]) -> None:
    """Refuse networks that have seen images that are to judge what is trained on their outlines.

    Args:
        networks: Which, for the message.
        trained_on: Names of the images that they were trained on.
        judging: Names of the images of the validation and test parts.

    Raises:
        UsageError: An image is in both.
    """
    if seen := sorted(set(trained_on) & set(judging)):
        raise UsageError(
            f"{networks} was trained on {counted(len(seen), 'image')} of the parts that judge, the first is {seen[0]}. "
            "Take networks that were trained on this division of the data: the same split, with the same lists. "
            "If your images only have the same names, rename them."
        )


def unlabelled_images(root: Path) -> list[PseudoSample]:
    """The images without annotations of a folder in HC18's layout, not outlined yet.

    Raises:
        UsageError: There are none, or their table is missing or lacks one.
    """
    folder, table = root / UNLABELLED, root / UNLABELLED_TABLE
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}. HC18 has it: name the folder that holds {UNLABELLED}/.")
    rows = read_csv(table)
    images = _images(folder)
    if not images:
        raise UsageError(f"{folder} holds no images.")
    return [blank(f"{UNLABELLED}/{name}", path, pixel_size_of(rows, name, table)) for name, path in images]


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
