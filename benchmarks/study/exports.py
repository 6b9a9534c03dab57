"""What the result file of a training run holds of its exports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from benchmarks.common.scores import ScoreFields
from export.recipes import Tolerance
from export.verification.figures import Parity


@dataclass(frozen=True)
class ParityFigures(Parity):
    """How close an exported file is to torch.

    Attributes:
        title: Title of the data set that the images are from.
        tolerance: What the recipe allows.
        onnx: The figures of the ONNX file that it was made from.
        saved_model: The figures of the SavedModel in between.
    """

    title: str
    tolerance: Tolerance
    onnx: Parity
    saved_model: Parity


@dataclass(frozen=True)
class MeanDegradation:
    """What a recipe costs on a test part, as the export measures it.

    Attributes:
        against: Name of what it is compared with.
        dice_points: Mean change of Dice in points of 100; negative is worse.
        hc_shift_mm: Mean change of the circumference, in mm; None where no image has both.
        hc_absolute_shift_mm: Mean absolute change, in mm; None likewise.
        n_hc: Images that both measured.
    """

    against: str
    dice_points: float
    hc_shift_mm: float | None
    hc_absolute_shift_mm: float | None
    n_hc: int


@final
@dataclass(frozen=True)
class PartScores(ScoreFields):
    """Scores of an exported file on a test part.

    Attributes:
        degradation: What the recipe costs there.
    """

    degradation: MeanDegradation


@dataclass(frozen=True)
class Accuracy:
    """Scores of an exported file.

    Attributes:
        title: Title of the data set.
        limit: Most images of a part; None for all.
        parts: Scores by name of the test part; the first is that of the run's own split.
    """

    title: str | None
    limit: int | None
    parts: dict[str, PartScores]


@dataclass(frozen=True)
class Export:
    """The network in one recipe.

    Attributes:
        recipe: Name of the recipe.
        refused: Why the export refused to write the file after measuring it, else None.
        size_bytes: Of the .tflite file.
        model_sha256: Of the .tflite file.
        parity: How close it is to torch.
        accuracy: Its scores.
        git_commit: Commit that it was exported at.
        tools: Versions of the tools, by name.
    """

    recipe: str
    refused: str | None
    size_bytes: int
    model_sha256: str
    parity: ParityFigures
    accuracy: Accuracy
    git_commit: str | None
    tools: dict[str, str]

    @property
    def scores(self) -> PartScores:
        """Scores on the test part of the run's own split."""
        return next(iter(self.accuracy.parts.values()))
