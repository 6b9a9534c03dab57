"""The submission file of the HC18 challenge (hc18.grand-challenge.org): one ellipse for each of its test images.

Every image needs a row, so one that the runtime refuses gets the ellipse that it would not show.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.cli import clock, counted
from edge_runtime.common.files import write_bytes
from edge_runtime.errors import UsageError
from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.image_folders import canonical_name
from edge_runtime.frame.pixel_sizes import read_csv
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.segmenter import Segmenter
from train.data.hc18 import Sample
from train.data.pseudo_labels import UNLABELLED, UNLABELLED_TABLE, unlabelled_images

COLUMNS = ("filename", "center_x_mm", "center_y_mm", "semi_axes_a_mm", "semi_axes_b_mm", "angle_rad")
"""The longer semi-axis is a. The angle is that of the longer axis to the x axis, clockwise on a screen, 0 to pi."""

COMPLETE = 335
"""Images of the challenge. It takes no file that lacks some."""

SAY_EVERY_S = 10.0


@dataclass(frozen=True)
class Row:
    """One image of the submission.

    Attributes:
        name: File name.
        ellipse_mm: Its ellipse, scaled to mm from the centre of the upper left pixel; None if none could be fitted.
        reason: Why the runtime shows no circumference; None if it does.
    """

    name: str
    ellipse_mm: Ellipse | None
    reason: str | None


def find_images(root: Path) -> list[Sample]:
    """The challenge's images, each with its pixel size, in the order of their file names.

    Args:
        root: The folder that holds ``test_set`` and its table.

    Raises:
        UsageError: There are none, the table is missing, or an image or a row of the table lacks the other.
    """
    images = unlabelled_images(root)
    names = {canonical_name(image.path.name) for image in images}
    if missing := sorted(read_csv(root / UNLABELLED_TABLE).keys() - names):
        rows = counted(len(missing), "row")
        raise UsageError(
            f"{root / UNLABELLED_TABLE} has {rows} whose image is not in {root / UNLABELLED}, the first is "
            f"{missing[0]}. The challenge needs every image: restore them, or delete the rows."
        )
    return sorted(images, key=lambda image: image.name)


def make_rows(segmenter: Segmenter, images: Sequence[Sample], tell: Callable[[str], None]) -> list[Row]:
    """Measure images.

    Args:
        segmenter: The model, whose own limits apply.
        images: Images with pixel sizes; they need no annotations.
        tell: Takes a line of progress from time to time.

    Raises:
        InputError: An image cannot be read.
    """
    rows: list[Row] = []
    started = told = time.monotonic()
    for image in images:
        size = image.pixel_size_mm
        stages = segmenter.examine(read_image(image.path), size, own_limits=True)
        ellipse = stages.head.ellipse
        name = canonical_name(image.path.name)
        rows.append(Row(name, ellipse and ellipse.scaled(size, size), stages.verdict.reason))
        if (now := time.monotonic()) - told > SAY_EVERY_S:
            told = now
            left = (now - started) / len(rows) * (len(images) - len(rows))
            tell(f"  {len(rows)} of {len(images)} images, {clock(left)} left")
    return rows


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the submission, whole or not at all. An image without an ellipse gets zeros: there is nothing to score."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in rows:
        e = row.ellipse_mm or Ellipse(0.0, 0.0, 0.0, 0.0, 0.0)
        values = e.center_x, e.center_y, e.semi_major, e.semi_minor, math.radians(e.angle_deg)
        table.writerow([row.name, *(f"{value:.6f}" for value in values)])
    write_bytes(path, text.getvalue().encode())
