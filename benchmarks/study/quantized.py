"""Every trained network in every recipe: size, latency, accuracy and what it lost against float32, a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.result_files import RESULTS
from benchmarks.common.tables import pick
from benchmarks.study.findings import Documents
from benchmarks.suite.document import load_document
from train.strategies import STRATEGIES, get_strategy

LATENCY = RESULTS / "latency"
"""Result files of ``python -m benchmarks run`` over the study's artifacts: each one paired run."""

RECIPES = ("float32", "float16", "dynamic_int8", "full_int8")
_POINTS = ("dice", "mean_iou", "pixel_accuracy")

Row = dict[str, Any]


def load_latencies(folder: Path = LATENCY) -> list[dict[str, Any]]:
    """Every paired latency run, by file name."""
    return [load_document(path) for path in sorted(folder.glob("*.json"))]


def rows(documents: Documents, latencies: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row a run and recipe, by setting, strategy and run.

    Args:
        documents: Training results by name of the run.
        latencies: Documents of :func:`load_latencies`.

    Returns:
        For each: ``run``, ``strategy``, ``protocol``, ``image_size``, ``recipe``, ``refused`` (whether the export
        refused to write it), ``size_bytes``, ``n_images``; means of ``dice``, ``mean_iou``, ``pixel_accuracy`` (0 to
        1), ``hc_absolute_difference_mm`` and ``hc_difference_mm``; ``against_float32``: the change of each mean, in
        points of 100 or mm, and ``hc_absolute_shift_mm``, the mean absolute change an image; ``latency_ms``, None where
        no network of the same graph was measured.
    """
    found = []
    for run in sorted(documents.values(), key=lambda d: (d["run"]["protocol"], _rank(d), d["run"]["name"])):
        exports = {export["recipe"]: export for export in run["exports"] or []}
        scores = {recipe: next(iter(e["accuracy"]["parts"].values())) for recipe, e in exports.items()}
        for recipe in RECIPES:
            if recipe in exports:
                found.append(_row(run, exports[recipe], scores, latencies))
    return found


def _row(
    run: Mapping[str, Any],
    export: Mapping[str, Any],
    scores: Mapping[str, Mapping[str, Any]],
    latencies: Sequence[Mapping[str, Any]],
) -> Row:
    recipe = export["recipe"]
    own, base = _means(scores[recipe]), _means(scores["float32"])
    change: dict[str, float | None] = {}
    for key, value in own.items():
        before = base[key]
        scale = 100.0 if key in _POINTS else 1.0
        change[key] = None if value is None or before is None else scale * (value - before)
    return {
        "run": run["run"]["name"],
        "strategy": run["run"]["strategy"],
        "protocol": run["run"]["protocol"],
        "image_size": run["run"]["image_size"],
        "recipe": recipe,
        "refused": export["refused"] is not None,
        "size_bytes": export["size_bytes"],
        "n_images": scores[recipe]["n_images"],
        **own,
        "against_float32": {**change, "hc_absolute_shift_mm": scores[recipe]["degradation"]["hc_absolute_shift_mm"]},
        "latency_ms": _latency(run, recipe, latencies),
    }


def _means(scores: Mapping[str, Any]) -> dict[str, float | None]:
    keys = (*_POINTS, "hc_absolute_difference_mm", "hc_difference_mm")
    return {key: pick(scores[key], "mean") for key in keys}


def _latency(run: Mapping[str, Any], recipe: str, latencies: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Time of the network alone, measured on its own artifact or on another's of the same graph."""
    wanted = _graph(run["run"]["strategy"], run["run"]["image_size"])
    candidates = []
    for document in latencies:
        for result in document["results"]:
            same = _graph(result["strategy"], result["input_size"] or ()) == wanted
            if same and result["latency_ms"] and result["recipe"] == recipe:
                other = result["checkpoint_sha256"] != run["checkpoint_sha256"]
                candidates.append((other, result["artifact"], document, result))
    if not candidates:
        return None
    other, artifact, document, result = min(candidates, key=lambda c: c[:2])
    invoke = result["latency_ms"]["invoke"]
    return {
        "p50": invoke["p50"],
        "p90": invoke["p90"],
        "measured_on": artifact if other else run["run"]["name"],
        "cpu": document["device"]["cpu"],
        "int8_instructions": document["device"]["int8_instructions"],
        "threads": document["conditions"]["threads"],
        "date": document["conditions"]["date"],
    }


def _graph(name: str, size: Sequence[int]) -> tuple[Any, ...]:
    """What decides how long a network takes: its weights do not."""
    strategy = get_strategy(name)
    return strategy.architecture, strategy.decoder_channels, strategy.upsampling, tuple(size)


def _rank(document: Mapping[str, Any]) -> int:
    return list(STRATEGIES).index(document["run"]["strategy"])
