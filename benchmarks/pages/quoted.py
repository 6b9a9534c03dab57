"""Single figures in the running text of pages written by hand, taken from committed result files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.common.result_files import RESULTS
from benchmarks.common.scores import Scores
from benchmarks.fuzz.document import read_fuzz
from benchmarks.int8.interpreters import read_interpreters
from benchmarks.runtime.archive_document import read_archive
from benchmarks.runtime.quality_document import read_quality
from benchmarks.runtime.soak import read_soak
from benchmarks.search.sizes import MEASURED
from benchmarks.study.results import load_all
from benchmarks.suite.document import Result, load_document
from edge_runtime.errors import UsageError
from edge_runtime.shipped import DEFAULT_MODEL, DEFAULT_SIZE

_QUOTED = re.compile(r"<!-- quoted: (\S+) -->.*?<!-- end -->", re.DOTALL)


def quote(text: str) -> str:
    """A page with each figure between ``<!-- quoted: NAME -->`` and ``<!-- end -->`` renewed.

    Raises:
        UsageError: There is no figure of that name.
    """
    return _QUOTED.sub(lambda match: f"<!-- quoted: {match[1]} -->{_figure(match[1])}<!-- end -->", text)


def _figure(name: str) -> str:
    if name not in _FIGURES:
        raise UsageError(f"There is no figure '{name}' to quote. The figures are: {', '.join(_FIGURES)}.")
    return _FIGURES[name]()


def _soak_rise_mb() -> str:
    return f"{read_soak(RESULTS / 'runtime' / 'soak.json').summary.rise_bytes / 1e6:.3f}"


def _int8_over_float32(path: Path) -> str:
    full_int8, float32 = _recipes(path)
    assert full_int8.latency_ms and float32.latency_ms, "both were measured"
    return f"{full_int8.latency_ms.invoke.p50 / float32.latency_ms.invoke.p50:.2f}"


def _int8_size_saved() -> str:
    full_int8, float32 = _recipes()
    return _saved(full_int8.size_bytes, float32.size_bytes)


def _int8_memory_saved() -> str:
    full_int8, float32 = _recipes()
    return _saved(full_int8.peak_memory_bytes, float32.peak_memory_bytes)


def _saved(after: int | None, before: int | None) -> str:
    assert after and before, "both were measured"
    return f"{100 * (1 - after / before):.0f}%"


def _interval_width_mm() -> str:
    return f"{read_quality(RESULTS / 'runtime' / 'quality.json').intervals['test'].mean_width_mm:.1f}"


def _shipped_adf_mm() -> str:
    full_int8, _ = _recipes()
    assert full_int8.accuracy and full_int8.accuracy.hc_absolute_difference_mm.mean is not None, "it was measured"
    return f"{full_int8.accuracy.hc_absolute_difference_mm.mean:.1f}"


def _study_hours() -> str:
    """Hours of all trainings, one after the other."""
    return f"{sum(run.seconds for run in load_all().values()) / 3600:.0f}"


def _mask_agreement(file: str, model: str) -> str:
    models = {found.name: found for found in read_interpreters(RESULTS / "interpreters" / file).models}
    return f"{models[model].mask_dice_mean:.4f}"


def _resealed(outcome: str | None = None) -> str:
    """Damaged models behind a valid seal, in the committed fuzz run: with one outcome, or all that were changed."""
    outcomes = read_fuzz(RESULTS / "runtime" / "fuzz.json").kinds["model, sealed anew"].outcomes
    return str(outcomes[outcome] if outcome else sum(outcomes.values()) - outcomes["not changed"])


def _emulated(digits: int, read: Callable[[Scores], float | None]) -> str:
    """A figure of the shipped models on an emulated Raspberry Pi: the lowest and the highest."""
    results = load_document(RESULTS / "emulated" / "cortex-a72-phantom.json").results
    values = [value for result in results if result.accuracy and (value := read(result.accuracy)) is not None]
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def _one_process() -> float:
    """Frames/s of an archive measured by one process."""
    runs = read_archive(RESULTS / "runtime" / "archive.json").runs
    return next(run.frames_per_s for run in runs if run.processes == 1)


_FIGURES: dict[str, Callable[[], str]] = {
    "soak-rise-mb": _soak_rise_mb,
    "archive-frames": lambda: f"{_one_process():.0f}",
    "archive-core-hours": lambda: f"{1e9 / 3600 / _one_process():,.0f}",
    "archive-hours-on-100": lambda: f"{1e9 / 3600 / _one_process() / 100:.0f}",
    "emulated-dice": lambda: _emulated(4, lambda scores: scores.dice.mean),
    "emulated-adf-mm": lambda: _emulated(1, lambda scores: scores.hc_absolute_difference_mm.mean),
    "int8-over-float32-vnni": lambda: _int8_over_float32(MEASURED),
    "int8-over-float32-avx2": lambda: _int8_over_float32(RESULTS / "latency" / "amd-epyc-avx2.json"),
    "int8-size-saved": _int8_size_saved,
    "int8-memory-saved": _int8_memory_saved,
    "interval-width-mm": _interval_width_mm,
    "shipped-adf-mm": _shipped_adf_mm,
    "study-hours": _study_hours,
    "fuzz-resealed": _resealed,
    "fuzz-crashed": lambda: _resealed("LiteRT crashed (SIGSEGV)"),
    "fuzz-canary": lambda: _resealed("DeviceError (canary)"),
    "fuzz-measured": lambda: _resealed("loaded, measured"),
    "tflite-runtime-shipped": lambda: _mask_agreement("shipped.json", DEFAULT_MODEL.stem),
    "tflite-runtime-paper": lambda: _mask_agreement("by-the-notebooks.json", "decoder-all-full_int8"),
    "tflite-runtime-full": lambda: _mask_agreement("by-the-notebooks-full.json", "full-full_int8"),
}
"""What can be quoted, by name."""


def _recipes(path: Path = MEASURED) -> tuple[Result, Result]:
    """full_int8 and float32 of the default size, in a result of the shipped sizes."""
    results = load_document(path).results
    found = {result.recipe: result for result in results if result.strategy == DEFAULT_SIZE}
    return found["full_int8"], found["float32"]
