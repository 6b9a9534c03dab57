"""Image files and DICOM clips as a source of frames, at the pace of a probe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edge_runtime.errors import FetalHeadError
from edge_runtime.frame.dicom.files import is_dicom, open_dicom
from edge_runtime.frame.pictures import Picture, picture_of, read_picture, scale_of
from edge_runtime.frame.pixel_sizes import PixelSize
from edge_runtime.streaming.slot import Frame, Item


@dataclass(frozen=True)
class Shot:
    """One frame to show.

    Attributes:
        path: Its file.
        frame: Its number in the file, from 1. None for a file that holds one.
    """

    path: Path
    frame: int | None = None

    @property
    def name(self) -> str:
        """The file's name, and which frame of it."""
        return self.path.name if self.frame is None else f"{self.path.name} #{self.frame}"


def find_shots(images: Sequence[Path], frame: int | None, region: int | None) -> list[Shot]:
    """The frames of files: all of a DICOM clip, one of any other file.

    Args:
        images: The files.
        frame: Show this frame of each file, not all of a clip.
        region: As in :func:`edge_runtime.frame.pictures.read_picture`.
    """
    shots: list[Shot] = []
    for image in images:
        count = 1
        if frame is None and is_dicom(image):
            try:
                count = open_dicom(image, region).header.frames
            except FetalHeadError:  # told when it is its turn, as a driver would
                count = 1
        shots += [Shot(image, frame)] if count == 1 else [Shot(image, n) for n in range(1, count + 1)]
    return shots


def replay(
    shots: Sequence[Shot],
    pixel_size: Callable[[Path], PixelSize | None],
    fps: float,
    loops: int,
    seconds: float,
    *,
    region: int | None = None,
    one_size: bool = False,
    keep_text: bool = True,
) -> Iterator[Item]:
    """Read frames at the pace of a probe. After a delay it does not catch up, just as a probe would not.

    Args:
        shots: The frames. If one cannot be read, its error is given instead, as a driver would.
        pixel_size: Function from a file to the pixel size in mm that the user gave, one number or (x, y). None for the
            file's own, if it has one.
        fps: Frames per second.
        loops: How often all files are shown.
        seconds: Time after which no more frames are given.
        region: As in :func:`edge_runtime.frame.pictures.read_picture`.
        one_size: The pixel size is one number for frames of the first one's size. Image files are then given without
            it, since the stream has it and notices a change of size.
        keep_text: Give whole frames of DICOM files, with what scanners write around the tissue. False for a screen.
    """
    opened = lru_cache(maxsize=1)(lambda path: open_dicom(path, region))  # a clip is read once, not once per frame

    def read(shot: Shot) -> Picture:
        if not is_dicom(shot.path):
            return read_picture(shot.path, shot.frame)
        file = opened(shot.path)
        return picture_of(file, file.check_number(shot.frame))

    begun = due = time.monotonic()
    first: tuple[int, ...] | None = None
    for _ in range(loops):
        for shot in shots:
            try:
                picture = read(shot)
                first = first or picture.pixels.shape
                size, doubt = scale_of(picture, pixel_size(shot.path), first if one_size else None)
                pixels = picture.pixels if keep_text else picture.without_text
                bare = one_size and not picture.dicom
                item: Item = pixels if bare else Frame(pixels, size, picture.part, doubt)
            except FetalHeadError as error:
                item = error
            now = time.monotonic()
            due = max(due, now)
            if due - begun >= seconds:
                return
            time.sleep(due - now)
            yield item
            due += 1 / fps
