"""Find the image files in a folder. Only this module decides what counts as an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.cli import counted, printable
from edge_runtime.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pbm", ".pgm", ".ppm")
"""Suffixes of the formats that :func:`edge_runtime.frame.image_files.read_image` decodes. Case does not matter."""

ANNOTATION = "_Annotation"
"""HC18 keeps a drawn outline beside each image, in a file whose name ends like this. It is not a frame."""

_NAMED = 3
"""Number of files that a note names. The others are only counted."""


@dataclass(frozen=True)
class ImageFolder:
    """The contents of a folder, each part sorted by name.

    Attributes:
        path: The folder.
        images: Its image files.
        annotations: Its files of drawn outlines.
        left_out: Everything else: hidden files, other formats, folders.
    """

    path: Path
    images: tuple[Path, ...]
    annotations: tuple[Path, ...]
    left_out: tuple[Path, ...]

    def __str__(self) -> str:
        parts = [counted(len(self.images), "image")]
        parts += [counted(len(self.annotations), "annotation")] if self.annotations else []
        return ", ".join([*parts, *left_out_note(self.left_out)])


def left_out_note(paths: Sequence[Path]) -> list[str]:
    """A note on the files that are left out: how many, and the first names. Empty if there are none."""
    if not paths:
        return []
    names = [printable(path.name) for path in paths[:_NAMED]]
    return [f"{len(paths)} left out: {', '.join(names)}{', ...' if len(paths) > _NAMED else ''}"]


def canonical_name(name: str) -> str:
    """A file name with its suffix in lower case, since ``000_HC.PNG`` and ``000_HC.png`` are the same image."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}{dot}{suffix.lower()}" if dot else name


def list_images(folder: Path) -> ImageFolder:
    """List the files of a folder, without its subfolders.

    Hidden files are not images. On foreign disks, macOS writes one (``._NAME.png``) beside every file.

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
