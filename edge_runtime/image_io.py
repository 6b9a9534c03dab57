"""Image files in and out, through Pillow (the extra ``images``)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError, UsageError
from edge_runtime.files import write_bytes
from edge_runtime.optional import require

_MODES = {"L": "L", "RGB": "RGB", "RGBA": "RGBA", "LA": "RGBA", "P": "RGBA", "1": "L"}


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an 8-bit image file.

    Args:
        path: PNG, JPEG, BMP or whatever else Pillow reads; grey, colour, palette, with or without alpha.

    Returns:
        uint8 (H, W), (H, W, 3) or (H, W, 4).

    Raises:
        UsageError: There is no such file.
        InputError: Not an image, a damaged one, or one of more than 8 bits a channel.
    """
    pil = require("PIL.Image")
    try:
        with pil.open(path) as image:
            if image.mode not in _MODES:
                raise InputError(
                    f"{path} has pixels of mode {image.mode} (more than 8 bits, or not grey or RGB). "
                    "Save it as 8-bit grey or RGB, scaled as it is displayed."
                )
            return np.asarray(image.convert(_MODES[image.mode]))
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.") from error
    except (OSError, SyntaxError, ValueError, pil.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as an image: {error}.") from error


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Write a mask as an 8-bit PNG, 0 and 255, whole or not at all.

    Args:
        path: Where to; its folder is made.
        mask: bool (H, W).

    Raises:
        UsageError: The place cannot be written.
    """
    buffer = io.BytesIO()
    require("PIL.Image").fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())
