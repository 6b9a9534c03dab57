"""``python -m export audit FILE...``: look into .tflite files, ours and others'."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import load_manifest, manifest_path
from edge_runtime.common.arguments import add_json
from edge_runtime.common.cli import say
from edge_runtime.errors import FetalHeadError, ModelError, UsageError
from edge_runtime.frame.preprocess import prepare, to_unit
from export.tflite.audit import CLAIMS, Audit, audit
from export.tflite.delegation import Delegation, delegation
from export.tflite.interpreter import load_interpreter
from export.tflite.model import Model
from train.data.hc18 import find_data
from train.data.splits import evenly_spaced

JSON_SCHEMA_VERSION = 1
FRAMES = 16
"""Frames the output's range is taken from."""
FEW_LEVELS = 128
"""An output that uses fewer of its 256 levels wastes a bit."""

_NAMES = {
    "full_int8": "full_int8",
    "dynamic_int8": "dynamic_int8",
    "full_integer_quant": "full_int8",
    "dynamic_range_quant": "dynamic_int8",
    "float16": "float16",
    "float32": "float32",
}
"""Parts of file names, ours and onnx2tf's, and the recipe that they promise."""


@dataclass(frozen=True)
class OutputRange:
    """How an integer output uses its 256 levels, over some frames.

    Attributes:
        least: Least stored value seen.
        most: Largest.
        saturated: Share of values at the type's own ends, 0 to 1.
    """

    least: int
    most: int
    saturated: float

    @property
    def levels(self) -> int:
        """Levels between them, both included."""
        return self.most - self.least + 1


@dataclass(frozen=True)
class Report:
    """All that is said of a file."""

    path: Path
    recipe: str | None
    audit: Audit
    delegation: Delegation
    output_range: OutputRange | None


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m export audit",
        description="Look into .tflite files, this project's or others': are they what their names promise, and does "
        "the CPU's fast path (XNNPACK) take all of them? Ends with 1 where a promise is broken.",
        epilog="example: python -m export audit artifacts/edge/*.tflite\n"
        "also:    python -m export audit their_model.tflite --as full_int8",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".tflite files, or folders of them")
    parser.add_argument(
        "--as",
        dest="recipe",
        choices=CLAIMS,
        help="what the files promise to be; default: what the manifest beside each says, else its name, else nothing",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="frames to see the output's range on: HC18's folder, 'phantom' or 'download'; default: searched for",
    )
    parser.add_argument("--untimed", action="store_true", help="do not time operators that XNNPACK leaves out")
    add_json(parser)
    return parser


def main(argv: list[str]) -> int:
    """``python -m export audit``; 1 where a promise is broken or a file cannot be read."""
    args = build_parser().parse_args(argv)
    files = find_files(args.files)
    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
        dataset = find_data(args.data)
        frames = [sample.frame() for sample in evenly_spaced(list(dataset.samples.values()), FRAMES)]
        say(f"frames: {len(frames)} of {dataset.title}")
        reports, errors = [], {}
        for path in files:
            try:
                report = look(path, args.recipe, frames, timed=not args.untimed)
            except FetalHeadError as error:
                errors[str(path)] = str(error)
                say(f"\n{path}\n  ERROR: {error}")
                continue
            reports.append(report)
            say(f"\n{report_text(report)}")
        broken = sum(bool(report.audit.violations) for report in reports)
        say(f"\naudited: {len(reports)} files, {broken} with violations, {len(errors)} that cannot be read")
    if args.json:
        found = [{**asdict(report), "path": str(report.path)} for report in reports]
        print(json.dumps({"schema_version": JSON_SCHEMA_VERSION, "files": found, "errors": errors}, allow_nan=False))
    return 1 if broken or errors else 0


