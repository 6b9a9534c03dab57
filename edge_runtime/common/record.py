"""Write frozen dataclasses to JSON, and read them back with every field checked against its annotation.

Each JSON format is declared once, as a dataclass. :func:`to_json` writes it; :func:`from_json` reads and checks it.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edge_runtime.errors import ModelError

R = TypeVar("R")

KEY = "key"
"""Metadata entry with a field's key in JSON, for keys that cannot be Python names, such as ``from``."""

LEFT_OUT = {"left out": True}
"""Metadata of a field that is left out of the JSON if it is None, because it was not measured or was added later.

Use it as ``name: float | None = field(default=None, metadata=LEFT_OUT)``.
"""


def to_json(record: Any) -> Any:
    """Convert a record for :func:`json.dumps`: dataclasses become dicts, tuples become lists, the rest is unchanged."""
    if is_dataclass(record) and not isinstance(record, type):
        values = [(f, getattr(record, f.name)) for f in fields(record)]
        return {
            f.metadata.get(KEY, f.name): to_json(value)
            for f, value in values
            if value is not None or not LEFT_OUT.items() <= f.metadata.items()
        }
    if isinstance(record, Mapping):
        return {key: to_json(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [to_json(value) for value in record]
    return record


def from_json(kind: type[R], value: object, source: object) -> R:
    """Read a record and check every field.

    Args:
        kind: The dataclass. Its fields may be bool, int, float (an int is accepted), str, Literal, Any, None, other
            records, and lists, tuples, dicts (with str keys) and unions of these. A field with a default may be
            missing. Unknown keys are ignored, since a later version may have added them.
        value: The parsed JSON, from :func:`json.loads`.
        source: The file's name, for error messages.

    Raises:
        ModelError: A field is missing or has the wrong type.
    """
    read: R = _read(kind, value, "", source)
    return read


@lru_cache(maxsize=256)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any, where: str, source: object) -> Any:
    if kind is Any:
        return value
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _read_record(kind, value, where, source)
    if origin in (Union, types.UnionType):
        return _read_union(inner, value, where, source)
    if origin is Literal:
        if value not in inner or isinstance(value, bool) not in {isinstance(v, bool) for v in inner}:
            raise _wrong(where, value, " or ".join(map(repr, inner)), source)
        return value
    if origin in (list, Sequence):
        _check(isinstance(value, list), where, value, "a list", source)
        return [_read(inner[0], item, f"{where}[{i}]", source) for i, item in enumerate(value)]
    if origin is tuple:
        _check(isinstance(value, list), where, value, "a list", source)
        if inner[-1] is not Ellipsis:
            _check(len(value) == len(inner), where, value, f"a list of {len(inner)}", source)
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(
            _read(k, item, f"{where}[{i}]", source) for i, (k, item) in enumerate(zip(kinds, value, strict=True))
        )
    if origin in (dict, Mapping):
        _check(isinstance(value, dict), where, value, "an object", source)
        return {key: _read(inner[1], item, f"{where}.{key}", source) for key, item in value.items()}
    # In Python a bool is an int. In a document, true is not a number.
    allowed = (int, float) if kind is float else (kind or type(None),)
    _check(
        isinstance(value, allowed) and (kind is bool or not isinstance(value, bool)), where, value, _name(kind), source
    )
    return value


def _read_record(kind: Any, value: Any, where: str, source: object) -> Any:
    _check(isinstance(value, dict), where, value, "an object", source)
    hints, found = _hints(kind), {}
    for field in fields(kind):
        key = field.metadata.get(KEY, field.name)
        place = f"{where}.{key}"
        if key in value:
            found[field.name] = _read(hints[field.name], value[key], place, source)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ModelError(f"{source}: '{place.lstrip('.')}' is missing. Measure again, or restore it.")
    try:
        return kind(**found)
    except ValueError as error:  # raised by its __post_init__
        raise ModelError(f"{source}: '{where.lstrip('.') or 'the document'}': {error}") from error


def _read_union(kinds: Sequence[Any], value: Any, where: str, source: object) -> Any:
    if value is None and type(None) in kinds:
        return None
    real = [kind for kind in kinds if kind is not type(None)]
    if len(real) == 1:
        return _read(real[0], value, where, source)
    for kind in real:
        try:
            return _read(kind, value, where, source)
        except ModelError:
            continue
    raise _wrong(where, value, " or ".join(map(_name, kinds)), source)


def _name(kind: Any) -> str:
    return "null" if kind in (None, type(None)) else getattr(kind, "__name__", str(kind))


def _check(held: bool, where: str, value: object, wanted: str, source: object) -> None:
    if not held:
        raise _wrong(where, value, wanted, source)


def _wrong(where: str, value: object, wanted: str, source: object) -> ModelError:
    place = where.lstrip(".") or "the document"
    return ModelError(f"{source}: '{place}' is {value!r:.60}; it must be {wanted}. Measure again, or restore it.")
