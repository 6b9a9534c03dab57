"""Photographs of other things than heads, which bad frames are made from."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.image_folders import list_images
from edge_runtime.frame.preprocess import to_gray

_NO_PHOTOGRAPH = (
    "logo",
    "logo2",
    "phantom",
    "microaneurysms",
    "color",
    "motorcycle_right",
    "chessboard_GRAY",
    "chessboard_RGB",
)
"""Files that are left out: drawings, a photograph that is too small, and the second of a stereo pair."""


def photographs(part: int, parts: int = 3) -> dict[str, NDArray[np.uint8]]:
    """Load a share of the photographs that installed packages contain (scikit-image, Matplotlib), by name.

    Args:
        part: Index of the share, 0 to ``parts`` - 1. No photograph is in two shares.
        parts: Number of shares.
    """
    found = []
    for package, folder in (("skimage", "data"), ("matplotlib", "mpl-data/sample_data")):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            place = Path(spec.origin).parent / folder
            if place.is_dir():
                found += [p for p in list_images(place).images if p.suffix in (".png", ".jpg")]
    found = sorted((p for p in found if p.stem not in _NO_PHOTOGRAPH), key=lambda p: p.name)
    return {p.stem: to_gray(read_image(p)) for p in found[part::parts]}
