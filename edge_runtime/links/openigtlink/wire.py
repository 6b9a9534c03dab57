"""Whole messages from a socket: the header of OpenIGTLink, its limits and its checksum."""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass

from edge_runtime.common.optional import require
from edge_runtime.errors import InputError

PORT = 18944
"""The one that PLUS and 3D Slicer propose."""

MOST_IMAGE_BYTES = 32 * 2**20
"""Of the body of an IMAGE; an ultrasound frame has less than a megabyte. Larger ones are read past, not kept."""

_MOST_BYTES = 2**32
"""Of any body. What claims more is not OpenIGTLink."""

_HEADER = struct.Struct(">H12s20sIIQQ")
_VERSIONS = (1, 2)
_TYPE = re.compile(rb"[A-Z][A-Z0-9_]*")


class NotOpenIGTLink(InputError):
    """The bytes on a connection are no message. Where the next one starts is unknown, so the connection has to end."""


@dataclass(frozen=True)
class Message:
    """A message as it arrived.

    Attributes:
        kind: Its type, for example ``IMAGE``.
        device: Name of what sent it.
        header: The 58 bytes before its body.
        body: Its body. Empty if it is not an IMAGE, or not kept.
        error: Why it cannot be used. None if nothing is wrong so far.
    """

    kind: str
    device: str
    header: bytes
    body: bytes = b""
    error: InputError | None = None


def read_message(connection: socket.socket) -> Message | None:
    """Wait for the next message.

    Returns:
        The message, or None if the other side has closed the connection.

    Raises:
        NotOpenIGTLink: What arrives is not a message.
        OSError: The connection has failed.
    """
    header = _read(connection, _HEADER.size)
    if header is None:
        return None
    version, kind, device, _, _, length, checksum = _HEADER.unpack(header)
    kind = kind.rstrip(b"\0 ")
    if version not in _VERSIONS or not _TYPE.fullmatch(kind) or length > _MOST_BYTES:
        raise NotOpenIGTLink("What arrives is not OpenIGTLink: the header of a message is missing.")
    name = device.split(b"\0")[0].decode("ascii", "replace").strip()
    message = Message(kind.decode(), name, header)
    if message.kind != "IMAGE" or length > MOST_IMAGE_BYTES:
        if not _skip(connection, length):
            return None
        huge = f"This IMAGE has {length} bytes; at most {MOST_IMAGE_BYTES} are read. Send single frames of 8 bits."
        return message if message.kind != "IMAGE" else Message(message.kind, name, header, error=InputError(huge))
    body = _read(connection, length)
    if body is None:
        return None
    torn = require("pyigtl.messages").CRC64(body) != checksum
    wrong = InputError("This IMAGE is damaged: its checksum does not match. The sender or the network changes bytes.")
    return Message(message.kind, name, header, body, wrong if torn else None)


def _read(connection: socket.socket, length: int) -> bytes | None:
    data = bytearray(length)
    view, at = memoryview(data), 0
    while at < length:
        got = connection.recv_into(view[at:])
        if got == 0:
            return None
        at += got
    return bytes(data)


def _skip(connection: socket.socket, length: int) -> bool:
    while length > 0:
        got = len(connection.recv(min(length, 2**20)))
        if got == 0:
            return False
        length -= got
    return True
