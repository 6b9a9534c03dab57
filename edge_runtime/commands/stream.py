"""``python -m edge_runtime stream``: plays image files and clips as a probe would, to try it without a probe."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_runtime.commands.measure import (
    add_dicom_options,
    add_image_options,
    is_for_one_size,
    pixel_size_source,
    with_options,
)
from edge_runtime.commands.replay import Shot, find_shots, replay
from edge_runtime.common.arguments import above, add_help, at_least
from edge_runtime.common.cli import json_line, printable, say
from edge_runtime.frame.picture_files import find_images
from edge_runtime.segmenter import Segmenter
from edge_runtime.streaming.result import StreamResult
from edge_runtime.streaming.stream import DEADLINE_MS, STALL_S, Stream, stream
from edge_runtime.timing.bench import percentiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, except the model and the number of threads."""
    add_help(
        parser,
        "Play image files and DICOM clips to a stream as a probe would: at a fixed rate, whether or not they are "
        "measured in time. DICOM files bring their own pixel sizes. "
        "Each line gives a frame's number, its file, its age when its result was shown, and the result. Of the frames "
        "that arrive while another is measured, all but the newest are dropped. If the frames' size changes, there is "
        "no circumference from then on, unless --pixel-size-csv or --any-size is given. The exit code is 1 if a frame "
        "failed.",
        "python -m edge_runtime stream frames/ --pixel-size-mm 0.15 --fps 30",
        "python -m edge_runtime stream clip.dcm --fps 25",
        "python -m edge_runtime stream frames/ --pixel-size-csv sizes.csv --seconds 60 --json",
    )
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGE_OR_FOLDER",
        help="image files, DICOM images and clips, or folders of them: image files by name, DICOM by series and number",
    )
    add_image_options(parser)
    add_dicom_options(parser)
    parser.add_argument(
        "--fps", type=above(0, 1000), default=30.0, metavar="N", help="frames per second (default: %(default)s)"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--loop", type=at_least(1), default=1, metavar="N", help="show all files N times (default: %(default)s)"
    )
    length.add_argument("--seconds", type=above(0), metavar="S", help="show the files again and again for S seconds")
    add_rules(parser)
    parser.set_defaults(run=run)


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Add what makes a result late, and a source stalled."""
    parser.add_argument(
        "--deadline-ms",
        type=above(0),
        default=DEADLINE_MS,
        metavar="MS",
        help="a result is late if its frame is older than MS milliseconds (default: %(default)s)",
    )
    parser.add_argument(
        "--stall-s",
        type=above(0),
        default=STALL_S,
        metavar="S",
        help="the source counts as stalled after S seconds without a frame (default: %(default)s)",
    )


def record(result: StreamResult, shot: Shot | None, begun_s: float) -> dict[str, Any]:
    """Convert a result to one JSON object.

    Args:
        result: A result of the stream.
        shot: Where the frame was read from. None if stalled.
        begun_s: When the stream began, on the stream's clock.
    """
    return {
        "sequence": result.sequence,
        "image": shot and shot.path.name,
        "frame": shot and shot.frame,
        **result.figures(begun_s),
    }


def _add_options(shown: dict[str, Any], result: StreamResult) -> None:
    """Name the options beside the call, if the pixel size no longer holds. The stream itself knows the call only."""
    if result.measurement and result.measurement.pixel_size_mm is None and "--any-size" not in shown["reason"]:
        shown["reason"] += "; in this command, give --pixel-size-csv, or add --any-size if it does hold"


def line(shown: dict[str, Any], name: str) -> str:
    """One result for people."""
    hc, summary = shown["head_circumference_mm"], shown["summary"]
    text = f"HC {hc:6.1f} mm" if hc is not None else f"no HC: {printable(with_options(shown['reason']))}"
    if hc is not None and shown["caution"]:
        text += f"  CAUTION: {shown['caution']}"
    steady = (
        f"   median {summary['head_circumference_mm']:.1f} mm of {summary['frames']}, "
        f"half within {summary['spread_mm']:.1f}"
        if summary
        else ""
    )
    return f"{shown['sequence']:>6} {printable(name):<20} {shown['age_ms']:6.1f} ms old  {text}{steady}"


def run(args: argparse.Namespace) -> int:
    """Play image files to a stream, and print one result per line. The exit code is 1 if a frame failed."""
    args.images, folders = find_images(args.images)
    for folder in folders:
        if folder.left_out:
            print(printable(f"{folder.path}: {folder}"), file=sys.stderr, flush=True)
    pixel_size = pixel_size_source(args)
    segmenter = Segmenter.load(args.model, threads=args.threads, trusted_keys=args.trusted_keys)
    endless = args.seconds is not None
    loops, seconds = (2**62, args.seconds) if endless else (args.loop, math.inf)
    one_size = is_for_one_size(args)
    shots = find_shots(args.images, args.frame, args.region)
    source = replay(shots, pixel_size, args.fps, loops, seconds, region=args.region, one_size=one_size)
    given = pixel_size(args.images[0]) if one_size else None
    ages, best = [], None
    with stream(segmenter, source, given, deadline_ms=args.deadline_ms, stall_s=args.stall_s) as results:
        begun = results.now_s()
        for result in results:
            shot = None if result.stalled else shots[(result.sequence - 1) % len(shots)]
            shown = record(result, shot, begun)
            if one_size:
                _add_options(shown, result)
            say(json_line(shown) if args.json else line(shown, shot.name if shot else "-"))
            if not result.stalled:
                ages.append(result.age_ms)
            best = results.best()
        last = closing(results, begun, ages, len(ages), segmenter.threads)
    last["best"] = best and {"sequence": best.sequence, "measured_mm": best.measurement.head_circumference_mm}
    say_closing(last, args.json)
    return 1 if last["counts"]["failed"] else 0


def closing(results: Stream, begun_s: float, ages: Sequence[float], shown: int, threads: int) -> dict[str, Any]:
    """What the last line tells.

    Args:
        results: The stream.
        begun_s: When it began, on its clock.
        ages: Ages of results in ms.
        shown: How many frames had a result.
        threads: CPU threads.
    """
    seconds = results.now_s() - begun_s
    return {
        "done": True,
        "seconds": seconds,
        "shown_a_second": shown / seconds,
        "age_ms": asdict(percentiles(ages)) if len(ages) > 1 else None,
        "best": None,
        "counts": asdict(results.counts),
        "threads": threads,
    }


def say_closing(last: dict[str, Any], as_json: bool) -> None:
    """Print what :func:`closing` gave."""
    say(json_line(last) if as_json else _last_line(last))


def _last_line(last: dict[str, Any]) -> str:
    counts, age = last["counts"], last["age_ms"]
    ages = f"; age p50 {age['p50']:.1f} ms, p99 {age['p99']:.1f} ms" if age else ""
    told = ", ".join(f"{counts[name]} {name}" for name in counts)
    return f"{told}; {last['shown_a_second']:.1f} results per second{ages}\nResearch use only; not a medical device."
