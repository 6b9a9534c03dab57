"""``python -m export audit``: check .tflite files, from this project and from others."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from edge_runtime.artifact.find import find_models
from edge_runtime.common.arguments import CommandParser, add_help, add_json
from edge_runtime.common.cli import counted, json_line, say
from edge_runtime.common.record import to_json
from edge_runtime.errors import FetalHeadError
from export.tflite.audit import CLAIMS
from export.tflite.output_range import local_frames
from export.tflite.report import look, report_text

JSON_SCHEMA_VERSION = 1


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = CommandParser(prog="python -m export audit")
    add_help(
        parser,
        "Check .tflite files, from this project or from others: is each what its name promises, and does XNNPACK, the "
        "CPU's fast path, run all of its operators? LiteRT runs each file in a separate process. If it crashes, the "
        "report says so. The exit code is 1 if a file breaks its promise or cannot be read.",
        "python -m export audit artifacts/edge-m/*.tflite",
        "python -m export audit their_model.tflite --as full_int8",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help=".tflite files, folders of them, or sizes such as edge-s"
    )
    parser.add_argument(
        "--as",
        dest="recipe",
        choices=CLAIMS,
        help="recipe that the files promise (default: from the manifest beside each file, or else from its name)",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="frames to measure the output's range on: HC18's folder or 'phantom' (default: HC18 if it is on this "
        "machine, else the phantom; nothing is downloaded)",
    )
    parser.add_argument("--untimed", action="store_true", help="do not time the operators that XNNPACK does not run")
    add_json(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code: 1 if a file breaks its promise or cannot be read."""
    args = build_parser().parse_args(argv)
    files = find_models(args.files)
    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
        frames, title = local_frames(args.data)
        say(f"The range of the outputs is measured on {len(frames)} frames of {title}.")
        reports, errors = [], {}
        for path in files:
            try:
                report = look(path, args.recipe, frames, timed=not args.untimed)
            except FetalHeadError as error:
                errors[str(path)] = str(error)
                say(f"\n{path}\n  ERROR: {error}")
                continue
            except Exception as error:  # a fault of ours; the other files are still audited
                errors[str(path)] = f"The audit itself failed: {error!r}. Please report this file."
                say(f"\n{path}\n  ERROR: {errors[str(path)]}")
                continue
            reports.append(report)
            say(f"\n{report_text(report)}")
        broken = sum(bool(report.audit.violations) for report in reports)
        idle = sum(report.delegation is None for report in reports)
        say(
            f"\naudited: {counted(len(reports), 'file')}, {broken} with violations, {len(errors)} that cannot be read"
            + (f", {idle} that LiteRT cannot run" if idle else "")
        )
    if args.json:
        document = {"schema_version": JSON_SCHEMA_VERSION, "files": to_json(reports), "errors": errors}
        print(json_line(document))
    return 1 if broken or errors else 0
