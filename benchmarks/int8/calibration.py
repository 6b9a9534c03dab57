"""The document that ``python -m export calibration`` writes: how many calibration images are enough, and which."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.record import from_json
from edge_runtime.errors import ModelError, UsageError
from export.commands.calibration import Trial


@dataclass(frozen=True)
class CalibrationDocument:
    """The document.

    Attributes:
        checkpoint_sha256: SHA-256 of the weights.
        strategy: Name of the strategy.
        data: Title of the data set.
        n_validation: Validation images that every trial was judged on.
        git_commit: Commit of the export.
        tools: Versions of the packages, by name.
        trials: One for each set of calibration images and way of quantizing.
    """

    checkpoint_sha256: str
    strategy: str
    data: str
    n_validation: int
    git_commit: str | None
    tools: dict[str, str]
    trials: tuple[Trial, ...]


def read_calibration(path: Path) -> CalibrationDocument:
    """Read the document.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    try:
        return from_json(CalibrationDocument, json.loads(path.read_bytes()), path)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}. Make it with: python -m export calibration --write") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not a JSON document: {error}. Measure again, or restore the file.") from error
