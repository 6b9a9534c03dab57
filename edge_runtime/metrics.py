"""Scores of a predicted mask and its head circumference (HC). Each is defined here and nowhere else.

Scores are computed for each image at the image's own resolution, then summarized over images: mean, standard deviation
and a bootstrap 95% interval. The ``paper_*`` figures pool pixels over batches, as Wang, Silvestre and Curran (2023)
do. Use them only for a comparison with their table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.record import LEFT_OUT, to_json
from edge_runtime.head.ellipse import outline_points

BOOTSTRAP_SAMPLES = 2000
PAPER_BATCH = 10
"""Number of images over which the paper pools pixels."""
PAPER_ORDERS = 1000
"""Random orders of the images over which the pooled figures are averaged."""


@dataclass(frozen=True)
class ImageScore:
    """Scores of one image.

    Attributes:
        image: Name of the image file.
        dice: Dice of the head, 0 to 1; 0 for an empty prediction.
        foreground_iou: Intersection over union of the head, 0 to 1.
        mean_iou: Mean of the head's and the background's IoU, 0 to 1.
        pixel_accuracy: Share of pixels that are classified correctly, 0 to 1.
        hausdorff_mm: Hausdorff distance between the two outlines in mm. None for an empty prediction.
        hc_difference_mm: Predicted minus reference head circumference in mm. None if no HC was measured.
        reason: Why no HC was measured. None if one was.
        ellipse_dice: Dice of the fitted ellipse, 0 to 1, as HC18's challenge scores it; 0 without an ellipse. None
            if it was not computed.
    """

    image: str
    dice: float
    foreground_iou: float
    mean_iou: float
    pixel_accuracy: float
    hausdorff_mm: float | None
    hc_difference_mm: float | None
    reason: str | None = None
    ellipse_dice: float | None = field(default=None, metadata=LEFT_OUT)


def overlap(predicted: NDArray[np.bool_], reference: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Dice, foreground IoU, mean IoU over both classes, and pixel accuracy of two boolean masks of the same shape.

    A class that is in neither mask scores 1: there was nothing to find, and nothing was claimed.
    """
    both = int(np.count_nonzero(predicted & reference))
    either = int(np.count_nonzero(predicted | reference))
    neither = predicted.size - either
    foreground = both / either if either else 1.0
    background = neither / (predicted.size - both) if predicted.size > both else 1.0
    dice = 2 * both / (both + either) if either else 1.0
    return dice, foreground, (foreground + background) / 2, (both + neither) / predicted.size


