"""Result files: where they lie, what they must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.json_shape import Optional, check_shape, read_json
from benchmarks.common.result_files import RESULTS
from edge_runtime.errors import UsageError

SCHEMA_VERSION = 1

_NUMBER = (int, float)
_TEXT_OR_NONE = (str, type(None))
_PERCENTILES = {"p50": _NUMBER, "p90": _NUMBER, "p99": _NUMBER}
_LATENCY = dict.fromkeys(("preprocess", "invoke", "postprocess", "total"), _PERCENTILES)
_SUMMARY = {
    "n": int,
    "mean": Optional(_NUMBER),
    **dict.fromkeys(("ci95_low", "ci95_high", "min"), Optional(_NUMBER)),
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
    "checkpoint_sha256": Optional(str),
    "error": _TEXT_OR_NONE,
    "size_bytes": Optional(_NUMBER),
    "latency_ms": Optional(_LATENCY),
    "time_to_first_result_ms": Optional(_NUMBER),
    "process_start_to_first_result_ms": Optional(_NUMBER),
    "peak_memory_bytes": Optional(_NUMBER),
    "accuracy": Optional(_ACCURACY),
    "degradation": Optional(_DEGRADATION),
    "degradation_reason": Optional(str),
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
    "latency_images": Optional([str]),
    "load_average_1min": Optional(_NUMBER),
    "git_commit": Optional(str),
}
_DOCUMENT = {"schema_version": int, "device": dict, "conditions": _CONDITIONS, "results": [_RESULT]}


def load_document(path: Path) -> dict[str, Any]:
    """Read a result file and check that all is there that reports are made from.

    Raises:
        UsageError: There is no such file.
        ModelError: Not JSON, another schema version, or a field that is missing or of another type.
    """
    document = read_json(path, SCHEMA_VERSION, "python -m benchmarks run")
    check_shape(document, _DOCUMENT, path)
    return document


def newest_result(folder: Path = RESULTS) -> Path:
    """The result file with the latest date in it (a checkout does not keep the files' own).

    Raises:
        UsageError: The folder holds none.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise UsageError(f"{folder.name}/ holds no result file. Make one with: python -m benchmarks run")
    return max(paths, key=lambda path: (load_document(path)["conditions"]["date"], path.name))
