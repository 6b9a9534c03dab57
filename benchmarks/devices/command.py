"""``python -m benchmarks device``: measure on another Linux machine over ssh, and bring the result back."""

from __future__ import annotations

import argparse
import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common.arguments import add_shipped_places
from benchmarks.common.result_files import RESULTS, free_name
from benchmarks.devices.android.adb import find_phone
from benchmarks.devices.connection import Connection, connect
from benchmarks.devices.facts import Facts, check, check_folder_of
from benchmarks.devices.failures import why_no_result
from benchmarks.devices.parcel import Request
from benchmarks.devices.session import DeviceBusy, Log, follow, probe, send, start, steady, take_result
from benchmarks.frames.frame_set import read_frame_set
from benchmarks.frames.pack import PHANTOM
from benchmarks.suite.arguments import add_plan, options_of, plan_of
from benchmarks.suite.artifacts import find_artifacts
from edge_runtime.common.arguments import above, add_out, at_least, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import DeviceError, FetalHeadError, UsageError

FOLDER = ".cache/fetal-head-edge/device"
"""Below the home of the user on the device."""

PHONE_PORT = 8022
"""Of ssh servers in Termux: Android gives the usual one to nobody."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("destination", metavar="USER@HOST", help="what ssh takes: user@host, or a name from its config")
    add_shipped_places(parser)
    add_plan(parser)
    parser.add_argument(
        "--frame-set", type=Path, default=PHANTOM, metavar="FILE.frames",
        help="the images of such a file, made by pack (default: the eight phantoms of the repository)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=at_least(1, 65_535), metavar="N", help="of the ssh server (default: ssh's config)"
    )
    parser.add_argument(
        "--adb", action="store_true",
        help=f"reach a phone's ssh server, as Termux's, by its cable; --port is the phone's (default: {PHONE_PORT})",
    )  # fmt: skip
    parser.add_argument("--serial", metavar="NAME", help="with --adb: the phone, where there are several (adb devices)")
    parser.add_argument(
        "--ssh-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of ssh, as after its -o; may be repeated",
    )
    parser.add_argument(
        "--offline", action="store_true", help="download the device's packages on this machine, and send them along"
    )
    parser.add_argument(
        "--python", default="python3", metavar="COMMAND", help="the device's Python (default: %(default)s)"
    )
    parser.add_argument(
        "--folder", default=FOLDER, metavar="DIR",
        help="folder on the device, below the user's home or absolute, made and removed (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--keep", action="store_true", help="leave the folder on the device; the next call uses its environment again"
    )
    parser.add_argument(
        "--discard", action="store_true", help="only end a run on the device, and remove what it and --keep left there"
    )
    parser.add_argument(
        "--patience", type=above(0, 24 * 60), default=10, metavar="N",
        help="minutes to try again after a lost connection (default: %(default)s)",
    )  # fmt: skip
    add_out(parser, "benchmarks/results/<machine>-<date>.json, numbered")
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Measure on the device. The exit code is 1 if an artifact failed there.

    Raises:
        UsageError: The call was wrong, or the device holds another run.
        FetalHeadError: The device cannot be reached, lacks something, or the run failed.
    """
    if {".", ".."} & set(args.folder.split("/")) or not args.folder.strip("/"):
        raise UsageError(
            f"--folder is '{args.folder}'. Its content is removed from the device: name a folder, without '.' and '..'."
        )
    if args.discard:
        return _discard(args)
    plan_of(args)
    out = checked_out(args.out, args.overwrite)
    models = tuple(artifact.path for artifact in find_artifacts(args.places))
    read_frame_set(args.frame_set)
    request = Request(models, args.frame_set, options_of(args))
    with _reached(args) as connection:
        facts = probe(connection, args.folder, args.python)
        check_folder_of(facts)
        if _goes_on(facts, request):
            say(f"The device is at this run already, or was: {request.words}. Its log:")
        else:
            check(facts, args.python)
            say(f"device: {facts.machine}, Python {'.'.join(map(str, facts.version or ()))}; {request.words}")
            with _removed_on_failure(connection, facts, args.keep):
                send(connection, facts, request, args.offline)
                start(connection, facts, request, args.python)
        return _finish(connection, facts, request, args, out)


