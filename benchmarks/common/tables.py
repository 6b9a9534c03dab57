"""Numbers of a result file as text: the same cells in the terminal, in Markdown and in HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

NOT_MEASURED = "not measured"

Result = dict[str, Any]
Column = tuple[str, Callable[[Result], str]]
"""A title with its unit, and how a result fills it."""


def pick(value: Any, *keys: str) -> Any:
    """A nested value, None where any part of the way is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def number(value: float | None, digits: int, scale: float = 1.0, sign: bool = False) -> str:
    """A number as text, :data:`NOT_MEASURED` for None.

    Args:
        value: In its own unit.
        digits: Behind the point.
        scale: What it is multiplied with for display.
        sign: Write a plus too.
    """
    if value is None:
        return NOT_MEASURED
    text = f"{value * scale:{'+' if sign else ''}.{digits}f}"
    return text if float(text) else text.replace("-", "").replace("+", "")  # no -0.00


def interval(summary: dict[str, Any] | None, digits: int, scale: float = 1.0, sign: bool = False) -> str:
    """Mean and 95 % interval of a summary."""
    mean, low, high = (number(pick(summary, key), digits, scale, sign) for key in ("mean", "ci95_low", "ci95_high"))
    return mean if NOT_MEASURED in (mean, low, high) else f"{mean} [{low}, {high}]"


def _value(*keys: str, digits: int, scale: float = 1.0, sign: bool = False) -> Callable[[Result], str]:
    return lambda result: number(pick(result, *keys), digits, scale, sign)


def _mean(*keys: str, digits: int, scale: float = 1.0, sign: bool = False) -> Callable[[Result], str]:
    return lambda result: interval(pick(result, *keys), digits, scale, sign)


def _several(paths: Iterable[tuple[str, ...]], digits: int, result: Result) -> str:
    texts = [number(pick(result, *keys), digits) for keys in paths]
    return NOT_MEASURED if NOT_MEASURED in texts else " / ".join(texts)


_NAME: Column = ("artifact", lambda result: str(result["artifact"]))
_SIZE: Column = ("size (MB)", _value("size_bytes", digits=2, scale=1e-6))
_MEMORY: Column = ("peak memory (MB)", _value("peak_memory_bytes", digits=0, scale=1e-6))
_DICE: Column = ("Dice (%)", _mean("accuracy", "dice", digits=2, scale=100))
_ADF: Column = ("ADF (mm)", _mean("accuracy", "hc_absolute_difference_mm", digits=2))
_TOTAL: Column = (
    "total p50 / p90 / p99 (ms)",
    partial(_several, [("latency_ms", "total", p) for p in ("p50", "p90", "p99")], 2),
)
_STAGES: Column = (
    "pre / invoke / post, p50 (ms)",
    partial(_several, [("latency_ms", stage, "p50") for stage in ("preprocess", "invoke", "postprocess")], 2),
)
_SHIFT: Column = ("|HC shift| (mm)", _mean("degradation", "hc_absolute_shift_mm", digits=3))
_DICE_SHIFT: Column = ("Dice difference (points)", _mean("degradation", "dice_difference_points", digits=3, sign=True))

OVERVIEW: tuple[Column, ...] = (
    _NAME,
    ("MB", _value("size_bytes", digits=2, scale=1e-6)),
    ("p50 / p90 / p99 ms", _TOTAL[1]),
    ("pre / invoke / post ms", _STAGES[1]),
    ("memory MB", _MEMORY[1]),
    ("Dice %", _value("accuracy", "dice", "mean", digits=2, scale=100)),
    ("ADF mm", _value("accuracy", "hc_absolute_difference_mm", "mean", digits=2)),
    ("against float32: points", _value("degradation", "dice_difference_points", "mean", digits=3, sign=True)),
    ("|shift| mm", _value("degradation", "hc_absolute_shift_mm", "mean", digits=3)),
)
"""What ``run`` prints: means without intervals, to fit a terminal."""

SPEED: tuple[Column, ...] = (
    _NAME,
    _SIZE,
    _TOTAL,
    _STAGES,
    ("first result (ms)", _value("time_to_first_result_ms", digits=1)),
    ("first result from process start (ms)", _value("process_start_to_first_result_ms", digits=0)),
    _MEMORY,
)
ACCURACY: tuple[Column, ...] = (
    _NAME,
    ("images", _value("accuracy", "n_images", digits=0)),
    _DICE,
    ("worst Dice (%)", _value("accuracy", "dice", "min", digits=2, scale=100)),
    ("foreground IoU (%)", _value("accuracy", "foreground_iou", "mean", digits=2, scale=100)),
    ("mean IoU (%)", _value("accuracy", "mean_iou", "mean", digits=2, scale=100)),
    ("pixel accuracy (%)", _value("accuracy", "pixel_accuracy", "mean", digits=2, scale=100)),
    ("Hausdorff (mm)", _mean("accuracy", "hausdorff_mm", digits=2)),
    _ADF,
    ("DF (mm)", _mean("accuracy", "hc_difference_mm", digits=2, sign=True)),
    ("HC refused", _value("accuracy", "n_hc_refused", digits=0)),
)
DEGRADATION: tuple[Column, ...] = (
    _NAME,
    ("images", _value("degradation", "dice_difference_points", "n", digits=0)),
    _DICE_SHIFT,
    _SHIFT,
    ("HC shift (mm)", _mean("degradation", "hc_shift_mm", digits=3, sign=True)),
    ("images with both HC", _value("degradation", "hc_shift_mm", "n", digits=0)),
    ("note", lambda result: str(result.get("degradation_reason") or "")),
)


def cells(results: Sequence[Result], columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table."""
    return [title for title, _ in columns], [[fill(result) for _, fill in columns] for result in results]


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal: names to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        aligned = [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)
