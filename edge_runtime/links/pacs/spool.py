"""Files on their way to a server, on disk: nothing is lost, whatever is switched off or killed, and when.

A file is in ``waiting`` until the server has confirmed it. Then a record of it is written to ``sent``, and the file is
deleted. Between the two the record is there already, so it is not sent again. Names are hashes of SOP Instance UIDs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from edge_runtime.common.files import read_bounded, remove_temporary, write_bytes, write_json
from edge_runtime.common.lock import LOCK, locked
from edge_runtime.common.record import from_json, to_json
from edge_runtime.errors import FetalHeadError, InputError, UsageError
from edge_runtime.links.pacs.instance import Instance

_SERVER, _WAITING, _SENT = "server.json", "waiting", "sent"
_OURS = re.compile(r"[0-9a-f]{32}\.dcm")
_MOST_BYTES = 1 << 16

R = TypeVar("R")

State = Literal["waiting", "sent"]


@dataclass(frozen=True)
class Server:
    """Where files are sent.

    Attributes:
        host: Name or address.
        port: 1 to 65535.
        called: The server's application entity title, 1 to 16 characters.
        calling: Ours.
        schema_version: Of this record.
    """

    host: str
    port: int
    called: str
    calling: str
    schema_version: Literal[1] = 1

    def __str__(self) -> str:
        return f"{self.called} at {self.host}:{self.port}"


@dataclass(frozen=True)
class _Sent:
    """A file that the server has.

    Attributes:
        sha256: The hash of the file.
        confirmed: When the server confirmed it.
    """

    sha256: str
    confirmed: str


@dataclass(frozen=True)
class Spool:
    """A folder of files for one server. Use :func:`open_spool`.

    Attributes:
        folder: The folder.
        server: Where they are sent.
    """

    folder: Path
    server: Server

    def waiting(self) -> list[Path]:
        """The files that the server has not confirmed, the oldest first. What others put there is left alone."""
        found = [path for path in (self.folder / _WAITING).glob("*.dcm") if _OURS.fullmatch(path.name)]
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def add(self, data: bytes, instance: Instance) -> tuple[Path, State]:
        """Put a file into the spool, unless it is there or was sent.

        Returns:
            Its place, and what it does now.

        Raises:
            InputError: Another file has the same SOP Instance UID. An image must not change under its UID.
            UsageError: The spool cannot be written.
        """
        place = self._place(instance)
        sent = self._sent(place)
        known = sent.sha256 if sent else _sha256(place) if place.exists() else instance.sha256
        if known != instance.sha256:
            raise InputError(
                f"it has the SOP Instance UID of another file that {'was sent' if sent else 'waits'}, but another "
                "content. Give it a UID of its own"
            )
        if sent is None and not place.exists():
            write_bytes(place, data)
        return place, "sent" if sent else "waiting"

    def confirm(self, place: Path, sha256: str) -> None:
        """Note that the server has a file, then delete it."""
        record = _Sent(sha256, datetime.now().astimezone().isoformat(timespec="seconds"))
        write_json(self._record(place), to_json(record))
        place.unlink()

    def tidy(self) -> None:
        """Finish what a killed run left: files that were confirmed, and temporary files."""
        for folder in (self.folder, self.folder / _WAITING, self.folder / _SENT):
            remove_temporary(folder)
        for place in self.waiting():
            sent = self._sent(place)
            if sent is not None and sent.sha256 == _sha256(place):
                place.unlink()

    def _place(self, instance: Instance) -> Path:
        return self.folder / _WAITING / f"{hashlib.sha256(instance.uid.encode()).hexdigest()[:32]}.dcm"

    def _record(self, place: Path) -> Path:
        return self.folder / _SENT / f"{place.stem}.json"

    def _sent(self, place: Path) -> _Sent | None:
        record = self._record(place)
        return _read(record, _Sent) if record.exists() else None


@contextmanager
def open_spool(folder: Path, server: Server | None) -> Iterator[Spool]:
    """Open a spool, or make one. No other process can use it meanwhile.

    Args:
        folder: The folder.
        server: Where its files are sent. None for the server that it was made for.

    Raises:
        UsageError: There is no spool, or it is for another server, is in use, or cannot be read or written.
    """
    record = folder / _SERVER
    if server is None and not record.is_file():
        raise UsageError(f"{folder} is not a spool. Name one, or give files with --to and --called.")
    if folder.exists() and not record.is_file() and not _is_empty(folder):
        raise UsageError(f"{folder} is not empty, and not a spool. Name another --spool, or a new folder.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is in it is about patients
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}. Name another --spool.") from error
    with locked(folder, "--spool"):
        known = _read(record, Server) if record.is_file() else None
        if server is not None and known is not None and str(server) != str(known) and any((folder / _SENT).glob("*")):
            raise UsageError(
                f"{folder} is a spool for {known}, which has files from it, and not for {server}. Name another "
                f"--spool; if the server has moved, change {record}."
            )
        if server is not None and server != known:
            write_json(record, to_json(server))
        spool = Spool(folder, server or _read(record, Server))
        spool.tidy()
        yield spool


def _is_empty(folder: Path) -> bool:
    """Whether nothing is in a folder but what a killed run leaves."""
    try:
        return all(path.name == LOCK or path.suffix == ".tmp" for path in folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}. Name another --spool.") from error


def _read(path: Path, kind: type[R]) -> R:
    try:
        return from_json(kind, json.loads(read_bounded(path, _MOST_BYTES)), path)
    except (OSError, ValueError, FetalHeadError) as error:
        raise UsageError(
            f"{path} is damaged ({error}). Restore it, or send the files in {path.parent} with another --spool."
        ) from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