@contextlib.contextmanager
def _reached(args: argparse.Namespace) -> Iterator[Connection]:
    """The connection to the device: over the network, or with ``--adb`` through a phone's cable."""
    if not args.adb:
        if args.serial is not None:
            raise UsageError("--serial names a phone: add --adb, or leave it out.")
        with connect(args.destination, args.port, args.ssh_option) as connection:
            yield connection
        return
    phone, there = find_phone(args.serial), args.port or PHONE_PORT
    # the port is another one each time, so the phone's key is known by a name of its own
    options = [*args.ssh_option, f"HostKeyAlias=adb-{phone.serial}"]
    with phone.forwarded(there) as here:
        first = f"adb -s {phone.serial} forward tcp:{here} tcp:{there}; "
        with connect(args.destination, here, options, first) as connection:
            yield connection


def _goes_on(facts: Facts, request: Request) -> bool:
    """Whether the device has this run already.

    Raises:
        UsageError: It has another one, whose result would be lost.
    """
    job = facts.job
    if job.state == "died":
        say("An earlier run on the device ended without a word, as after a power cut. It is started again.")
    if not (job.state == "running" or (job.state == "ended" and not job.fetched)):
        return False
    if job.request != request.line:
        words = (job.request or "unknown").partition(" ")[2] or "unknown"
        what = "is still at another run" if job.state == "running" else "holds the result of another run"
        raise UsageError(
            f"The device {what} ({words}). Call with the same options and files to take its result, or remove it with "
            "--discard."
        )
    return True


def _finish(connection: Connection, facts: Facts, request: Request, args: argparse.Namespace, out: Path | None) -> int:
    """Follow the run, take its result, and remove what is there.

    Raises:
        DeviceBusy: Another run has taken this one's place; its result is not this call's.
        FetalHeadError: There is no result, or the device cannot be reached.
    """
    log, patience_s = Log(), 60 * args.patience
    try:
        follow(connection, facts.folder, log, patience_s)
        job = steady(lambda: probe(connection, facts.folder, args.python), patience_s).job
        if job.request not in (None, request.line):
            raise DeviceBusy(
                "This run is no longer on the device: somebody removed it and began another. Call again when that has "
                "ended."
            )
        document = steady(lambda: take_result(connection, facts.folder, job), patience_s)
    except KeyboardInterrupt:
        say("\nThe run goes on on the device. The same command follows it again; --discard ends it.")
        raise
    if document is None:
        _remove(connection, facts.folder, args.keep)
        raise DeviceError(why_no_result(job, log.tail))
    out = out or free_name(RESULTS, document.device, document.conditions.date, document.conditions.is_phantom)
    write_json(out, to_json(document))
    with contextlib.suppress(FetalHeadError):  # then the next call takes the same result again
        connection.script("fetched", facts.folder)
    _remove(connection, facts.folder, args.keep)
    failed = [result.artifact for result in document.results if result.error]
    if failed:
        say(f"{len(failed)} of {len(document.results)} failed: {', '.join(failed)}")
    say(f"brought back: {out}\nLook at it: python -m benchmarks report {shlex.quote(str(out))}")
    return 1 if failed or job.code else 0


def _discard(args: argparse.Namespace) -> int:
    with _reached(args) as connection:
        facts = probe(connection, args.folder, args.python)
        check_folder_of(facts)
        connection.script("clean", facts.folder)
        say("nothing was there" if facts.job.request is None else "removed")
    return 0


@contextlib.contextmanager
def _removed_on_failure(connection: Connection, facts: Facts, keep: bool) -> Iterator[None]:
    """Leave nothing half-sent on the device."""
    try:
        yield
    except DeviceBusy:
        raise
    except BaseException:  # Ctrl-C too
        _remove(connection, facts.folder, keep)
        raise


def _remove(connection: Connection, folder: str, keep: bool) -> None:
    """Leave the device as it was; where that fails, say so, because the result matters more."""
    if keep:
        say(f"kept on the device: {folder}")
        return
    try:
        connection.script("clean", folder)
    except FetalHeadError as error:
        say(f"{folder} could not be removed from the device: {error} Remove it later with --discard.")
