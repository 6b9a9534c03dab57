"""The seal of a manifest: the sha256 of the file's own bytes, so that any changed bit is noticed.

A sealed file begins with ``{``, a new line and ``  "seal": "<64 digits>"``. The digits are the sha256, in lower case,
of the file with 64 zeros in their place. A seal reveals a damaged or hand-edited file. Only a signature says who wrote
it (:mod:`edge_runtime.artifact.signature`).
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, NoReturn

_HEAD = b'{\n  "seal": "'
_BLANK = b"0" * 64
_END = len(_HEAD) + len(_BLANK)

MAX_DEPTH = 12
"""Maximum levels of nesting in a manifest. Ours have 5."""

MAX_DIGITS = 18
"""Maximum digits of an integer in a manifest, including the sign. It then fits 64 bits. Without a limit, converting a
long integer takes Python quadratic time."""


class SealError(ValueError):
    """The bytes have no seal, or are not the ones that were sealed."""


def seal(values: dict[str, Any]) -> bytes:
    """Make a sealed JSON document, ready to be written.

    Args:
        values: Plain values.

    Raises:
        ValueError: A value is NaN or infinite.
    """
    values = {"seal": _BLANK.decode(), **{key: value for key, value in values.items() if key != "seal"}}
    blank = (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()
    return _HEAD + _digest(blank) + blank[_END:]


def unseal(data: bytes) -> dict[str, Any]:
    """Check the seal, and parse the document only if it is right.

    Args:
        data: The whole file.

    Returns:
        The values, without the seal.

    Raises:
        SealError: There is no seal, or the bytes are not the ones that were sealed.
        ValueError: The seal is right, but the document is not the plain JSON that :func:`seal` writes. It is not JSON,
            has a duplicate key, NaN or infinity, an integer beyond 64 bits, deep nesting, or text that cannot be
            printed on one line.
    """
    if not data.startswith(_HEAD):
        raise SealError("has no seal")
    if data[len(_HEAD) : _END] != _digest(_HEAD + _BLANK + data[_END:]):
        raise SealError("is not what was sealed")
    values = _parse(data)
    del values["seal"]
    return values


def _digest(blank: bytes) -> bytes:
    return hashlib.sha256(blank).hexdigest().encode()


def _parse(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(
            data.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    _check_plain(values)
    return dict(values)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("an object has a duplicate key")
    return values


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"it has an integer of {len(text)} digits; at most {MAX_DIGITS} are allowed")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large for a float")
    return value


def _check_plain(value: Any) -> None:
    """Refuse deep nesting, which breaks recursive code, and text that would garble a terminal."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if not item.isprintable():  # control characters, line ends, halves of surrogate pairs
                    raise ValueError("a text contains characters that cannot be printed")
            elif isinstance(item, dict):
                inner.extend(item)
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        level = inner
        if not level:
            return
    raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
