"""Scores of artifacts on test images, and what a recipe cost against the same strategy's float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.suite.artifacts import REFERENCE_RECIPE, Artifact
from edge_runtime.metrics import ImageScore, Shifts, paired_shifts, scores_from_json, summarize_values
from edge_runtime.segmenter import Segmenter
from train.data.hc18 import Sample
from train.data.score import evaluate


def score(artifact: Artifact, samples: Sequence[Sample], threads: int) -> list[ImageScore]:
    """Score an artifact on samples, at each image's own resolution.

    Raises:
        FetalHeadError: The model cannot be loaded or run, or an image cannot be read.
    """
    segmenter = Segmenter.load(artifact.path, threads=threads)
    # the segmenter prepares what it is given; a frame that is prepared already stays as it is
    return evaluate(segmenter.logits, samples, segmenter.size, segmenter.manifest.threshold)


def find_reference(result: dict[str, Any], results: Sequence[dict[str, Any]]) -> tuple[dict[str, Any] | None, str]:
    """The float32 result a result is compared with, or None and the reason there is none."""
    strategy, recipe = result["strategy"], result["recipe"]
    if result["error"]:
        return None, "the artifact could not be measured"
    if recipe == REFERENCE_RECIPE:
        return None, f"this is the {REFERENCE_RECIPE} the others are compared with"
    found = next((r for r in results if (r["strategy"], r["recipe"]) == (strategy, REFERENCE_RECIPE)), None)
    if found is None:
        return None, f"{strategy}-{REFERENCE_RECIPE} is not among the artifacts"
    if found["error"]:
        return None, f"{found['artifact']} could not be measured"
    if found.get("checkpoint_sha256") != result.get("checkpoint_sha256"):
        return None, f"{found['artifact']} was exported from another checkpoint"
    return found, ""


def shifts(result: dict[str, Any], reference: dict[str, Any]) -> Shifts:
    """The paired differences of a result's per-image scores from its float32's."""
    return paired_shifts(scores_from_json(result["images"]), scores_from_json(reference["images"]))


def degradation(result: dict[str, Any], results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a recipe cost: the paired differences of a result from its float32, with bootstrap 95 % intervals.

    Args:
        result: One entry of a result file's ``results``.
        results: All of them.

    Returns:
        ``degradation``, None where there is nothing to compare with, and ``degradation_reason``, which says why.
    """
    reference, reason = find_reference(result, results)
    if reference is None:
        return {"degradation": None, "degradation_reason": reason}
    paired = shifts(result, reference)
    summary = {
        "reference": reference["artifact"],
        "reference_sha256": reference["model_sha256"],
        "dice_difference_points": summarize_values(paired.dice_points),
        "hc_shift_mm": summarize_values(paired.hc_mm),
        "hc_absolute_shift_mm": summarize_values([abs(v) for v in paired.hc_mm]),
        "n_hc_refused_by_one": paired.n_refused_by_one,
    }
    return {"degradation": summary, "degradation_reason": None}
