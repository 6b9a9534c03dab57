"""Text files as other programs save them: with or without a byte-order mark."""

from __future__ import annotations

import codecs
from pathlib import Path

from edge_runtime.common.files import read_bounded

MAX_TEXT_BYTES = 1 << 26


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 with a byte-order mark (Excel's "Unicode text").

    Args:
        path: At most ``MAX_TEXT_BYTES`` long.

    Returns:
        The text without its mark, line ends as they are.

    Raises:
        OSError: It cannot be opened or read.
        ValueError: Too large, not a regular file, or in another encoding.
    """
    return decode_text(read_bounded(path, MAX_TEXT_BYTES))


def decode_text(data: bytes) -> str:
    """Decode the bytes of such a file.

    Raises:
        ValueError: It is in another encoding.
    """
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"byte {error.start} is not {encoding.removesuffix('-sig').upper()}; save it as UTF-8"
        ) from error
    if "\0" in text:
        raise ValueError("it holds null characters, so it is not UTF-8 text; save it as UTF-8")
    return text
