"""DICOM's C-STORE: files to a server, one after the other (the extra ``dicom``)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.common.optional import require
from edge_runtime.frame.dicom.header import quiet
from edge_runtime.links.pacs.spool import Server

TIMEOUT_S = 30.0
"""In seconds: how long is waited for a connection, for the server to accept it, and for each answer."""

MOST_CONTEXTS = 128
"""Pairs of a kind and a transfer syntax that one association can name (PS3.8, 7.1.1.13)."""

MOST_UNANSWERED = 2
"""In a row. One file may be what ends the server; after a second, the server is taken to be gone."""

_UNANSWERED = "the connection was lost, or the server did not answer in time"
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_SUCCESS, _WARNINGS, _HAS_IT = 0x0000, range(0xB000, 0xC000), 0x0111
_FAILURES = {
    0xA700: "it is out of resources",
    0xA900: "the file is not what its kind must be",
    0xC000: "it cannot understand the file",
    0x0122: "it does not store this kind",
    0x0124: "it is not allowed",
}
"""What servers answer (PS3.4, B.2.3; PS3.7, C). The last two digits of A7, A9 and C0 are the server's own."""


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        path: The file.
        sha256: The hash of what was sent. None if it was not.
        note: Why it was not sent, or what the server noted. Empty if there is nothing to say.
    """

    path: Path
    sha256: str | None
    note: str = ""


@dataclass(frozen=True)
class _Kind:
    """What a file is offered to the server as: its SOP class, and the transfer syntaxes it can be sent in."""

    uid: str
    syntaxes: tuple[str, ...]


def store(server: Server, files: Sequence[Path], tell: Callable[[Outcome], None], timeout_s: float = TIMEOUT_S) -> None:
    """Send files.

    A file counts as sent once the server has confirmed it. If the answer is lost, it does not, and is sent again the
    next time, under the same UID: the server then has it once.

    Args:
        server: Where to.
        files: Files that :func:`edge_runtime.links.pacs.instance.read_instance` accepts.
        tell: Takes the outcome of each file, as soon as it is known.
        timeout_s: As :data:`TIMEOUT_S`.

    Raises:
        FetalHeadError: A package is not installed.
    """
    require("pynetdicom")
    with quiet():
        left: dict[Path, _Kind] = {}
        for path in files:
            try:
                left[path] = _kind(path)
            except Exception:  # its disk is damaged: the file was right when it was put there
                tell(Outcome(path, None, "it cannot be read any more. Send the original with another --spool"))
        unanswered, why = 0, ""
        while left and not why:
            batch = _batch(left)
            association, why = _associate(server, set(batch.values()), timeout_s)
            if why:
                break
            try:
                for path, kind in batch.items():
                    outcome = _send(association, path, kind)
                    del left[path]
                    tell(outcome)
                    unanswered = unanswered + 1 if outcome.note == _UNANSWERED else 0
                    if unanswered:
                        break  # the association is over; the next one tells whether the server is
            except BaseException:  # Ctrl-C: the server may have stopped answering
                _drop(association.ae)
                raise
            association.release() if association.is_established else association.abort()
            if unanswered == MOST_UNANSWERED:
                why = "the server has stopped answering"
        for path in left:
            tell(Outcome(path, None, why))


def _kind(path: Path) -> _Kind:
    meta = require("pydicom.filereader").read_file_meta_info(path)
    syntax = str(meta.TransferSyntaxUID)
    # every server takes the implicit one, which an explicit file can be written in (PS3.5, 10.1)
    syntaxes = (_EXPLICIT, _IMPLICIT) if syntax in (_EXPLICIT, _IMPLICIT) else (syntax,)
    return _Kind(str(meta.MediaStorageSOPClassUID), syntaxes)


def _batch(left: dict[Path, _Kind]) -> dict[Path, _Kind]:
    """The first files whose kinds one association can name."""
    batch: dict[Path, _Kind] = {}
    contexts: set[tuple[str, str]] = set()
    for path, kind in left.items():
        contexts |= {(kind.uid, syntax) for syntax in kind.syntaxes}
        if len(contexts) > MOST_CONTEXTS:
            break
        batch[path] = kind
    return batch


def _associate(server: Server, kinds: set[_Kind], timeout_s: float) -> tuple[Any, str]:
    """An association with a server, and why there is none that can be used."""
    net = require("pynetdicom")
    entity = net.AE(server.calling)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = timeout_s
    entity.network_timeout = 2 * timeout_s  # idle; longer than the wait for an answer, whose reason is clearer
    connected: list[bool] = []

    def opened(event: Any) -> None:
        connected.append(True)
        event.assoc.dul.socket.socket.settimeout(timeout_s)  # else a server that reads no more blocks for ever

    pairs = sorted({(kind.uid, syntax) for kind in kinds for syntax in kind.syntaxes})
    contexts = [net.build_context(*pair) for pair in pairs]
    handlers = [(net.evt.EVT_CONN_OPEN, opened)]
    try:
        found = entity.associate(server.host, server.port, contexts, ae_title=server.called, evt_handlers=handlers)
    except OSError:
        return None, f"there is no computer {server.host}, as far as this one knows. Check the name"
    except BaseException:  # Ctrl-C, while the server is waited for
        _drop(entity)
        raise
    if found.is_established:
        return found, ""
    answer = found.acceptor.primitive
    if not connected:
        return found, f"there is no connection to {server.host}:{server.port}. Check the address, and that it runs"
    if found.is_rejected and answer is not None:
        return found, f"{server.called} refused the association: {answer.reason_str}. Check --called and --calling"
    if answer is not None and answer.result == 0:
        return found, "the server takes none of these kinds of files, or not in their transfer syntax"
    return found, f"{server.host}:{server.port} did not accept an association. Check that it is a DICOM server"


def _drop(entity: Any) -> None:
    """End the associations of an entity without a word. Their threads would else keep the program from ending."""
    for thread in threading.enumerate():
        if isinstance(thread, require("pynetdicom.dul").DULServiceProvider) and thread.assoc.ae is entity:
            thread.kill_dul()
            with contextlib.suppress(OSError, AttributeError):  # there is no socket yet, or not any more
                thread.socket.socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that connects or writes


def _send(association: Any, path: Path, kind: _Kind) -> Outcome:
    """Send one file."""
    accepted = {(str(each.abstract_syntax), str(each.transfer_syntax[0])) for each in association.accepted_contexts}
    if not accepted & {(kind.uid, syntax) for syntax in kind.syntaxes}:
        uid = require("pydicom").uid.UID
        names = f"{uid(kind.uid).name} as {uid(kind.syntaxes[0]).name}"
        return Outcome(path, None, f"the server does not take {names}")
    data = path.read_bytes()
    dataset = require("pydicom").dcmread(io.BytesIO(data))
    try:
        status = association.send_c_store(dataset).get("Status")
    except RuntimeError:  # the association is over
        status = None
    if status is None:
        return Outcome(path, None, _UNANSWERED)
    digest = hashlib.sha256(data).hexdigest()
    if status == _SUCCESS:
        return Outcome(path, digest)
    if status in _WARNINGS:
        return Outcome(path, digest, f"the server changed or left out elements (status {status:04X})")
    if status == _HAS_IT:
        return Outcome(path, digest, "the server had it already")
    why = _FAILURES.get(status) or _FAILURES.get(status & 0xFF00 if status < 0xC000 else 0xC000) or "it gave no reason"
    return Outcome(path, None, f"the server refused it: {why} (status {status:04X})")
