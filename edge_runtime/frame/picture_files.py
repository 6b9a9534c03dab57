"""Find the files that show pictures, in a list of files and folders: image files, and ultrasound in DICOM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge_runtime.errors import UsageError
from edge_runtime.frame.dicom.files import is_dicom, place_in_series
from edge_runtime.frame.image_folders import SUFFIXES, ImageFolder, list_images


def find_images(places: Sequence[Path]) -> tuple[list[Path], list[ImageFolder]]:
    """Find the images in a list of files and folders. In folders, files in DICOM count as images too.

    Args:
        places: Files and folders.

    Returns:
        The images in the order of ``places``, and the contents of the folders among them. In a folder, image files are
        sorted by name, and after them files in DICOM by the numbers of their series and of the image in it.

    Raises:
        UsageError: A file or folder does not exist, or a folder has no images.
    """
    images: list[Path] = []
    folders = []
    for place in places:
        if place.is_dir():
            found = _with_dicom(list_images(place))
            if not found.images:
                raise UsageError(f"{place} has no images ({', '.join(SUFFIXES)}, DICOM): {found}.")
            images += found.images
            folders.append(found)
        elif place.is_file():
            images.append(place)
        else:
            raise UsageError(f"There is no file {place}.")
    return images, folders


def _with_dicom(folder: ImageFolder) -> ImageFolder:
    """A folder's contents, with files in DICOM among its images. Many have no suffix."""
    dicom = [path for path in folder.left_out if not path.name.startswith(".") and is_dicom(path)]
    left_out = tuple(path for path in folder.left_out if path not in dicom)
    ordered = sorted(dicom, key=lambda path: (place_in_series(path), path.name))
    return replace(folder, images=(*folder.images, *ordered), left_out=left_out)
