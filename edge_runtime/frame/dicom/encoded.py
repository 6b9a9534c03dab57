"""What a compressed stream says of itself, read before a decoder makes room for it.

A stream of some kilobytes can claim to hold billions of pixels. One that differs from its file's header is damaged, or
was exchanged, and then the pixel size would not be its own.
"""

from __future__ import annotations

from typing import NamedTuple

_START = b"\xff\x4f\xff\x51"  # SOC and SIZ of a JPEG 2000 codestream
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG frame header; 0xF7 is that of JPEG-LS."""


class Stream(NamedTuple):
    """The size of a compressed picture in pixels, its channels, and its bits a channel."""

    height: int
    width: int
    channels: int
    bits: int


def look_into(stream: bytes, kind: str) -> Stream | None:
    """What a compressed picture says of itself.

    Args:
        stream: The picture.
        kind: ``jpeg``, for JPEG-LS too, or ``jpeg 2000``.

    Returns:
        None if it does not say it, and so is damaged.
    """
    return _jpeg(stream) if kind == "jpeg" else _jpeg_2000(stream)


def _jpeg(stream: bytes) -> Stream | None:
    """From the frame header (ITU-T T.81, B.2.2; T.87, C.2.2)."""
    at = 2
    while stream[:2] == b"\xff\xd8" and at + 10 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in _FRAMES:
            height, width = (int.from_bytes(stream[k : k + 2], "big") for k in (at + 5, at + 7))
            return Stream(height, width, stream[at + 9], stream[at + 4])
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None


def _jpeg_2000(stream: bytes) -> Stream | None:
    """From the image and tile sizes (ITU-T T.800, A.5.1). Some files have the boxes of JP2 around the codestream."""
    at = stream[:4096].find(_START)
    if at < 0 or len(stream) < at + 43:
        return None
    right, bottom, left, top = (int.from_bytes(stream[k : k + 4], "big") for k in range(at + 8, at + 24, 4))
    channels, depth = int.from_bytes(stream[at + 40 : at + 42], "big"), stream[at + 42]
    return Stream(bottom - top, right - left, channels, (depth & 0x7F) + 1)
