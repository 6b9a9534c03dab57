"""``python -m examples.scanner``: measures what a probe shows, and serves the screen as a page on this computer."""

from __future__ import annotations

import argparse
import re
import threading
import time

from edge_runtime import Segmenter, SourceError, UsageError, stream
from edge_runtime.commands.measure import add_dicom_options, add_image_options
from edge_runtime.common.arguments import CommandParser, above, add_help, add_model, at_least
from edge_runtime.common.cli import run_command, say
from examples.scanner.screen import Screen
from examples.scanner.server import open_server
from examples.scanner.sources import Probe, open_probe


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = CommandParser(prog="python -m examples.scanner")
    add_help(
        parser,
        "Play a probe, measure its frames, and serve a scanner's screen as a page on this computer: frame, outline, "
        "head circumference with its interval, or why there is none. Stop it with Ctrl-C.",
        "python -m examples.scanner",
        "python -m examples.scanner frames/ --pixel-size-mm 0.15 --gestational-age 24,3",
        "python -m examples.scanner clip.dcm",
        "python -m examples.scanner /dev/video0 --pixel-size-mm 0.21 --crop 640:480:320:60",
        notes="exit codes: 0 done, 1 the work failed, 2 the call was wrong\n\nResearch use only; not a medical device.",
    )
    probe = "phantom, hc18, a folder of images, an image, a DICOM clip, or a frame grabber (default: %(default)s)"
    parser.add_argument("probe", nargs="?", default="phantom", metavar="PROBE", help=probe)
    add_image_options(parser)
    add_dicom_options(parser)
    for name, kind, default, metavar, text in (
        ("--gestational-age", _weeks, None, "WEEKS,DAYS", "by dates, such as 24,3; without it no percentile is told"),
        ("--crop", str, None, "W:H:X:Y", "the part of a grabber's picture to keep; menus may show the patient's name"),
        ("--fps", above(0, 1000), 30.0, "N", "frames per second of files and the phantom (default: %(default)s)"),
        ("--deadline-ms", above(0), 100.0, "MS", "what is measured later has no number (default: %(default)s)"),
        ("--port", at_least(1, 65535), 8000, "N", "of the page (default: %(default)s)"),
        ("--host", str, "127.0.0.1", "ADDRESS", "with 0.0.0.0 all on the network see the page (default: %(default)s)"),
    ):
        parser.add_argument(name, type=kind, default=default, metavar=metavar, help=text)
    add_model(parser)
    return parser


def _weeks(text: str) -> float:
    if not re.fullmatch(r"(1[4-9]|[23][0-9]),[0-6]|40,0", text):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not WEEKS,DAYS from 14,0 to 40,0")
    return int(text[:2]) + int(text[3]) / 7


def play(segmenter: Segmenter, probe: Probe, deadline_ms: float, screen: Screen) -> None:
    """Measure until Ctrl-C. A probe that fails is started again."""
    frames, pixel_size_mm = probe
    while True:
        try:
            with stream(segmenter, frames(), pixel_size_mm, deadline_ms=deadline_ms) as screen.stream:
                for result in screen.stream:
                    screen.show(result)
        except (SourceError, UsageError) as error:  # UsageError: the device is not there
            say(str(error.__cause__ or error))
        screen.put({"state": "fault", "title": "NO PROBE", "text": "The probe has stopped. It is started again."})
        time.sleep(1)


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    probe, screen = open_probe(args), Screen(args.gestational_age)
    segmenter = Segmenter.load(args.model, threads="auto", canary_every=900)
    with open_server(args.host, args.port, screen) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        say(f"http://{args.host}:{args.port}  Research use only; not a medical device. Stop with Ctrl-C.")
        play(segmenter, probe, args.deadline_ms, screen)
    return 0


if __name__ == "__main__":
    run_command(main)
