"""The models that come with the runtime: one network in three sizes."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.errors import UsageError

MODELS = Path(__file__).resolve().parent / "models"

SIZES = ("edge-s", "edge-m", "edge-l")
"""The smallest file first."""

DEFAULT_SIZE = "edge-m"
"""The size in the wheel. The repository has all."""


def shipped_model(size: str) -> Path:
    """Where the .tflite file of a size is, if it is there."""
    return MODELS / f"{size}-full_int8.tflite"


DEFAULT_MODEL = shipped_model(DEFAULT_SIZE)


def find_model(model: str | Path | None) -> Path:
    """The file that is meant by a model's name or path.

    Args:
        model: A .tflite file, or one of :data:`SIZES`; None for :data:`DEFAULT_SIZE`.

    Raises:
        UsageError: It is a size that this installation does not have.
    """
    if model is None:
        return DEFAULT_MODEL
    size = str(model)
    if size not in SIZES or Path(size).is_file():
        return Path(model)
    path = shipped_model(size)
    if not path.is_file():
        here = ", ".join(name for name in SIZES if shipped_model(name).is_file()) or "none"
        raise UsageError(
            f"The model {size} is not in this installation, which has {here}. Take {path.name} and "
            f"{path.with_suffix('.json').name} from edge_runtime/models of the project's repository, or make them "
            f"there: python -m export --checkpoint checkpoints/{size}"
        )
    return path