def hausdorff(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Hausdorff distance between two point sets (N, 2) and (M, 2), in their unit: the larger of the two directions."""
    squared, factor = (b**2).sum(axis=1), np.ascontiguousarray(-2 * b.T)
    worst, nearest = 0.0, np.full(len(b), np.inf)
    for start in range(0, len(a), 64):  # in blocks, so that the distances fit into the cache
        part = a[start : start + 64]
        distance = part @ factor
        distance += squared
        distance += (part**2).sum(axis=1)[:, None]
        worst = max(worst, float(distance.min(axis=1).max()))
        np.minimum(nearest, distance.min(axis=0), out=nearest)
    return math.sqrt(max(worst, float(nearest.max()), 0.0))


def score_image(
    image: str,
    predicted: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    pixel_size_mm: float,
    hc_mm: float | None,
    reference_hc_mm: float,
    reason: str | None = None,
    distances: bool = True,
    ellipse: NDArray[np.bool_] | None = None,
) -> ImageScore:
    """Score one prediction.

    Args:
        image: Name to report.
        predicted: Predicted mask, bool (H, W).
        reference: Reference mask, bool (H, W).
        pixel_size_mm: Side of a pixel in mm.
        hc_mm: Measured head circumference in mm. None if the measurement was refused.
        reference_hc_mm: Reference head circumference in mm.
        reason: Why ``hc_mm`` is None.
        distances: Whether to compute the Hausdorff distance, which takes most of the time.
        ellipse: Interior of the fitted ellipse, bool (H, W). None to leave it out.
    """
    dice, foreground, mean, accuracy = overlap(predicted, reference)
    distance = None
    if distances and predicted.any() and reference.any():
        outlines = [outline_points(np.pad(mask, 1), 0.5) for mask in (predicted, reference)]
        distance = hausdorff(*outlines) * pixel_size_mm
    difference = None if hc_mm is None else hc_mm - reference_hc_mm
    ellipse_dice = None if ellipse is None else overlap(ellipse, reference)[0]
    return ImageScore(image, dice, foreground, mean, accuracy, distance, difference, reason, ellipse_dice)


def summarize_values(values: Sequence[float], seed: int = 0) -> dict[str, float | int | None]:
    """Summarize values.

    Returns:
        Count, mean, standard deviation (n - 1), median, 95th percentile, minimum, maximum, and the percentile-bootstrap
        95% interval of the mean.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0:
        return {"n": 0, "mean": None}
    rng = np.random.default_rng(seed)
    means = data[rng.integers(0, data.size, (BOOTSTRAP_SAMPLES, data.size))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "n": int(data.size),
        "mean": float(data.mean()),
        "sd": float(data.std(ddof=1)) if data.size > 1 else 0.0,
        "ci95_low": float(low),
        "ci95_high": float(high),
        "median": float(np.median(data)),
        "p95": float(np.percentile(data, 95)),
        "min": float(data.min()),
        "max": float(data.max()),
    }


def summarize(scores: Sequence[ImageScore]) -> dict[str, Any]:
    """Summarize every score over images.

    Returns:
        ``n_images``, ``n_hc_refused``, and the :func:`summarize_values` of each metric: ``dice``, ``foreground_iou``,
        ``mean_iou``, ``pixel_accuracy``, ``hausdorff_mm``, ``hc_difference_mm`` (DF in the literature) and
        ``hc_absolute_difference_mm`` (ADF); and ``ellipse_dice``, if it was computed. HC figures cover the images with
        an HC; ``n_hc_refused`` counts the others.
    """
    out: dict[str, Any] = {
        "n_images": len(scores),
        "n_hc_refused": sum(s.hc_difference_mm is None for s in scores),
    }
    for name in ("dice", "foreground_iou", "mean_iou", "pixel_accuracy", "hausdorff_mm", "hc_difference_mm"):
        out[name] = summarize_values([v for s in scores if (v := getattr(s, name)) is not None])
    of_ellipses = [s.ellipse_dice for s in scores if s.ellipse_dice is not None]
    if of_ellipses:
        out["ellipse_dice"] = summarize_values(of_ellipses)
    differences = [abs(s.hc_difference_mm) for s in scores if s.hc_difference_mm is not None]
    out["hc_absolute_difference_mm"] = summarize_values(differences)
    return out


def scores_to_json(scores: Sequence[ImageScore]) -> list[dict[str, Any]]:
    """Convert scores to plain dictionaries, in order."""
    return [to_json(s) for s in scores]


@dataclass(frozen=True)
class Shifts:
    """Differences between a set of scores and a baseline, image by image.

    Attributes:
        dice_points: Differences of Dice in points of 100, for every image in both sets. Negative is worse.
        hc_mm: Differences of head circumference in mm, for every image that both measured.
        n_refused_by_one: Number of images that only one of the two refused to measure.
    """

    dice_points: list[float]
    hc_mm: list[float]
    n_refused_by_one: int

    @property
    def hc_absolute_mm(self) -> list[float]:
        """The absolute values of ``hc_mm``."""
        return [abs(mm) for mm in self.hc_mm]


def paired_shifts(scores: Sequence[ImageScore], baseline: Sequence[ImageScore]) -> Shifts:
    """Scores minus the baseline's, paired by image name. They show what a conversion changed, for example."""
    by_name = {b.image: b for b in baseline}
    pairs = [(s, by_name[s.image]) for s in scores if s.image in by_name]
    hcs = [(s.hc_difference_mm, b.hc_difference_mm) for s, b in pairs]
    return Shifts(
        [100 * (s.dice - b.dice) for s, b in pairs],
        [s - b for s, b in hcs if s is not None and b is not None],
        sum((s is None) != (b is None) for s, b in hcs),
    )


def paper_pooled(predicted: NDArray[np.bool_], reference: NDArray[np.bool_]) -> dict[str, float]:
    """The paper's figures: pixel accuracy over all pixels, and Dice and IoU pooled in batches of 10, then averaged.

    The paper's images come in a random order, so these are means over batches drawn at random. By file name they would
    be too low: HC18's numbers rise with the age, so small heads, which are harder, would be pooled with one another.

    Args:
        predicted: bool (N, H, W) at network resolution.
        reference: bool (N, H, W), the paper's filled contours at network resolution.

    Returns:
        ``paper_pixel_accuracy``, ``paper_dice`` and ``paper_miou`` (which is the foreground IoU), each 0 to 1;
        ``paper_dice_per_image``, the mean of each image's Dice, which shows the effect of pooling; and
        ``paper_dice_in_order``, Dice pooled over batches in the order given.
    """
    n, rng = len(predicted), np.random.default_rng(0)
    size = min(PAPER_BATCH, n)
    both = np.count_nonzero(predicted & reference, axis=(1, 2))
    total = both + np.count_nonzero(predicted | reference, axis=(1, 2))

    def dice(batches: NDArray[np.int64]) -> NDArray[np.float64]:  # where there is no head and none is found, 1
        found, all_ = both[batches].sum(axis=1), total[batches].sum(axis=1)
        return np.where(all_ > 0, 2 * found / np.maximum(all_, 1), 1.0)

    names, left = np.arange(n), n % size
    mixed = dice(np.concatenate([rng.permutation(n)[left:].reshape(-1, size) for _ in range(PAPER_ORDERS)]))
    in_order = [*dice(names[: n - left].reshape(-1, size)), *dice(names[None, n - left :])[: left > 0]]
    return {
        "paper_pixel_accuracy": float(np.mean(predicted == reference)),
        "paper_dice": float(mixed.mean()),
        "paper_miou": float(np.mean(mixed / (2 - mixed))),
        "paper_dice_per_image": float(dice(names[:, None]).mean()),
        "paper_dice_in_order": float(np.mean(in_order)),
    }
