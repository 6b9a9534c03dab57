"""``python -m edge_runtime archive``: the head circumference of every image of an archive, as Parquet."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

from edge_runtime.archive.place import open_place
from edge_runtime.archive.plan import ROWS, Settings
from edge_runtime.archive.progress import Progress
from edge_runtime.archive.run import Archive, find_archive, held, measure, tidy
from edge_runtime.commands.measure import add_dicom_options, add_image_options, is_for_one_size, read_pixel_size
from edge_runtime.common.arguments import add_help, at_least, check_folder
from edge_runtime.common.cli import clock, counted, json_line, printable, say
from edge_runtime.common.optional import require
from edge_runtime.common.ray_cluster import find_ray
from edge_runtime.device.fingerprint import usable_cores
from edge_runtime.errors import UsageError
from edge_runtime.frame.image_folders import left_out_note
from edge_runtime.frame.pixel_sizes import check_pixel_sizes
from edge_runtime.output.subject import WARNING

MOST_PROCESSES = 100_000
LIVE_S, PLAIN_S = 0.5, 30.0
"""Seconds between two lines of progress: on a terminal, and elsewhere."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, except the model."""
    add_help(
        parser,
        "Measure the head circumference in all images of an archive, with one process a core, and write one row an "
        "image as Parquet. A source is a folder with its subfolders, a list of files (.txt with one path a line, or "
        ".csv with the columns 'filename' and 'pixel size(mm)'), or Parquet tables of frames. A file that cannot be "
        "read costs one row, which says why. If the command is stopped or killed, the same call does what is missing. "
        "Rows of another model, source or settings are never mixed in.",
        "python -m edge_runtime archive frames/ --out rows --pixel-size-csv sizes.csv",
        "python -m edge_runtime archive sizes.csv --out rows",
        "python -m edge_runtime archive dicom/ --out rows --processes 8",
        "python -m edge_runtime archive s3://hospital/frames --out s3://hospital/rows --address auto",
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="folder, list (.txt, .csv) or table (.parquet): a path, or a URL of fsspec"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the archive, a path or a URL: new, empty, or to continue"
    )
    add_image_options(parser)
    add_dicom_options(parser)
    parser.add_argument(
        "--processes",
        type=at_least(1, MOST_PROCESSES),
        metavar="N",
        help="how many processes; 1 does without Ray (default: one a core, here or of the cluster)",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="of a Ray cluster, such as auto or head:6379 (default: this computer alone)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure what is missing, and show how far it is."""
    settings = _settings(args)
    require("pyarrow.parquet")
    if args.processes != 1 or args.address:
        find_ray(args.address)
    if not args.out.strip():
        raise UsageError("--out is empty. Name a folder.")
    # the nodes of a cluster work in folders of their own
    source, where = map(_absolute, (args.source, args.out)) if args.address else (args.source, args.out)
    out = open_place(where)
    if out.store is None:
        check_folder(out.path)
    processes = args.processes or (None if args.address else usable_cores())
    with held(out):
        archive = find_archive(
            source,
            out,
            settings,
            one_size=is_for_one_size(args),
            sizes=args.pixel_size_csv,
            model=args.model,
            trusted_keys=args.trusted_keys,
        )
        if not args.json:
            _say_begin(archive)
        progress = _measure(archive, processes, args)
        tidy(out)
    if args.json:
        say(
            json_line(
                {"finished": True, **progress.figures(), "measured": progress.measured, "unread": progress.unread}
            )
        )
    else:
        _say_end(progress, out.name_of(ROWS))
    return 0


def _absolute(place: str) -> str:
    return place if "://" in place or not place.strip() else str(Path(place).absolute())


def _settings(args: argparse.Namespace) -> Settings:
    if args.any_size and args.pixel_size_mm is None:
        raise UsageError(
            "--any-size is given without --pixel-size-mm, whose size it is about. Add it, or leave out both."
        )
    sizes = None if args.pixel_size_mm is None else check_pixel_sizes(read_pixel_size(args.pixel_size_mm))
    option = "--pixel-size-mm" if sizes else "--pixel-size-csv" if args.pixel_size_csv else "source"
    return Settings(args.frame, args.region, sizes, None, option)


def _measure(archive: Archive, processes: int | None, args: argparse.Namespace) -> Progress:
    progress = Progress(archive.job.plan.images, archive.done_images)
    live, shown = sys.stdout.isatty() and not args.json, time.monotonic()
    for report in measure(archive, processes, args.address):
        progress.add(report)
        if args.json:
            say(json_line({**asdict(report), **progress.figures()}))
        elif time.monotonic() - shown >= (LIVE_S if live else PLAIN_S):
            shown = time.monotonic()
            print(f"\r{_line(progress):<79}" if live else _line(progress), end="" if live else "\n", flush=True)
    if live and progress.seen:
        print("\r" + " " * 79, end="\r")
    return progress


def _say_begin(archive: Archive) -> None:
    plan = archive.job.plan
    if archive.left_out:
        print(f"{printable(plan.source)}: {'; '.join(left_out_note([*map(Path, archive.left_out)]))}", file=sys.stderr)
    if archive.damaged:
        print(
            f"{counted(len(archive.damaged), 'table')} cannot be read, such as {printable(archive.damaged[0])}: one "
            "row each, with the reason. To have their frames measured, mend them and begin another --out.",
            file=sys.stderr,
        )
    if archive.unsized:
        print(
            f"no pixel size for {archive.unsized:,} of {_images(plan.images)}: they get no circumference in mm. Give "
            "--pixel-size-csv or --pixel-size-mm.",
            file=sys.stderr,
        )
    before = f", {archive.done_images:,} of them done before" if archive.done_images else ""
    say(f"{_images(plan.images)} in {counted(plan.parts, 'part')}{before}, with {plan.model}")


def _say_end(progress: Progress, rows: str) -> None:
    refused = progress.seen - progress.measured - progress.unread
    if progress.seen:
        rate = f", {progress.frames_per_s:.1f} frames/s" if progress.frames_per_s else ""
        say(
            f"{_images(progress.seen)} in this run: {progress.measured:,} measured, {refused:,} refused, "
            f"{progress.unread:,} not readable{rate}"
        )
    say(f"{_images(progress.total)}, one row each, in {printable(rows)}\n{WARNING}")


def _line(progress: Progress) -> str:
    figures = progress.figures()
    rate = f"   {figures['frames_per_s']:.1f} frames/s   {clock(figures['left_s'])} left" if figures["left_s"] else ""
    return f"{progress.done:,} of {_images(progress.total)}{rate}"


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"
