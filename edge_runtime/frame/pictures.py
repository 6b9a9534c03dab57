"""Files of every kind that is read: image files, and ultrasound in DICOM. One place tells which is which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import UsageError, shown
from edge_runtime.frame.dicom.files import MAX_DICOM_BYTES, DicomFile, has_mark, is_dicom, parse_dicom
from edge_runtime.frame.geometry import Box
from edge_runtime.frame.image_files import MAX_IMAGE_BYTES, decode_image, read_file
from edge_runtime.frame.pixel_sizes import PixelSize


@dataclass(frozen=True)
class Picture:
    """A frame from a file, and what the file says about it.

    Attributes:
        pixels: The whole frame as it is shown, uint8 (H, W), (H, W, 3) or (H, W, 4).
        part: The part of it that shows tissue, for :meth:`edge_runtime.Segmenter.measure`. None for all of it, if the
            file does not say.
        pixel_size_mm: (x, y). None if the file does not say it, or if it cannot be relied on.
        doubt: Why there is no pixel size, in a file that should have one. None for image files, which have none.
        burnt_in: Whether text that could identify the patient is part of the picture. None if the file does not say.
        dicom: Whether it comes from a DICOM file.
    """

    pixels: NDArray[np.uint8]
    part: Box | None = None
    pixel_size_mm: tuple[float, float] | None = None
    doubt: str | None = None
    burnt_in: bool | None = None
    dicom: bool = False

    @property
    def without_text(self) -> NDArray[np.uint8]:
        """The frame without what could identify the patient: black outside of the tissue, in a DICOM file.

        Scanners write the patient's name and the date around the picture, as pixels. A DICOM file that does not say
        where the tissue is gives a black frame, unless it says that nothing is burnt in.
        """
        if not self.dicom or self.burnt_in is False:
            return self.pixels
        clean = np.zeros_like(self.pixels)
        if self.part is not None:
            clean[self.part.slices] = self.pixels[self.part.slices]
        return clean


def read_picture(path: str | Path, frame: int | None = None, region: int | None = None) -> Picture:
    """Read a frame from a file, with its pixel size where the file has one.

    Args:
        path: An image file, as :func:`edge_runtime.read_image` reads it, or a DICOM file with an ultrasound image or
            clip. DICOM is recognized by its content.
        frame: Which frame of a file that holds several, from 1. None for a file that holds one.
        region: Which tissue region of a DICOM file that has several, from 1. None for a file that has one. Image files
            have no regions.

    Raises:
        UsageError: There is no such file, frame or region, or it is a folder.
        InputError: It cannot be read, or holds several frames or regions and none is chosen.
        FetalHeadError: A package is not installed.
    """
    path = Path(path)
    for name, number in (("frame", frame), ("region", region)):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
            raise UsageError(f"The {name} is {shown(number)}; {name}s are counted from 1.")
    return decode_picture(read_bytes(path), path, frame, region)


def read_bytes(path: Path) -> bytes:
    """A file with a picture, for :func:`decode_picture`.

    Raises:
        UsageError: There is no such file, or it is a folder.
        InputError: It cannot be read, or is too large.
    """
    return read_file(path, MAX_DICOM_BYTES if is_dicom(path) else MAX_IMAGE_BYTES)


def decode_picture(data: bytes, path: Path, frame: int | None = None, region: int | None = None) -> Picture:
    """Read a frame from a file that is in memory; result and errors are those of :func:`read_picture`.

    Args:
        data: The file.
        path: Its name, for messages and for what its suffix says. Nothing is read there.
        frame: Which frame of several, from 1.
        region: Which tissue region of several, from 1.
    """
    if not has_mark(data):
        return Picture(decode_image(data, path, frame))
    file = parse_dicom(data, path, region)
    return picture_of(file, file.check_number(frame))


def picture_of(file: DicomFile, frame: int) -> Picture:
    """One frame of an open DICOM file.

    Args:
        file: The file.
        frame: Its number, from 1.
    """
    scale = file.scale
    return Picture(file.pixels(frame), scale.part, scale.pixel_size_mm, scale.doubt, file.header.burnt_in, dicom=True)


def scale_of(
    picture: Picture, given: PixelSize | None, first: tuple[int, ...] | None
) -> tuple[PixelSize | None, str | None]:
    """The pixel size of a picture, and why there is none that can be used. What the user gave comes before the file's.

    Args:
        picture: The picture.
        given: What the user gave for it. None for the file's own.
        first: Shape of the first picture, if what the user gave is only for pictures of its size.
    """
    if given is None:
        return picture.pixel_size_mm, picture.doubt
    doubt = _doubt(picture.pixels, first) if first else None
    return None if doubt else given, doubt


def _doubt(frame: NDArray[np.uint8], first: tuple[int, ...]) -> str | None:
    """Why the pixel size may not hold for a frame. ``first`` is the shape of the first image."""
    if frame.shape[:2] == first[:2]:
        return None
    (height, width), (first_height, first_width) = frame.shape[:2], first[:2]
    return (
        f"the pixel size may not hold (this image is {width}x{height}, the pixel size was given for "
        f"{first_width}x{first_height}, the first image); measure images of one size in one call, give "
        "--pixel-size-csv, or add --any-size if it does hold"
    )
