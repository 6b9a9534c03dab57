"""Image files in and out, through Pillow (the extra ``images``)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.files import read_bounded, write_bytes
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, InputError, UsageError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "PPM", "WEBP")
"""What is decoded. Pillow knows dozens more, rarely used and less tested; for one of them it starts Ghostscript."""

MAX_IMAGE_BYTES = 1 << 28
"""Of a file: an uncompressed colour image of MAX_IMAGE_PIXELS, with room."""

MAX_IMAGE_PIXELS = 1 << 26
"""8192 x 8192. Some kilobytes of a file can claim billions, which would fill the memory of a small computer."""

_MODES = {"L": "L", "RGB": "RGB", "RGBA": "RGBA", "LA": "RGBA", "P": "RGBA", "1": "L"}


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an 8-bit image file.

    Args:
        path: PNG, JPEG, BMP, TIFF, GIF, PPM or WebP; grey, colour, palette, with or without alpha.

    Returns:
        uint8 (H, W), (H, W, 3) or (H, W, 4).

    Raises:
        UsageError: There is no such file.
        InputError: Not an image, a damaged or a huge one, or one of more than 8 bits a channel.
    """
    pil = require("PIL.Image")
    try:
        data = read_bounded(path, MAX_IMAGE_BYTES)
        with pil.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise InputError(
                    f"{path} says that it has {image.width} x {image.height} pixels; at most {MAX_IMAGE_PIXELS} are "
                    "decoded. Save it at the size it is displayed."
                )
            if image.mode not in _MODES:
                raise InputError(
                    f"{path} has pixels of mode {image.mode} (more than 8 bits, or not grey or RGB). "
                    "Save it as 8-bit grey or RGB, scaled as it is displayed."
                )
            return np.asarray(image.convert(_MODES[image.mode]))
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.") from error
    except FetalHeadError:
        raise
    except Exception as error:  # on damaged files Pillow raises nearly anything: struct.error, IndexError, ...
        raise InputError(f"{path} cannot be read as an image: {type(error).__name__}: {error!s:.300}.") from error


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
