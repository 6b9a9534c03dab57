"""``python -m benchmarks phone``: measure in the browser of a phone, from a page on the local network."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.common.arguments import add_shipped_places
from benchmarks.common.result_files import RESULTS, free_name
from benchmarks.common.tables import cells, text_table
from benchmarks.devices.phone.address import EVERYWHERE, is_only_here, new_token, own_address, qr_code
from benchmarks.devices.phone.litert import VERSION, read_litert
from benchmarks.devices.phone.result import SUMMARY, document_of
from benchmarks.devices.phone.server import open_server
from benchmarks.devices.phone.session import MOST, Session, Sessions
from benchmarks.devices.phone.work import Work, make_work
from benchmarks.frames.images import images_of
from benchmarks.frames.pack import PHANTOM
from benchmarks.suite.arguments import add_lengths, plan_of
from benchmarks.suite.artifacts import find_artifacts
from edge_runtime.common.arguments import add_out, at_least, checked_out
from edge_runtime.common.cli import counted, say
from edge_runtime.common.files import write_json
from edge_runtime.common.optional import require
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError

_LINGERS_S = 4.0
"""A page whose last reply was lost asks again within this time."""


MOST_SECONDS = 600
"""Of a round: each frame's times are uploaded."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_shipped_places(parser)
    parser.add_argument(
        "--mode", choices=["quick", "official"], default="quick", help="as those of run (default: %(default)s)"
    )
    add_lengths(parser, ("quick", "official"))
    parser.add_argument(
        "--frame-set", type=Path, default=PHANTOM, metavar="FILE.frames",
        help="the images of such a file, made by pack; whoever has the address sees them (default: the eight phantoms "
        "of the repository)",
    )  # fmt: skip
    parser.add_argument(
        "--phones",
        type=at_least(1, MOST),
        default=1,
        metavar="N",
        help="end after N results, and those under way (default: %(default)s)",
    )
    parser.add_argument(
        "--host", default=EVERYWHERE, metavar="ADDRESS",
        help="listen on this address of this computer alone (default: all of them)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=at_least(0, 65_535), default=8010, metavar="N", help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--litert", type=Path, metavar="DIR",
        help=f"folder with what npm pack makes of LiteRT.js {VERSION} (default: fetched with npm, once)",
    )  # fmt: skip
    add_out(parser, "benchmarks/results/<phone>-<date>.json, numbered")
    parser.set_defaults(action=run, minutes=None)


def run(args: argparse.Namespace) -> int:
    """Serve the page until enough phones are done, and those that joined meanwhile.

    The exit code is 1 if an artifact failed on one.

    Raises:
        UsageError: The call was wrong, or the port is in use.
        FetalHeadError: LiteRT.js cannot be fetched, no artifact can be used, or a result cannot be written.
    """
    if args.out and args.phones > 1:
        raise UsageError("--out names one file: leave it out with --phones, and each result gets a name of its own.")
    plan, out = plan_of(args), checked_out(args.out, args.overwrite)
    if plan.seconds > MOST_SECONDS:
        raise UsageError(f"--seconds is {plan.seconds:g}; a phone sends the times of {MOST_SECONDS} s a round at most.")
    artifacts, images = find_artifacts(args.places), images_of(args.frame_set)
    require("segno")
    work = make_work(artifacts, images, plan)
    for name, error in work.errors.items():
        say(f"error: {name}: {error}")
    desk = _Desk(work, args, out)
    sessions, token = Sessions(work, desk.save), new_token()
    with open_server(args.host, args.port, token, sessions, read_litert(args.litert)) as server:
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        _announce(work, own_address(args.host), f":{server.server_port}/{token}/")
        while sessions.failure is None and (len(desk.written) < args.phones or sessions.under_way):
            time.sleep(0.2)
            sessions.say_who_is_away()
        while sessions.failure is None and any(
            s.saved and time.monotonic() - s.heard < _LINGERS_S for s in sessions.all
        ):
            time.sleep(0.2)
        server.shutdown()
    if sessions.failure is not None:
        raise sessions.failure
    return 1 if desk.failed else 0


class _Desk:
    """Where results are written. The server's threads come here, one at a time for each phone."""

    def __init__(self, work: Work, args: argparse.Namespace, out: Path | None) -> None:
        self._work, self._args, self._out = work, args, out
        self._turn = threading.Lock()
        self.written: list[Path] = []
        self.failed = False

    def save(self, session: Session) -> dict[str, Any]:
        """Write a phone's result; returns what its page shows."""
        document = document_of(self._work, session, self._args)
        with self._turn:  # two phones must not choose one name
            date = document.conditions.date
            named = None if self.written else self._out
            out = named or free_name(RESULTS, document.device, date, document.conditions.is_phantom)
            write_json(out, to_json(document))
            self.written.append(out)
        header, rows = cells(document.results, SUMMARY)
        failed = {result.artifact: result.error for result in document.results if result.error}
        self.failed = self.failed or bool(failed)
        say(f"\n{session.name}\n{text_table(header, rows)}")
        for name, error in failed.items():
            say(f"error: {name}: {error}")
        say(f"wrote {out}" + (f"; {len(failed)} of {len(rows)} failed: {', '.join(failed)}" if failed else ""))
        return {"file": out.name, "header": header, "rows": rows, "errors": failed}


def _announce(work: Work, host: str, rest: str) -> None:
    address = f"http://{host}{rest}"
    say(f"data: {work.images.summary}")
    say(
        f"{work.plan.mode}: {counted(len(work.tasks), 'artifact')}, {counted(work.plan.rounds, 'round')} of "
        f"{work.plan.frames} frames or more. Only the network is timed; a phone does not tell its clock or temperature."
    )
    if not work.images.is_phantom:
        say("The frames go over the network unencrypted, to whoever has this address.")
    if is_only_here(host):
        say("\nOpen this address in a browser of this computer. A phone cannot: see --host, or join a network.")
        say(address)
        return
    code = qr_code(address)
    if _can_show(code):
        say(f"\n{code}")
    say(f"\nOpen this address on a phone in the same network, and keep the page open. Ctrl-C stops.\n{address}")


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
