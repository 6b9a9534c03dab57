"""``python -m edge_runtime send``: DICOM files to a hospital's archive (PACS)."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from edge_runtime.common.arguments import above, add_help
from edge_runtime.common.cli import counted, printable, say
from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, InputError, UsageError
from edge_runtime.frame.dicom.files import MAX_DICOM_BYTES
from edge_runtime.frame.image_files import read_file
from edge_runtime.links.pacs.c_store import TIMEOUT_S, Outcome, store
from edge_runtime.links.pacs.instance import read_instance
from edge_runtime.links.pacs.spool import Server, Spool, open_spool

CALLING = "FETALHEADEDGE"
"""Our application entity title, if no other is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_help(
        parser,
        "Send DICOM files to a server (C-STORE). Each is first copied into the spool, and stays there until the server "
        "has confirmed it, so nothing is lost, whatever fails. Without files, what waits in the spool is sent. A file "
        "that was sent is not sent again. The connection is not encrypted. The exit code is 1 if a file waits or was "
        "refused.",
        "python -m edge_runtime send report.dcm --to pacs.local:104 --called ARCHIVE --spool spool",
        "python -m edge_runtime send --spool spool",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="DICOM files: images and reports")
    parser.add_argument(
        "--spool", type=Path, required=True, metavar="DIR", help="folder of files to send to one server"
    )
    parser.add_argument("--to", type=_place, metavar="HOST:PORT", help="the server's address; the spool remembers it")
    parser.add_argument("--called", metavar="AET", help="the server's application entity title")
    parser.add_argument(
        "--calling",
        default=CALLING,
        metavar="AET",
        help="our own title, if the server must know it (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout-s",
        type=above(0, 3600),
        default=TIMEOUT_S,
        metavar="S",
        help="wait S seconds for a connection, and for each answer (default: %(default)s)",
    )
    parser.set_defaults(run=send)


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not re.fullmatch(r"[A-Za-z0-9._:%-]{1,253}", host):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not HOST:PORT, such as pacs.local:104")
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and 1 <= int(port) <= 65535):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} has no port from 1 to 65535")
    return host, int(port)


def _check_title(option: str, title: str) -> None:
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", title) or title != title.strip():
        raise UsageError(f"{option} is {title[:40]!r}; it must be 1 to 16 ASCII characters without a backslash.")


def send(args: argparse.Namespace) -> int:
    """Put files into the spool, then send all that waits there."""
    if (args.to is None) != (args.called is None) or (args.files and args.to is None):
        raise UsageError("To send files, give --to HOST:PORT and --called AET. To send what waits, give neither.")
    for option, title in (("--called", args.called), ("--calling", args.calling)):
        if title is not None:
            _check_title(option, title)
    require("pynetdicom")
    server = None if args.to is None else Server(args.to[0], args.to[1], args.called, args.calling)
    with open_spool(args.spool, server) as spool:
        names: dict[Path, str] = {}
        code = max([_add(spool, path, names) for path in args.files], default=0)
        waiting = spool.waiting()

        def tell(outcome: Outcome) -> None:
            if outcome.sha256 is not None:
                spool.confirm(outcome.path, outcome.sha256)
            state = "sent" if outcome.sha256 is not None else "waits"
            note = f": {outcome.note}" if outcome.note else ""
            say(f"{printable(names.get(outcome.path, outcome.path.name)):<24} {state}{note}")

        store(spool.server, waiting, tell, args.timeout_s)
        left = len(spool.waiting())
        say(f"{counted(len(waiting) - left, 'file')} sent to {spool.server}, {left} waiting.")
    if left:
        say(f"To send what waits: python -m edge_runtime send --spool {printable(str(args.spool))}")
    return max(code, 1 if left else 0)


def _add(spool: Spool, path: Path, names: dict[Path, str]) -> int:
    """Put a file into the spool, and return the exit code that follows."""
    try:
        data = read_file(path, MAX_DICOM_BYTES)
        try:
            place, state = spool.add(data, read_instance(data))
        except InputError as error:
            raise InputError(f"{path} is not sent: {error}.") from None
    except FetalHeadError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    if state == "sent":
        say(f"{printable(path.name):<24} was sent before")
    elif place in names:
        say(f"{printable(path.name):<24} is the same file as {printable(names[place])}")
    else:
        names[place] = path.name
    return 0
