"""Damage to bytes."""

from __future__ import annotations

import numpy as np


def flip(data: bytes, bit: int) -> bytes:
    """The bytes with one bit flipped."""
    at = bit // 8
    return data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1 :]


def damage(rng: np.random.Generator, data: bytes, grow: bool = False) -> bytes:
    """Damage bytes in a random way: flip bits, cut, leave out, zero, repeat, insert or append.

    Args:
        rng: Makes the choices.
        data: The bytes; empty bytes stay as they are.
        grow: Whether bytes may be inserted in the middle too.
    """
    if not data:
        return data
    kind = rng.integers(8 if grow else 6)
    at = int(rng.integers(len(data)))
    length = int(rng.integers(1, 20))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes(length) + data[at + length :]
    if kind == 2:
        return data + rng.bytes(length)
    if kind == 3:
        return data[:at] + data[at + length :]
    if kind == 6:
        return data[:at] + rng.bytes(length) + data[at:]
    if kind == 7:
        return data[:at] + data[max(0, at - 50) : at] * int(rng.integers(1, 50)) + data[at:]
    for _ in range(1 if kind == 4 else int(rng.integers(2, 9))):
        data = flip(data, int(rng.integers(len(data) * 8)))
    return data
