"""Result files: where they lie, what they must hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from edge_runtime.errors import ModelError, UsageError

SCHEMA_VERSION = 1
RESULTS = Path(__file__).resolve().parent / "results"
"""One file a device and date; those of named devices are committed."""

MAX_BYTES = 50_000_000
"""Every strategy in every recipe on every image takes about 3 MB; a larger file is not read."""


@dataclass(frozen=True)
class _Optional:
    """A part of a shape that may be null or missing: not measured."""

    shape: Any


_NUMBER = (int, float)
_TEXT_OR_NONE = (str, type(None))
_PERCENTILES = {"p50": _NUMBER, "p90": _NUMBER, "p99": _NUMBER}
_LATENCY = dict.fromkeys(("preprocess", "invoke", "postprocess", "total"), _PERCENTILES)
_SUMMARY = {
    "n": int,
    "mean": _Optional(_NUMBER),
    **dict.fromkeys(("ci95_low", "ci95_high", "min"), _Optional(_NUMBER)),
}
_METRICS = ("dice", "foreground_iou", "mean_iou", "pixel_accuracy", "hausdorff_mm", "hc_difference_mm")
_ACCURACY = {
    "n_images": int,
    "n_hc_refused": int,
    **dict.fromkeys((*_METRICS, "hc_absolute_difference_mm"), _SUMMARY),
}
_DEGRADATION = {
    "reference": str,
    **dict.fromkeys(("dice_difference_points", "hc_shift_mm", "hc_absolute_shift_mm"), _SUMMARY),
}
_IMAGE = {
    "image": str,
    **dict.fromkeys(("dice", "foreground_iou", "mean_iou", "pixel_accuracy"), _NUMBER),
    **dict.fromkeys(("hausdorff_mm", "hc_difference_mm"), (*_NUMBER, type(None))),
    "reason": _TEXT_OR_NONE,
}

_RESULT = {
    "artifact": str,
    "strategy": _TEXT_OR_NONE,
    "recipe": _TEXT_OR_NONE,
    "model_sha256": _TEXT_OR_NONE,
    "checkpoint_sha256": _Optional(str),
    "error": _TEXT_OR_NONE,
    "size_bytes": _Optional(_NUMBER),
    "latency_ms": _Optional(_LATENCY),
    "time_to_first_result_ms": _Optional(_NUMBER),
    "process_start_to_first_result_ms": _Optional(_NUMBER),
    "peak_memory_bytes": _Optional(_NUMBER),
    "accuracy": _Optional(_ACCURACY),
    "degradation": _Optional(_DEGRADATION),
    "degradation_reason": _Optional(str),
    "images": [_IMAGE],
}
_CONDITIONS = {
    "date": str,
    "threads": int,
    "frames": int,
    "warmup": int,
    "rounds": int,
    "data": str,
    "is_phantom": bool,
    "split": str,
    "n_images": int,
    "images_sha256": str,
    "latency_images": _Optional([str]),
    "load_average_1min": _Optional(_NUMBER),
    "git_commit": _Optional(str),
}
_DOCUMENT = {"schema_version": int, "device": dict, "conditions": _CONDITIONS, "results": [_RESULT]}


def load_document(path: Path) -> dict[str, Any]:
    """Read a result file and check that all is there that reports are made from.

    Raises:
        UsageError: There is no such file.
        ModelError: Not JSON, another schema version, or a field that is missing or of another type.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes; a result file has at most {MAX_BYTES}.")
        document = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise UsageError(f"There is no result file {path}. Make one with: python -m benchmarks run") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not a JSON document: {error}. Measure again, or restore the file.") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ModelError(
            f"{path} has schema version {version!r}; this program reads {SCHEMA_VERSION}. "
            "Use the program's version that wrote it, or measure again with: python -m benchmarks run"
        )
    _check(document, _DOCUMENT, "", path)
    return document  # type: ignore[no-any-return]  # its shape has just been checked


def newest_result(folder: Path = RESULTS) -> Path:
    """The result file with the latest date in it (a checkout does not keep the files' own).

    Raises:
        UsageError: The folder holds none.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise UsageError(f"{folder.name}/ holds no result file. Make one with: python -m benchmarks run")
    return max(paths, key=lambda path: (load_document(path)["conditions"]["date"], path.name))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check(value: Any, shape: Any, where: str, path: Path) -> None:
    """Compare a value with a shape: a type or types, ``{key: shape}``, ``[shape of each]`` or :class:`_Optional`."""
    if isinstance(shape, _Optional):
        if value is not None:
            _check(value, shape.shape, where, path)
    elif isinstance(shape, dict):
        _check_type(value, dict, where, path)
        for key, inner in shape.items():
            if key not in value and not isinstance(inner, _Optional):
                raise ModelError(f"{path}: '{f'{where}.{key}'.lstrip('.')}' is missing. Measure again, or restore it.")
            _check(value.get(key), inner, f"{where}.{key}", path)
    elif isinstance(shape, list):
        _check_type(value, list, where, path)
        for i, item in enumerate(value):
            _check(item, shape[0], f"{where}[{i}]", path)
    else:
        _check_type(value, shape, where, path)


def _check_type(value: Any, types: type | Sequence[type], where: str, path: Path) -> None:
    allowed = (types,) if isinstance(types, type) else tuple(types)
    # a bool is an int to Python, not to whoever reads a table
    if isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool)):
        return
    names = " or ".join("null" if t is type(None) else t.__name__ for t in allowed)
    raise ModelError(f"{path}: '{where.lstrip('.')}' is {value!r:.60}; it is {names}. Measure again, or restore it.")
