"""Palette colours: the tables of a file, and the pictures they give (PS3.3, C.7.6.3.1.5 and C.7.9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_ENTRIES = 1 << 16


@dataclass(frozen=True)
class Palette:
    """A table of colours.

    Attributes:
        first: The stored value that the first entry is for. Lower values get the first entry, too high ones the last.
        colors: uint8 (N, 3), RGB.
    """

    first: int
    colors: NDArray[np.uint8]

    def apply(self, stored: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint8]:
        """The colours of stored values (H, W), uint8 (H, W, 3)."""
        most = int(np.iinfo(stored.dtype).max)
        entry = np.clip(np.arange(most + 1) - self.first, 0, len(self.colors) - 1)
        return np.asarray(self.colors[entry][stored])


def make_palette(
    descriptor: tuple[int, int, int], tables: tuple[bytes, ...], big_endian: bool, segmented: bool
) -> Palette:
    """Make a palette from what a file holds.

    Args:
        descriptor: Number of entries (0 is 65,536), first stored value, bits of an entry.
        tables: Red, green and blue, as they are in the file.
        big_endian: Whether the file's numbers begin with the highest byte.
        segmented: Whether the tables are compressed as segments.

    Raises:
        ValueError: The tables do not hold what the descriptor says.
    """
    count = descriptor[0] or MAX_ENTRIES
    if descriptor[2] not in (8, 16) or not 0 < count <= MAX_ENTRIES:
        raise ValueError("the palette's description cannot be")
    channels = [_channel(table, count, descriptor[2], big_endian, segmented) for table in tables]
    values = np.stack(channels, axis=1)
    # Tables of 16 bits use all of them, but some scanners write 8 bits into 16.
    if descriptor[2] == 16 and values.max() > 255:
        values >>= 8
    return Palette(descriptor[1], values.astype(np.uint8))


def _channel(table: bytes, count: int, bits: int, big_endian: bool, segmented: bool) -> NDArray[np.uint16]:
    if not segmented and len(table) in (count, count + 1) and count > 1:  # entries of 8 bits, two in a word
        pairs = np.frombuffer(table[: len(table) // 2 * 2], np.uint8).reshape(-1, 2)
        return pairs[:, :: -1 if big_endian else 1].reshape(-1)[:count].astype(np.uint16)
    words = np.frombuffer(table[: len(table) // 2 * 2], ">u2" if big_endian else "<u2").astype(np.uint16)
    if segmented:
        if bits == 8:
            raise ValueError("segments of 8 bits are not read")
        words = np.array(_expand(words.tolist(), count), np.uint16)
    if len(words) < count:
        raise ValueError(f"the palette has {len(words)} of {count} entries")
    return words[:count]


def _expand(words: list[int], count: int) -> list[int]:
    """Expand segments, discrete and linear ones, to at most ``count`` entries."""
    values: list[int] = []
    at = 0
    while len(values) < count and at + 2 < len(words):
        kind, length = words[at], words[at + 1]
        if kind == 0:
            values += words[at + 2 : at + 2 + length]
            at += 2 + length
        elif kind == 1 and values:
            start, end = values[-1], words[at + 2]
            values += [round(start + (end - start) * k / length) for k in range(1, length + 1)]
            at += 3
        else:
            raise ValueError(f"palette segments of kind {kind} are not read")
    return values
