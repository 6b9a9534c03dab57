"""The image files of a folder: the one place that decides what counts as an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.cli import printable
from edge_runtime.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pbm", ".pgm", ".ppm")
"""In any case. Files of the formats that :func:`edge_runtime.frame.image_files.read_image` decodes."""

ANNOTATION = "_Annotation"
"""End of the name of a drawn outline, which HC18 keeps beside its image. It is not a frame."""

_NAMED = 3
"""Files named in a note; the others are only counted."""


@dataclass(frozen=True)
class ImageFolder:
    """What a folder holds, each part sorted by name.

    Attributes:
        path: The folder.
        images: Its image files.
        annotations: The outlines drawn on them.
        left_out: Everything else: hidden files, other formats, folders.
    """

    path: Path
    images: tuple[Path, ...]
    annotations: tuple[Path, ...]
    left_out: tuple[Path, ...]

    def __str__(self) -> str:
        parts = [_count(len(self.images), "image")]
        parts += [_count(len(self.annotations), "annotation")] if self.annotations else []
        return ", ".join([*parts, *left_out_note(self.left_out)])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def left_out_note(paths: Sequence[Path]) -> list[str]:
    """What to say about files that are left out: their number and the first names; nothing where there are none."""
    if not paths:
        return []
    names = [printable(path.name) for path in paths[:_NAMED]]
    return [f"{len(paths)} left out: {', '.join(names)}{', ...' if len(paths) > _NAMED else ''}"]


def canonical_name(name: str) -> str:
    """A file name with its suffix in lower case: ``000_HC.PNG`` and ``000_HC.png`` mean one image."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}{dot}{suffix.lower()}" if dot else name


def list_images(folder: Path) -> ImageFolder:
    """List a folder, not the folders in it.

    Hidden files are not images. macOS writes one (``._NAME.png``) beside each file on a disk that is not its own.

    Raises:
        UsageError: The folder cannot be read.
    """
    images, annotations, left_out = [], [], []
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES or not path.is_file():
                left_out.append(path)
            elif path.stem.lower().endswith(ANNOTATION.lower()):
                annotations.append(path)
            else:
                images.append(path)
    except OSError as error:
        raise UsageError(f"{folder} cannot be read as a folder of images: {error}.") from error
    return ImageFolder(folder, tuple(images), tuple(annotations), tuple(left_out))


def find_images(places: Sequence[Path]) -> tuple[list[Path], list[ImageFolder]]:
    """The image files that are named, and those in the folders that are named.

    Args:
        places: Files and folders.

    Returns:
        The images in the order of ``places``, and the folders that were listed.

    Raises:
        UsageError: There is no such file or folder, or a folder holds no image.
    """
    images: list[Path] = []
    folders = []
    for place in places:
        if place.is_dir():
            found = list_images(place)
            if not found.images:
                raise UsageError(f"{place} holds no images ({', '.join(SUFFIXES)}): {found}.")
            images += found.images
            folders.append(found)
        elif place.is_file():
            images.append(place)
        else:
            raise UsageError(f"There is no file {place}.")
    return images, folders
