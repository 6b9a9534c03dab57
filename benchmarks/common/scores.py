"""Summaries over images, as result files hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from edge_runtime.common.record import LEFT_OUT, from_json
from edge_runtime.metrics import ImageScore, summarize, summarize_values


@final
@dataclass(frozen=True)
class Summary:
    """A summary of values, in their unit. Without values only ``n`` and ``mean`` are there.

    Attributes:
        n: Number of values.
        mean: Their mean; None without values.
        sd: Standard deviation (n - 1).
        ci95_low: Lower end of the bootstrap 95 % interval of the mean.
        ci95_high: Its upper end.
        median: The median.
        p95: The 95th percentile.
        min: The smallest value.
        max: The largest value.
    """

    n: int
    mean: float | None
    sd: float | None = field(default=None, metadata=LEFT_OUT)
    ci95_low: float | None = field(default=None, metadata=LEFT_OUT)
    ci95_high: float | None = field(default=None, metadata=LEFT_OUT)
    median: float | None = field(default=None, metadata=LEFT_OUT)
    p95: float | None = field(default=None, metadata=LEFT_OUT)
    min: float | None = field(default=None, metadata=LEFT_OUT)
    max: float | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class ScoreFields:
    """Scores of a network on the images of a test part, each image at its original resolution.

    Attributes:
        n_images: Images scored.
        n_hc_refused: Images whose circumference the runtime's general limits refuse
            (:func:`edge_runtime.quality.verdict.measure_head`); a model's own limits are not counted here.
        dice: Dice of the head, 0 to 1.
        foreground_iou: Intersection over union of the head, 0 to 1.
        mean_iou: Mean IoU of head and background, 0 to 1.
        pixel_accuracy: Share of pixels classified right, 0 to 1.
        hausdorff_mm: Hausdorff distance between the outlines, in mm.
        hc_difference_mm: Measured minus reference circumference, in mm: the literature's DF.
        hc_absolute_difference_mm: Its absolute value, in mm: the literature's ADF.
        ellipse_dice: Dice of the fitted ellipse's interior, as HC18's challenge scores; None in results older than it.
    """

    n_images: int
    n_hc_refused: int
    dice: Summary
    foreground_iou: Summary
    mean_iou: Summary
    pixel_accuracy: Summary
    hausdorff_mm: Summary
    hc_difference_mm: Summary
    hc_absolute_difference_mm: Summary
    ellipse_dice: Summary | None = field(default=None, kw_only=True, metadata=LEFT_OUT)


@final
@dataclass(frozen=True)
class Scores(ScoreFields):
    """:class:`ScoreFields` and nothing else."""


def summary_of(values: Sequence[float]) -> Summary:
    """Summarize values."""
    return from_json(Summary, summarize_values(values), "summary")


def scores_of(scores: Sequence[ImageScore]) -> Scores:
    """Summarize the scores of images."""
    return from_json(Scores, summarize(scores), "scores")
