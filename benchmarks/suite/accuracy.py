"""Scores of artifacts on test images, and what a recipe costs against the same strategy's float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.common.scores import summary_of
from benchmarks.frames.images import Image
from benchmarks.suite.artifacts import REFERENCE_RECIPE, Artifact
from benchmarks.suite.document import Degradation, Result
from edge_runtime.metrics import ImageScore, Shifts, paired_shifts
from edge_runtime.segmenter import Segmenter
from train.data.score import score_result


def score(artifact: Artifact, images: Sequence[Image], threads: int) -> tuple[list[ImageScore], int]:
    """Score an artifact on images, each at its own resolution.

    Returns:
        The scores, whose circumferences only the runtime's general limits refuse, so that artifacts compare; and the
        number of images that the runtime refuses on a device, where the model's own limits count too.

    Raises:
        FetalHeadError: The model cannot be loaded or run, or an image cannot be read.
    """
    segmenter = Segmenter.load(artifact.path, threads=threads)
    scores = []
    for image in images:
        stages = segmenter.examine(image.frame(), image.pixel_size_mm)
        verdict = stages.verdict
        scores.append(score_result(image, stages.head, verdict.head_circumference_mm, verdict.reason))
    shown = [segmenter.measure(i.frame(), i.pixel_size_mm).head_circumference_mm is not None for i in images]
    return scores, shown.count(False)


def find_reference(result: Result, results: Sequence[Result]) -> tuple[Result | None, str]:
    """The float32 result that a result is compared with, or None and the reason why there is none."""
    if result.error:
        return None, "the artifact could not be measured"
    if result.recipe == REFERENCE_RECIPE:
        return None, f"this is the {REFERENCE_RECIPE} that the others are compared with"
    found = next((r for r in results if (r.strategy, r.recipe) == (result.strategy, REFERENCE_RECIPE)), None)
    if found is None:
        return None, f"{result.strategy}-{REFERENCE_RECIPE} is not among the artifacts"
    if found.error:
        return None, f"{found.artifact} could not be measured"
    if found.checkpoint_sha256 != result.checkpoint_sha256:
        return None, f"{found.artifact} was exported from another checkpoint"
    return found, ""


def shifts(result: Result, reference: Result) -> Shifts:
    """The paired differences of a result's per-image scores from its float32's."""
    return paired_shifts(result.images, reference.images)


def against_float32(result: Result, results: Sequence[Result]) -> tuple[Degradation | None, str | None]:
    """What a recipe costs: summaries of the :class:`Shifts` of a result from its strategy's float32.

    Args:
        result: One entry of a result file's ``results``.
        results: All of them.

    Returns:
        None, and the reason, where there is nothing to compare with.
    """
    reference, reason = find_reference(result, results)
    if reference is None:
        return None, reason
    paired = shifts(result, reference)
    summary = Degradation(
        reference.artifact,
        reference.model_sha256,
        dice_difference_points=summary_of(paired.dice_points),
        hc_shift_mm=summary_of(paired.hc_mm),
        hc_absolute_shift_mm=summary_of(paired.hc_absolute_mm),
        n_hc_refused_by_one=paired.n_refused_by_one,
    )
    return summary, None


def with_costs(results: Sequence[Result]) -> list[Result]:
    """Results with what each recipe costs; see :func:`against_float32`."""
    costs = [against_float32(result, results) for result in results]
    return [replace(r, degradation=c, degradation_reason=why) for r, (c, why) in zip(results, costs, strict=True)]
