"""DICOM files: opened once, then any of their frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import FetalHeadError, InputError, UsageError
from edge_runtime.frame.dicom.header import MARK, MARK_AT, Header, read_header
from edge_runtime.frame.dicom.pixels import decode
from edge_runtime.frame.dicom.regions import Scale, find_scale
from edge_runtime.frame.image_files import check_frame_number, read_file

MAX_DICOM_BYTES = 1 << 29
"""Largest file that is read. It is held in memory as it is; frames are decoded one at a time."""


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark, whatever its name. False if it cannot be read, too: others say why."""
    try:
        if not path.is_file():  # a pipe would block
            return False
        with path.open("rb") as file:
            return has_mark(file.read(MARK_AT + len(MARK)))
    except OSError:
        return False


def has_mark(data: bytes) -> bool:
    """Whether a file, or its beginning, has DICOM's mark."""
    return data[MARK_AT : MARK_AT + len(MARK)] == MARK


@dataclass(frozen=True)
class DicomFile:
    """An open file.

    Attributes:
        path: Where it is.
        header: What it says about its picture.
        scale: The part of its frames to measure, and the pixel size.
        data: The file.
    """

    path: Path
    header: Header
    scale: Scale
    data: bytes

    def check_number(self, frame: int | None) -> int:
        """The number of the frame to measure, from 1.

        Raises:
            InputError: There are several, and none is chosen.
            UsageError: There is no such frame.
        """
        next_step = "(in Python: read_picture(path, frame=N)). The command stream plays all of them."
        return check_frame_number(self.path, self.header.frames, frame, next_step)

    def pixels(self, frame: int) -> NDArray[np.uint8]:
        """One frame, uint8 (H, W) or (H, W, 3).

        Args:
            frame: Its number, from 1.

        Raises:
            InputError: It is damaged.
            FetalHeadError: A package that decodes it is not installed.
        """
        try:
            return decode(self.data, self.header, frame)
        except InputError as error:
            raise _named(self.path, error) from None


def open_dicom(path: Path, region: int | None = None) -> DicomFile:
    """Open a DICOM file with an ultrasound image or clip.

    Args:
        path: The file.
        region: Which of several tissue regions to measure, from 1. None if there is one.

    Raises:
        UsageError: There is no such file or region.
        InputError: It cannot be read, or holds something else, or several regions and none is chosen.
        FetalHeadError: pydicom is not installed.
    """
    return parse_dicom(read_file(path, MAX_DICOM_BYTES), path, region)


def parse_dicom(data: bytes, path: Path, region: int | None = None) -> DicomFile:
    """Open a DICOM file that is in memory; arguments, result and errors are those of :func:`open_dicom`."""
    try:
        header = read_header(data)
        scale = find_scale(header.regions, header.size, header.spacing_mm, region)
    except (InputError, UsageError) as error:
        raise _named(path, error) from None
    return DicomFile(path, header, scale, data)


def place_in_series(path: Path) -> tuple[int, int]:
    """The numbers of a file's series and of its place in it, to sort files by. Zeros where it cannot be read."""
    try:
        return read_header(read_file(path, MAX_DICOM_BYTES)).place
    except FetalHeadError:  # told when it is its turn
        return 0, 0


def _named(path: Path, error: FetalHeadError) -> FetalHeadError:
    """The same error, with the file's name."""
    return type(error)(f"{path} cannot be measured: {error}.")
