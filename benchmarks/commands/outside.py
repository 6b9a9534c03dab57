"""``python -m benchmarks outside``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.measured import here_and_now
from benchmarks.common.render import to_html
from benchmarks.pages.outside_report import TITLE, build
from benchmarks.pictures.thumbnails import draw_thumbnail
from benchmarks.runtime.outside import Looked, count, measure
from benchmarks.runtime.outside_document import SCHEMA_VERSION, OutsideDocument, table
from benchmarks.runtime.outside_kinds import Kind, find_kinds, unseen
from edge_runtime.artifact.manifest import load_manifest
from edge_runtime.commands.measure import add_image_options, pixel_size_source
from edge_runtime.common.arguments import add_model, add_out, at_least, checked_out
from edge_runtime.common.cli import counted, printable, say
from edge_runtime.common.files import write_bytes, write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError
from edge_runtime.frame.image_folders import canonical_name
from edge_runtime.segmenter import Segmenter
from edge_runtime.shipped import find_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="each folder of images in it is a kind; NAME_mask.png is a reference",
    )
    add_model(parser)
    add_image_options(parser)
    parser.add_argument(
        "--limit", type=at_least(1), metavar="N", help="most frames of a kind, spread evenly over them (default: all)"
    )
    parser.add_argument(
        "--unseen",
        action="store_true",
        help="only kinds that the network was not trained on and the limits not derived from, as its manifest tells",
    )
    add_out(parser)
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="write a page with contact sheets here, such as reports/outside.html; it shows the images (default: not "
        "written)",
    )
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Measure the frames, print and write. The exit code is 1 if a file could not be read."""
    checked_out(args.out, args.overwrite)
    checked_out(args.report, args.overwrite, option="--report")
    kinds = find_kinds(args.folder, args.limit)
    if args.unseen:
        kinds = unseen(kinds, load_manifest(find_model(args.model)))
    args.images = [frame for kind in kinds for frame in kind.frames]
    if args.pixel_size_csv is not None:
        _check_names(kinds)
    pixel_size = pixel_size_source(args)
    require("PIL.Image")
    segmenter = Segmenter.load(args.model)
    say(f"{segmenter.manifest.name}, {counted(len(args.images), 'frame')} of {counted(len(kinds), 'kind')}")
    looked = measure(segmenter, kinds, pixel_size, args.frame, draw_thumbnail if args.report else None)
    document = OutsideDocument(
        **here_and_now(SCHEMA_VERSION, ("numpy", "pillow", "ai-edge-litert", "tflite-runtime"), segmenter.threads),
        artifact=segmenter.manifest.name,
        model_sha256=segmenter.manifest.model_sha256,
        has_pixel_sizes=args.pixel_size_mm is not None or args.pixel_size_csv is not None,
        most_frames=args.limit,
        kinds=tuple(map(count, looked)),
    )
    say(table(document.kinds))
    _say_problems(looked)
    if args.out:
        write_json(args.out, to_json(document))
        say(f"written: {args.out}")
    if args.report:
        write_bytes(args.report, to_html(TITLE, build(document, looked)).encode())
        say(f"written: {args.report} (it shows the images: do not publish it)")
    return 1 if any(one.unread for one in looked) else 0


def _check_names(kinds: Sequence[Kind]) -> None:
    """Refuse two frames of one name: a table names files without their folders, and one size would go to both."""
    seen: dict[str, Path] = {}
    for kind in kinds:
        for frame in kind.frames:
            other = seen.setdefault(canonical_name(frame.name), frame)
            if other != frame:
                raise UsageError(
                    f"{other} and {frame} have the same name, and a table of pixel sizes names files alone. Rename "
                    "one, or measure one folder at a time."
                )


def _say_problems(looked: Sequence[Looked]) -> None:
    for one in looked:
        for texts, what in ((one.unread, "file"), (one.unused_masks, "mask")):
            if texts:
                unused = "not read" if what == "file" else "not used"
                more = "" if len(texts) == 1 else " ..."
                say(printable(f"{one.kind.name}: {counted(len(texts), what)} {unused}: {texts[0]}{more}"))
