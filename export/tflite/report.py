"""The report on a .tflite file, ours or someone else's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edge_runtime.artifact.manifest import load_manifest, manifest_path
from edge_runtime.common.files import read_bounded
from edge_runtime.errors import FetalHeadError, ModelError
from export.tflite.apart import Apart
from export.tflite.audit import CLAIMS, Audit, audit
from export.tflite.delegation import Delegation, delegation
from export.tflite.model import Model
from export.tflite.output_range import FEW_LEVELS, Frames, OutputRange, output_range

T = TypeVar("T")

MAX_BYTES = 8 << 30
"""Larger files are not read."""

_NAMES = {
    "full_int8": "full_int8",
    "dynamic_int8": "dynamic_int8",
    "full_integer_quant": "full_int8",
    "dynamic_range_quant": "dynamic_int8",
    "float16": "float16",
    "float32": "float32",
}
"""Parts of file names, ours and onnx2tf's, and the recipe that each promises."""


@dataclass(frozen=True)
class Report:
    """The report on a file.

    Attributes:
        path: Path of the file.
        recipe: The recipe that it promises; None if that is not known.
        audit: Its contents.
        delegation: How LiteRT runs it; None if LiteRT cannot run it.
        output_range: How an integer output uses its levels; None if there is none, or it could not be measured.
        missing: Reasons why figures could not be measured, by name of the figure.
    """

    path: str
    recipe: str | None
    audit: Audit
    delegation: Delegation | None
    output_range: OutputRange | None
    missing: dict[str, str]


def promised(path: Path) -> str | None:
    """The recipe named by a file's manifest or, without one, by its own name; None if neither names one."""
    if manifest_path(path).is_file():
        with contextlib.suppress(FetalHeadError):
            recipe = load_manifest(path).recipe
            return recipe if recipe in CLAIMS else None
    return next((recipe for part, recipe in _NAMES.items() if part in path.stem.lower()), None)


def read_model(path: Path) -> Model:
    """Read a .tflite file.

    Raises:
        ModelError: The file cannot be read, or is not a .tflite file.
    """
    try:
        return Model(read_bounded(path, MAX_BYTES))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error


def look(path: Path, recipe: str | None, frames: Frames, timed: bool = True) -> Report:
    """Audit one file.

    Args:
        path: Path of the file.
        recipe: The recipe that it should have; None to use :func:`promised`.
        frames: Frames to measure the output's range on.
        timed: Whether to time the operators that XNNPACK does not run.

    Raises:
        ModelError: The file cannot be read. If LiteRT cannot run it, that is part of the report.
    """
    model = read_model(path)
    recipe = recipe or promised(path)
    missing: dict[str, str] = {}

    def known(figure: str, measure: Callable[[], T]) -> T | None:
        try:
            return measure()
        except ModelError as error:
            missing[figure] = str(error)
            return None

    with Apart(model.data) as apart:
        cut = known("XNNPACK", lambda: delegation(model, timed, apart))
        levels = known("output range", lambda: output_range(apart, model, frames))
    return Report(str(path), recipe, audit(model, recipe), cut, levels, missing)


def report_text(report: Report) -> str:
    """A report as text."""
    found = report.audit
    graphs = "" if found.n_graphs == 1 else f" in {found.n_graphs} graphs"
    lines = [
        ("", report.path),
        ("promise", report.recipe or "not known (give it with --as)"),
        ("size", f"{found.n_bytes / 1e6:.2f} MB, {found.n_parameters:,} parameters: {_counts(found.weights)}"),
        ("not counted", f"{found.uncounted}; so the size is not checked" if found.uncounted else ""),
        ("input", found.input),
        ("output", found.output + _range(report.output_range)),
        ("operators", _counts(found.operators) + graphs),
        ("XNNPACK", _delegation(report.delegation, found.n_graphs) if report.delegation else ""),
        *(("not timed", text) for text in _not_timed(report.delegation)),
        *((figure, f"not known: {reason}") for figure, reason in report.missing.items()),
        *(("VIOLATION", violation) for violation in found.violations),
    ]
    if report.recipe and not found.violations:
        lines.append(("OK", f"the file is {report.recipe}, as promised"))
    return "\n".join(f"  {name:<12} {text}" if name else text for name, text in lines if text)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def _range(found: OutputRange | None) -> str:
    if found is None:
        return ""
    text = f"; uses {found.levels} of 256 levels, {found.saturated:.2%} of its values saturate"
    return text + (" (NOTE: less than half)" if found.levels < FEW_LEVELS else "")


def _delegation(found: Delegation, n_graphs: int) -> str:
    text = f"{found.partitions} partition{'' if found.partitions == 1 else 's'}"
    text += "" if n_graphs == 1 else " of the main graph"
    if not found.outside:
        return f"runs all operators, in {text}"
    outside = []
    for of in found.outside:
        said = [] if of.share is None else [f"{of.share:.1%} of the time"]
        n = sum(of.not_timed.values())
        said += [] if not n else ["not timed" if n == of.count else f"{n} of them not timed"]
        outside.append(f"{of.count} {of.kind}" + (f" ({', '.join(said)})" if said else ""))
    line = f"runs all operators but {', '.join(outside)}, in {text}"
    if sum(of.share or 0.0 for of in found.outside) > 1:
        line += "; each is timed alone, so with short ones the shares add up to more than 100%"
    return line


def _not_timed(found: Delegation | None) -> list[str]:
    """One line per reason."""
    kinds: dict[str, list[str]] = {}
    for of in found.outside if found else ():
        for reason in of.not_timed:
            kinds.setdefault(reason, []).append(of.kind)
    return [f"{', '.join(of)}: {reason}" for reason, of in kinds.items()]
