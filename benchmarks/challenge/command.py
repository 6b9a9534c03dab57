"""``python -m benchmarks submission``: the file that the HC18 challenge scores."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.challenge.submission import COMPLETE, Row, find_images, make_rows, write_rows
from edge_runtime.common.arguments import add_model, checked_out
from edge_runtime.common.cli import counted, printable, say
from edge_runtime.errors import UsageError
from edge_runtime.segmenter import Segmenter
from train.data.hc18 import find_local
from train.data.pseudo_labels import UNLABELLED, UNLABELLED_TABLE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help=f"folder that holds {UNLABELLED}/ and {UNLABELLED_TABLE} (default: $HC18_DIR, data/hc18, ../shared/hc18)",
    )
    add_model(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="the file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there already")
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Measure every image, write the file, and name the images that the runtime refuses. 1 if one has no ellipse.

    Raises:
        UsageError: There is no such folder or table, they do not belong together, or the file is there.
    """
    checked_out(args.out, args.overwrite)
    folder = args.folder or find_local()
    if folder is None:
        raise UsageError("HC18 was not found. Download it: python -m train.data.download --with-test-set")
    images = find_images(folder)
    segmenter = Segmenter.load(args.model)
    say(f"data: {counted(len(images), 'image')} in {folder / UNLABELLED}; model: {segmenter.manifest.name}")
    rows = make_rows(segmenter, images, tell=say)
    write_rows(args.out, rows)
    return _report(args.out, rows)


def _report(out: Path, rows: list[Row]) -> int:
    refused = [row for row in rows if row.reason is not None]
    for row in refused:
        what = "refused, its ellipse is given all the same" if row.ellipse_mm else "no ellipse, its axes are 0"
        print(f"{printable(row.name)}: {what}: {row.reason}", file=sys.stderr)
    missing = sum(row.ellipse_mm is None for row in rows)
    say(
        f"written: {out}, {counted(len(rows), 'row')}, of which {len(refused)} refused and {missing} without an ellipse"
    )
    if len(rows) != COMPLETE:
        say(f"The challenge has {COMPLETE} images: a file with {len(rows)} cannot be sent. Others are missing.")
    return 1 if missing else 0
