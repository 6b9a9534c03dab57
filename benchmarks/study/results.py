"""Result files of training runs: where they lie, what they must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.json_shape import Optional, check_shape, read_json
from benchmarks.common.result_files import RESULTS

SCHEMA_VERSION = 1
TRAINING = RESULTS / "training"
"""One file a run of the study."""

_NUMBER = (int, float)
_SUMMARY = {"n": int, "mean": Optional(_NUMBER)}
_SCORES = {
    "n_images": int,
    "n_hc_refused": int,
    **dict.fromkeys(("dice", "foreground_iou", "mean_iou", "pixel_accuracy"), _SUMMARY),
    **dict.fromkeys(("hausdorff_mm", "hc_difference_mm", "hc_absolute_difference_mm"), _SUMMARY),
}
_POOLED = dict.fromkeys(("paper_pixel_accuracy", "paper_dice", "paper_miou", "paper_dice_per_image"), _NUMBER)
_IMAGE = {
    "image": str,
    "dice": _NUMBER,
    "hc_difference_mm": (*_NUMBER, type(None)),
    "reference_hc_mm": _NUMBER,
    "exam_trained_on": bool,
}
_EXPORT = {"recipe": str, "refused": Optional(str), "size_bytes": int, "model_sha256": str, "accuracy": {"parts": dict}}
_RUN = {"name": str, "command": str, "strategy": str, "protocol": str, "image_size": list, "seed": int}
_DOCUMENT = {
    "schema_version": int,
    "run": _RUN,
    "checkpoint_sha256": str,
    "config": dict,
    "data": {"split": str, "split_sha256": str, "images": dict},
    "trainable_parameters": int,
    "kept_epoch": int,
    "history": [{"epoch": int, "loss": _NUMBER}],
    "seconds": _NUMBER,
    "metrics": {"paper_pooled": _POOLED},
    "per_image": [_IMAGE],
    "device": dict,
    "git_commit": Optional(str),
    "tools": dict,
    "exports": Optional([_EXPORT]),
}


def result_path(name: str, folder: Path = TRAINING) -> Path:
    """File of a run's result."""
    return folder / f"{name}.json"


def load_training(path: Path) -> dict[str, Any]:
    """Read a run's result file and check that all is there that the results page is made from.

    Raises:
        UsageError: There is no such file.
        ModelError: Not JSON, another schema version, or a field that is missing or of another type.
    """
    document = read_json(path, SCHEMA_VERSION, "python -m benchmarks study")
    check_shape(document, _DOCUMENT, path)
    check_shape(document["metrics"], {document["data"]["split"]: _SCORES}, path)
    return document


def load_all(folder: Path = TRAINING) -> dict[str, dict[str, Any]]:
    """Every run's result that is there, by name of the run."""
    documents = [load_training(path) for path in sorted(folder.glob("*.json"))]
    return {document["run"]["name"]: document for document in documents}