def find_files(places: Sequence[Path]) -> list[Path]:
    """The files given, and every .tflite file below the folders given.

    Raises:
        UsageError: A place holds none.
    """
    found: dict[Path, None] = {}
    for place in places:
        here = sorted(place.rglob("*.tflite")) if place.is_dir() else [place] if place.is_file() else []
        if not here:
            raise UsageError(f"{place} is no .tflite file and holds none. Export some: python -m export")
        found |= dict.fromkeys(here)
    return list(found)


def promised(path: Path) -> str | None:
    """The recipe that a file's manifest names, or its own name; None where neither says any."""
    if manifest_path(path).is_file():
        with contextlib.suppress(FetalHeadError):
            recipe = load_manifest(path).recipe
            return recipe if recipe in CLAIMS else None
    return next((recipe for part, recipe in _NAMES.items() if part in path.stem.lower()), None)


def look(path: Path, recipe: str | None, frames: Sequence[NDArray[np.uint8]], timed: bool = True) -> Report:
    """Audit one file.

    Args:
        path: Of the file.
        recipe: What it promises; None to ask :func:`promised`.
        frames: To see the output's range on.
        timed: Time what XNNPACK leaves out.

    Raises:
        ModelError: It is no model, or LiteRT cannot run it.
    """
    try:
        model = Model(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
    recipe = recipe or promised(path)
    return Report(path, recipe, audit(model, recipe), delegation(model, timed), output_range(model, frames))


def output_range(model: Model, frames: Sequence[NDArray[np.uint8]]) -> OutputRange | None:
    """How an integer output uses its levels; None where there is no such output, no frame, or no input for one."""
    if (
        not frames
        or len(model.inputs) != 1
        or len(model.outputs) != 1
        or model.outputs[0].dtype not in ("int8", "uint8")
    ):
        return None
    shape = model.inputs[0].shape
    if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
        return None
    interpreter = load_interpreter(model.data)
    place, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    values = []
    for frame in frames:
        grey = prepare(frame, (shape[1], shape[2]))
        if place["dtype"] == np.int8:
            grey = (grey.astype(np.int16) - 128).astype(np.int8)
        elif place["dtype"] != np.uint8:
            grey = to_unit(grey).astype(place["dtype"])
        interpreter.set_tensor(place["index"], np.repeat(grey[None, :, :, None], shape[3], axis=3))
        interpreter.invoke()
        values.append(interpreter.get_tensor(target))
    stored = np.stack(values)
    ends = np.iinfo(stored.dtype)
    saturated = float(np.mean((stored == ends.min) | (stored == ends.max)))
    return OutputRange(int(stored.min()), int(stored.max()), saturated)


def report_text(report: Report) -> str:
    """A report as text, some lines."""
    found = report.audit
    lines = [
        str(report.path),
        f"  promise      {report.recipe or 'none known (give one: --as)'}",
        f"  size         {found.n_bytes / 1e6:.2f} MB, {found.n_parameters:,} parameters: {_counts(found.weights)}",
        f"  input        {found.input}",
        f"  output       {found.output}{_range(report.output_range)}",
        f"  operators    {_counts(found.operators)}",
        f"  XNNPACK      {_delegation(report.delegation)}",
    ]
    lines += [f"  VIOLATION    {violation}" for violation in found.violations]
    if report.recipe and not found.violations:
        lines.append(f"  kept         it is what {report.recipe} promises")
    return "\n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _range(found: OutputRange | None) -> str:
    if found is None:
        return ""
    text = f"; uses {found.levels} of 256 levels, {found.saturated:.2%} of its values saturate"
    return text + (" (NOTE: less than half)" if found.levels < FEW_LEVELS else "")


def _delegation(found: Delegation) -> str:
    text = f"{found.partitions} partition{'' if found.partitions == 1 else 's'}"
    if not found.outside:
        return f"{text}, nothing outside"
    outside = (
        f"{o.count} {o.kind}" + ("" if o.share is None else f" ({o.share:.1%} of the time)") for o in found.outside
    )
    return f"{text}, outside: {', '.join(outside)}"
