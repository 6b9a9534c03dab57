"""The columns that results of the suite are shown in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial

from benchmarks.common.render import code
from benchmarks.common.tables import Columns, interval, mean, number, several
from benchmarks.suite.document import Result
from edge_runtime.artifact.manifest import Manifest, load_manifest
from edge_runtime.shipped import DEFAULT_SIZE, SIZES, shipped_model
from edge_runtime.stages import STEPS
from edge_runtime.timing.bench import Percentiles


@lru_cache(maxsize=1)
def shipped_manifests() -> Mapping[str, Manifest]:
    """The manifests of the shipped models, by size."""
    return {size: load_manifest(path) for size in SIZES if (path := shipped_model(size)).is_file()}


def shipped_manifest() -> Manifest:
    """The manifest of the model that is used unless another is named."""
    return shipped_manifests()[DEFAULT_SIZE]


def is_shipped(result: Result) -> bool:
    """The artifact was exported from a shipped checkpoint; other checkpoints may have the same name."""
    found = {manifest.checkpoint.get("sha256") for manifest in shipped_manifests().values()}
    return result.checkpoint_sha256 is not None and result.checkpoint_sha256 in found


def title(result: Result) -> str:
    """An artifact's name, and whether it is of a shipped checkpoint."""
    return result.artifact + (", shipped" if is_shipped(result) else "")


def title_code(result: Result) -> str:
    """:func:`title` with the name as a code span."""
    return code(result.artifact) + title(result).removeprefix(result.artifact)


def _total(result: Result) -> str:
    total = result.latency_ms and result.latency_ms.total
    return several([total and total.p50, total and total.p90, total and total.p99], 2)


def _stages(result: Result) -> str:
    found = result.latency_ms
    stages: list[Percentiles | None] = (
        [found.preprocess, found.invoke, found.postprocess] if found else [None, None, None]
    )
    return several([stage and stage.p50 for stage in stages], 2)


def _mean(result: Result) -> str:
    found = result.mean_ms
    if found is None or found.low is None or found.high is None:
        return number(found and found.value, 2)
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _step(step: str, result: Result) -> str:
    found = (result.steps_ms or {}).get(step)
    return number(found and found.p50, 2)


OVERVIEW: Columns[Result] = (
    ("artifact", title),
    ("MB", lambda r: number(r.size_bytes, 2, 1e-6)),
    ("p50 / p90 / p99 ms", _total),
    ("pre / invoke / post ms", _stages),
    ("memory MB", lambda r: number(r.peak_memory_bytes, 0, 1e-6)),
    ("Dice %", lambda r: mean(r.accuracy and r.accuracy.dice, 2, 100)),
    ("ADF mm", lambda r: mean(r.accuracy and r.accuracy.hc_absolute_difference_mm, 2)),
    ("vs float32: points", lambda r: mean(r.degradation and r.degradation.dice_difference_points, 3, sign=True)),
    ("|shift| mm", lambda r: mean(r.degradation and r.degradation.hc_absolute_shift_mm, 3)),
)
"""What ``run`` prints: means without intervals, to fit a terminal."""

OFFICIAL: Columns[Result] = (
    ("artifact", title),
    ("mean [95 %] ms", _mean),
    ("max ms", lambda r: number(r.latency_ms and r.latency_ms.total.max, 2)),
    ("frames/s", lambda r: number(r.frames_per_s, 1)),
    ("rounds apart %", lambda r: number(r.rounds_apart, 1, 100)),
    ("first result ms", lambda r: number(r.process_start_to_first_result_ms, 0)),
    ("J/frame", lambda r: number(r.energy and r.energy.joules_per_frame, 4)),
)
"""What an official ``run`` prints besides. The first result is counted from the start of the process."""

STEP_MEDIANS: Columns[Result] = (
    ("median of each step", title),
    *((f"{step} ms", partial(_step, step)) for step in STEPS),
)
"""The median of each step that a frame goes through."""

SPEED: Columns[Result] = (
    ("artifact", title_code),
    ("size (MB)", lambda r: number(r.size_bytes, 2, 1e-6)),
    ("total p50 / p90 / p99 (ms)", _total),
    ("pre / invoke / post, p50 (ms)", _stages),
    ("first result (ms)", lambda r: number(r.time_to_first_result_ms, 1)),
    ("first result from process start (ms)", lambda r: number(r.process_start_to_first_result_ms, 0)),
    ("peak memory (MB)", lambda r: number(r.peak_memory_bytes, 0, 1e-6)),
)

ACCURACY: Columns[Result] = (
    ("artifact", title_code),
    ("images", lambda r: number(r.accuracy and r.accuracy.n_images, 0)),
    ("Dice (%)", lambda r: interval(r.accuracy and r.accuracy.dice, 2, 100)),
    ("worst Dice (%)", lambda r: number(r.accuracy and r.accuracy.dice.min, 2, 100)),
    ("ADF (mm)", lambda r: interval(r.accuracy and r.accuracy.hc_absolute_difference_mm, 2)),
    ("DF (mm)", lambda r: interval(r.accuracy and r.accuracy.hc_difference_mm, 2, sign=True)),
    ("no HC", lambda r: number(r.accuracy and r.accuracy.n_hc_refused, 0)),
    ("refused on the device", lambda r: number(r.n_refused_on_device, 0)),
    ("foreground IoU (%)", lambda r: mean(r.accuracy and r.accuracy.foreground_iou, 2, 100)),
    ("mean IoU (%)", lambda r: mean(r.accuracy and r.accuracy.mean_iou, 2, 100)),
    ("pixel accuracy (%)", lambda r: mean(r.accuracy and r.accuracy.pixel_accuracy, 2, 100)),
    ("Hausdorff (mm)", lambda r: interval(r.accuracy and r.accuracy.hausdorff_mm, 2)),
)

DEGRADATION: Columns[Result] = (
    ("artifact", title_code),
    ("images", lambda r: number(r.degradation and r.degradation.dice_difference_points.n, 0)),
    (
        "Dice difference (points)",
        lambda r: interval(r.degradation and r.degradation.dice_difference_points, 3, sign=True),
    ),
    ("|HC shift| (mm)", lambda r: interval(r.degradation and r.degradation.hc_absolute_shift_mm, 3)),
    ("HC shift (mm)", lambda r: interval(r.degradation and r.degradation.hc_shift_mm, 3, sign=True)),
    ("images with both HC", lambda r: number(r.degradation and r.degradation.hc_shift_mm.n, 0)),
    ("note", lambda r: r.degradation_reason or ""),
)
