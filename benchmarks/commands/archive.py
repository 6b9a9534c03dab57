"""``python -m benchmarks archive``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.common.goals import goals_text
from benchmarks.common.measured import here_and_now
from benchmarks.runtime.archive import make_table, own_speed, run_archive, with_linear
from benchmarks.runtime.archive_document import SCHEMA_VERSION, ArchiveDocument, goals, table
from edge_runtime.common.arguments import add_model, add_out, at_least, check_folder, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.segmenter import Segmenter
from edge_runtime.shipped import find_model
from train.data.phantom import SIZE

PACKAGES = ("ai-edge-litert", "numpy", "pyarrow", "ray")
OWN_FRAMES = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_model(parser)
    parser.add_argument(
        "--frames", type=at_least(16), default=4000, metavar="N", help="frames of the table (default: %(default)s)"
    )
    parser.add_argument(
        "--processes",
        type=at_least(1, 4096),
        nargs="+",
        metavar="N",
        help="numbers of processes, each an archive of its own; 1 does without Ray (default: 1 and one a core)",
    )
    parser.add_argument(
        "--kill", action="store_true", help="kill a process at a third and the command at two thirds of each archive"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="make tables and archives in a new folder in DIR (default: the system's)",
    )
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Make archives, print and write. The exit code is 1 if an image has no row, or more than one."""
    checked_out(args.out, args.overwrite)
    if args.work:
        check_folder(args.work, "--work")
        args.work.mkdir(parents=True, exist_ok=True)
    for module in ("pyarrow", "ray"):
        require(module)
    segmenter = Segmenter.load(args.model)
    counts = args.processes or sorted({1, usable_cores()})
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        work = Path(folder)
        distinct = make_table(work / "tables", args.frames)
        own = own_speed(segmenter, min(args.frames, OWN_FRAMES))
        say(f"{args.frames:,} frames, {distinct} of them distinct, with {segmenter.manifest.name}")
        runs = [
            run_archive(work / "tables", work / f"out-{n}", find_model(args.model), count, args.frames, args.kill, own)
            for n, count in enumerate(counts)
        ]
    document = ArchiveDocument(
        **here_and_now(SCHEMA_VERSION, PACKAGES, segmenter.threads),
        model=segmenter.manifest.name,
        model_sha256=segmenter.manifest.model_sha256,
        frames=args.frames,
        distinct=distinct,
        frame_size=SIZE,
        own=own,
        runs=with_linear(runs),
    )
    say(f"{table(document)}\n{goals_text(goals(document.runs))}")
    if args.out:
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    return 1 if any(run.missing or run.twice for run in runs) else 0
