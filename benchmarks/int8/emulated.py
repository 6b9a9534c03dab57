"""A model's answers on emulated ARM CPUs: the document that ``.ci/aarch64`` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.record import from_json
from edge_runtime.errors import ModelError, UsageError


@dataclass(frozen=True)
class GoldenAnswer:
    """What ``python -m edge_runtime verify`` found.

    Attributes:
        n_frames: Phantom frames that the model was run on.
        n_identical: Frames for which it gave the same bytes as on the machine that exported it.
        mask_dice: Mean Dice of its masks with those of that machine.
    """

    n_frames: int
    n_identical: int
    mask_dice: float


@dataclass(frozen=True)
class EmulatedAnswer:
    """One model in one interpreter on one emulated CPU.

    Attributes:
        model: File name.
        sha256: SHA-256 of the .tflite file.
        backend: The interpreter and its version.
        signed_by: Key that signed the model; None if none did.
        ok: Whether ``verify`` accepts it.
        golden: The comparison.
        cpu: The emulated CPU.
    """

    model: str
    sha256: str
    backend: str
    signed_by: str | None
    ok: bool
    golden: GoldenAnswer
    cpu: str


@dataclass(frozen=True)
class EmulatedMeasurement(EmulatedAnswer):
    """The same, with a phantom measured too.

    Attributes:
        phantom_hc_mm: Circumference of a phantom's head, in mm; None if it was refused.
        phantom_hc_mm_x86_64: The same on the x86-64 host.
    """

    phantom_hc_mm: float | None
    phantom_hc_mm_x86_64: float | None


def read_emulated(path: Path) -> tuple[EmulatedAnswer, ...]:
    """Read a result file, which is a list.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"There is no result file {path}. Make one with: .ci/aarch64 --out {path} MODEL") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not a JSON document: {error}. Measure again, or restore the file.") from error
    if not isinstance(values, list):
        raise ModelError(f"{path} is not a list. Measure again, or restore the file.")
    return tuple(
        from_json(
            EmulatedMeasurement if isinstance(value, dict) and "phantom_hc_mm" in value else EmulatedAnswer,
            value,
            f"{path}, answer {i}",
        )
        for i, value in enumerate(values)
    )
