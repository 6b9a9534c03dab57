"""A run on a device: started there, followed from here, and its result taken."""

from __future__ import annotations

import codecs
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from benchmarks.devices.connection import MARK, Connection, ConnectionLost
from benchmarks.devices.facts import Facts, Job, read_facts
from benchmarks.devices.parcel import Request, pack
from benchmarks.devices.wheels import build_wheel, fetch_packages
from benchmarks.suite.document import SuiteDocument, load_document
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_bytes
from edge_runtime.errors import DeviceError, FetalHeadError, UsageError

R = TypeVar("R")

WAITS_S = (2.0, 5.0, 10.0, 20.0, 30.0)
"""Pauses before trying again after a lost connection; the last one is repeated."""

_LOG_TAIL = 20_000
"""Characters of the log that are kept to say why a run failed."""


@dataclass
class Log:
    """The log of the run, as far as it was shown.

    Attributes:
        offset: Bytes that were shown.
        tail: The end of the text.
    """

    offset: int = 0
    tail: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    def show(self, chunk: bytes) -> None:
        """Print what is new."""
        self.offset += len(chunk)
        text = self._decoder.decode(chunk)
        self.tail = (self.tail + text)[-_LOG_TAIL:]
        sys.stdout.write(text)
        sys.stdout.flush()


def probe(connection: Connection, folder: str, python: str) -> Facts:
    """Ask the device what it is, and what an earlier call left there.

    Raises:
        FetalHeadError: It cannot be reached, or does not answer.
    """
    return read_facts(connection.script("probe", folder, python))


class DeviceBusy(UsageError):
    """Another call has the device. What is there is not this call's to remove."""


def prepare(connection: Connection, folder: str) -> None:
    """Make the folder on the device, and hold it for this call until the run has begun.

    Raises:
        DeviceBusy: Another call holds it.
        FetalHeadError: It cannot be made.
    """
    said = connection.script("prepare", folder)
    if f"{MARK}busy=run\n" in said:
        raise DeviceBusy("Another call has begun a run on the device meanwhile. Call again when it has ended.")
    if f"{MARK}busy=sending\n" in said:
        raise DeviceBusy(
            "Another call is sending its files to the device, or was cut off from it less than 10 minutes ago. Call "
            "again later, or remove what it sent with --discard."
        )


def send(connection: Connection, facts: Facts, request: Request, offline: bool) -> None:
    """Build what is needed, and put it in the folder on the device.

    Raises:
        DeviceBusy: Another call holds the folder.
        FetalHeadError: Something cannot be built, or not be sent.
    """
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as place, tempfile.TemporaryFile() as archive:
        say("building the wheel")
        wheel = build_wheel(Path(place))
        packages = Path(place) / "packages" if offline else None
        if packages and facts.machine and facts.version and facts.libc:
            say(f"downloading packages for {facts.machine}, Python {'.'.join(map(str, facts.version))}")
            fetch_packages(packages, facts.machine, facts.version, facts.libc[1])
        size = pack(archive, request, wheel, packages)
        say(f"sending {size / 1e6:.1f} MB")
        prepare(connection, facts.folder)
        connection.unpack(archive, facts.folder)


def start(connection: Connection, facts: Facts, request: Request, python: str) -> None:
    """Start the run in the background of the device.

    Raises:
        FetalHeadError: It cannot be started.
    """
    connection.script("start", facts.folder, python, *request.call(facts.folder))


def follow(connection: Connection, folder: str, log: Log, patience_s: float) -> None:
    """Show the log until the run has ended; after a lost connection, try again for a while.

    Raises:
        ConnectionLost: The device could not be reached for so long.
        FetalHeadError: ssh or the device failed otherwise.
    """
    while True:
        try:
            connection.follow(folder, log.offset, log.show)
            return
        except ConnectionLost as lost:
            say(f"\nThe connection was lost; the run goes on on the device. {lost}")
            _patient(lambda: connection.script("state", folder), patience_s, lost)
            say("connected again")


def steady(call: Callable[[], R], patience_s: float) -> R:
    """Call; after a lost connection, try again for a while.

    Raises:
        ConnectionLost: The device could not be reached for so long.
    """
    try:
        return call()
    except ConnectionLost as lost:
        return _patient(call, patience_s, lost)


def _patient(call: Callable[[], R], patience_s: float, lost: ConnectionLost) -> R:
    """Call again and again while the device cannot be reached.

    Raises:
        ConnectionLost: The last failure, after so many seconds.
    """
    end, tries = time.monotonic() + patience_s, 0
    while True:
        wait = WAITS_S[min(tries, len(WAITS_S) - 1)]
        if time.monotonic() + wait > end:
            raise ConnectionLost(
                f"{lost} The run goes on on the device. Call the same command again later: it finds the run, and "
                "follows it or takes the result."
            ) from lost
        time.sleep(wait)
        tries += 1
        try:
            return call()
        except ConnectionLost as again:
            say(f"not yet: {again}")
            lost = again


def take_result(connection: Connection, folder: str, job: Job) -> SuiteDocument | None:
    """The result of a run that has ended; None if there is none.

    Raises:
        DeviceError: It was cut short, or is not one.
        FetalHeadError: The device cannot be reached.
    """
    _, found, text = connection.script("result", folder).partition(f"{MARK}result\n")
    if not found:
        return None
    with tempfile.TemporaryDirectory(prefix="fetal-head-edge-") as place:
        path = Path(place) / "result.json"
        write_bytes(path, text.encode())
        try:
            document = load_document(path)
        except FetalHeadError as error:
            why = str(error).replace(str(path), "it").partition(". Measure again")[0]
            raise DeviceError(
                f"The result in {folder} on the device is damaged ({why}). Remove it with --discard, and call again."
            ) from error
    if not document.results:
        raise DeviceError("The result of the device holds no artifact. Call again.")
    # the device has no checkout; or the folder is in one of something else
    return replace(document, conditions=replace(document.conditions, git_commit=job.commit))
