"""``python -m edge_runtime link``: measures what PLUS, 3D Slicer and others send over OpenIGTLink."""

from __future__ import annotations

import argparse
import re
import sys
from collections import deque

from edge_runtime.commands.measure import read_pixel_size
from edge_runtime.commands.stream import add_rules, closing, line, say_closing
from edge_runtime.common.arguments import add_help
from edge_runtime.common.cli import json_line, printable, say
from edge_runtime.links.openigtlink.connections import Address
from edge_runtime.links.openigtlink.image import PixelSizes
from edge_runtime.links.openigtlink.link import Ends, Link
from edge_runtime.links.openigtlink.wire import PORT
from edge_runtime.segmenter import Segmenter
from edge_runtime.streaming.stream import Rules

CANARY_EVERY = 900
"""Frames; half a minute of a probe that gives 30 a second."""

_AGES = 10_000
"""Of the last results, for the last line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, except the model and the number of threads."""
    add_help(
        parser,
        "Measure images that arrive over OpenIGTLink, and send back mask, outline, circumference and status, until "
        "Ctrl-C. It connects to a program, such as PLUS, or waits for programs, such as 3D Slicer; with both, images "
        "come from the one and results go to the others. The pixel size is that of the image's matrix. Each line gives "
        "a result, as in stream.",
        "python -m edge_runtime link localhost:18944",
        "python -m edge_runtime link plus.local --listen 18945",
        "python -m edge_runtime link --listen 0.0.0.0:18944 --pixel-size-mm 0.15",
    )
    parser.add_argument(
        "connect",
        nargs="?",
        type=_host,
        metavar="HOST[:PORT]",
        help=f"connect to this program, and again whenever the connection is lost (default of PORT: {PORT})",
    )
    parser.add_argument(
        "--listen",
        type=_port,
        metavar="[HOST:]PORT",
        help="let programs connect to this port: of this computer, or with 0.0.0.0:PORT of all on the network",
    )
    parser.add_argument(
        "--device", metavar="NAME", help="measure the images of this name (default: of the first that arrives)"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--pixel-size-mm",
        metavar="X[,Y]",
        help="side of a pixel in mm, instead of what the images say, as long as their size stays the same; "
        "width,height if pixels are not square",
    )
    size.add_argument(
        "--trust-spacing",
        action="store_true",
        help="believe images that say that their pixels are exactly 1 mm wide and high; without this they have no "
        "circumference, since many senders write 1 if they do not know",
    )
    add_rules(parser)
    parser.set_defaults(run=run)


def _host(text: str) -> Address:
    host, port = (text, str(PORT)) if re.fullmatch(r"[^:]*|\[.*\]", text) else text.rpartition(":")[::2]
    return _address(text, host, port)


def _port(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return _address(text, host or "127.0.0.1", port)


def _address(text: str, host: str, port: str) -> Address:
    if not (re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) and 1 <= int(port) <= 65535 and host.strip("[]")):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a host and a port from 1 to 65535, such as host:18944")
    return Address(host.strip("[]"), int(port))


def run(args: argparse.Namespace) -> int:
    """Measure until Ctrl-C, and print one result per line."""
    ends = Ends(args.connect, args.listen, args.device)
    given = None if args.pixel_size_mm is None else read_pixel_size(args.pixel_size_mm)
    sizes, rules = PixelSizes(given, args.trust_spacing), Rules(args.deadline_ms, args.stall_s)
    segmenter = Segmenter.load(
        args.model, threads=args.threads, trusted_keys=args.trusted_keys, canary_every=CANARY_EVERY
    )
    ages, count = deque[float](maxlen=_AGES), 0
    with Link(segmenter, ends, sizes, rules, _tell) as link:
        try:
            for result, shown in link:
                count += not result.stalled
                if not result.stalled:
                    ages.append(result.age_ms)
                    say(json_line(shown) if args.json else line(shown, str(shown["image"])))
                elif args.json:
                    say(json_line(shown))
        except KeyboardInterrupt:  # the way to end it
            pass
        last = closing(link.stream, link.begun_s, ages, count, segmenter.threads)
    say_closing(last, args.json)
    return 0


def _tell(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
