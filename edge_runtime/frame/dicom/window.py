"""The window of grey pictures: how stored values are shown (PS3.3, C.11.2).

Viewers apply it, so it is what the person who scanned saw, and pictures that were exported, from which the networks
learned, have it in their pixels. Of several, which are other views of the same picture, the first is applied.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.errors import InputError

ELEMENTS = ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence")


def make_window(found: Any) -> NDArray[np.uint8] | None:
    """The grey that each stored value is shown as.

    Args:
        found: The data set of a picture with 8 bits, MONOCHROME1 or MONOCHROME2. The inversion of MONOCHROME1 comes
            after the window.

    Returns:
        uint8 (256,). None without a window.

    Raises:
        InputError: It cannot be applied. The file's name is missing from the message.
    """
    if not any(name in found for name in ELEMENTS):
        return None
    try:
        shown = require("pydicom.pixels").apply_voi_lut(np.arange(256, dtype=np.uint8), found)
        table = found.get("VOILUTSequence")
        most = (1 << int(table[0].LUTDescriptor[2])) - 1 if table else 255
        greys = np.asarray(shown, np.float64) * (255 / most)
        if not all(map(math.isfinite, greys)):
            raise ValueError
    except Exception as error:  # on damaged elements pydicom raises nearly anything; its text could quote the file
        raise InputError(f"its grey window cannot be applied ({type(error).__name__}). Export it again") from None
    return np.asarray(np.clip(np.rint(greys), 0, 255), np.uint8)
