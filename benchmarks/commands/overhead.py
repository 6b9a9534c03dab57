"""``python -m benchmarks overhead``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.measured import here_and_now
from benchmarks.runtime.overhead import find_frames, load, make_subjects, measure
from benchmarks.runtime.overhead_document import FRAME_SIZE, SCHEMA_VERSION, Frames, OverheadDocument, goals, table
from edge_runtime.common.arguments import add_data, add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError
from edge_runtime.shipped import DEFAULT_MODEL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "models", nargs="*", type=Path, metavar="FILE.tflite", help="models to measure beside the shipped one"
    )
    add_data(parser)
    parser.add_argument(
        "--frames", type=at_least(1), default=8, metavar="N", help="frames of 800x540 to use (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=at_least(1), default=100, metavar="N", help="frames to time, each model (default: %(default)s)"
    )
    parser.add_argument(
        "--processes", type=at_least(1), default=7, metavar="N", help="fresh processes, each (default: %(default)s)"
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Measure the shipped model and those given, print and write."""
    checked_out(args.out, args.overwrite)
    loaded = [(path, *load(path)) for path in [DEFAULT_MODEL, *args.models]]
    title, frames = find_frames(args.data, args.frames)
    if not frames:
        raise UsageError(f"--data {args.data} holds no frame of 800x540 pixels. Use other data, or --data phantom.")
    artifacts = measure(make_subjects(loaded, frames), frames, args.rounds, args.processes)
    verdicts = goals(artifacts)
    say(f"{len(frames)} frames of {title}, {args.rounds} rounds\n{table(artifacts, verdicts)}")
    if args.out:
        document = OverheadDocument(
            **here_and_now(SCHEMA_VERSION, ("ai-edge-litert", "numpy"), threads=1),
            frames=Frames(title, len(frames), FRAME_SIZE),
            rounds=args.rounds,
            processes=args.processes,
            artifacts=artifacts,
            goals=verdicts,
        )
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    return 0
