"""Names of the files that are written for images: one PNG per image and folder, never over an image or each other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_runtime.errors import UsageError

_SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".pbm", ".pgm",
    ".ppm", ".pnm", ".webp", ".dcm", ".dicom",
)  # fmt: skip


def output_name(image: Path) -> str:
    """The file name of an image's mask or overlay: ``frame.jpg`` gives ``frame.png``.

    A suffix that is not one of an image format is part of the name: ``1.2.840`` gives ``1.2.840.png``.
    """
    stem = image.stem if image.suffix.lower() in _SUFFIXES else image.name
    return f"{stem}.png"


def check_folders(images: Sequence[Path], folders: Mapping[str, Path | None]) -> None:
    """Before anything is measured, refuse folders in which files would overwrite each other or an image.

    Args:
        images: All images that will be measured.
        folders: The folder of each option, by the option's name. None if the option is not given.

    Raises:
        UsageError: Two images give the same file, a folder holds an image that is measured, two options name the same
            folder, or a folder cannot be written.
    """
    given = {option: folder for option, folder in folders.items() if folder is not None}
    if not given:
        return
    _check_names(images, " and ".join(given))
    places: dict[Path, str] = {}
    for option, folder in given.items():
        place = folder.resolve()
        if place in places:
            raise UsageError(f"{places[place]} and {option} name the same folder, {folder}. Give each its own.")
        places[place] = option
        if any(image.parent.resolve() == place for image in images):
            raise UsageError(
                f"{option} {folder} is the images' own folder, so images would be overwritten. Name another."
            )
        _check_inputs(images, option, folder)
        there = next(parent for parent in (place, *place.parents) if parent.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise UsageError(f"{option} {folder} cannot be written. Name a folder you may write to.")


def _check_names(images: Sequence[Path], options: str) -> None:
    by_name: dict[str, list[Path]] = {}
    for image in images:
        by_name.setdefault(os.path.normcase(output_name(image)), []).append(image)
    twice = [found for found in by_name.values() if len(found) > 1]
    if twice:
        first, second = twice[0][:2]
        raise UsageError(
            f"With {options}, some files would be written twice ({len(twice)}): {first} and {second} would both give "
            f"{output_name(first)}, and one would overwrite the other. Measure them in two calls, into two folders."
        )


def _check_inputs(images: Sequence[Path], option: str, folder: Path) -> None:
    """Refuse to overwrite an image through another path to it, such as a link."""
    known = {(status.st_dev, status.st_ino) for image in images if (status := _status(image))}
    for image in images:
        status = _status(folder / output_name(image))
        if status and (status.st_dev, status.st_ino) in known:
            raise UsageError(
                f"{option} {folder} holds {output_name(image)}, which is one of the images and would be overwritten. "
                "Name another folder."
            )


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
