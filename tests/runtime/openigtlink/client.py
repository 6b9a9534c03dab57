"""A plain connection to a link, which unpacks all that the link sends, pyigtl's gaps included."""

from __future__ import annotations

import json
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyigtl

from edge_runtime.links.openigtlink.connections import Address


@dataclass
class Answer:
    """The messages of one result.

    Attributes:
        text: Of the STRING.
        status: Code, word and text.
        points: Of the outline, (N, 3).
        line: Indices of them.
        mask: (H, W); None before there was an image.
        names: Device names, by type.
        times: Timestamps of all.
    """

    text: dict[str, Any] = field(default_factory=dict)
    status: tuple[int, str, str] = (0, "", "")
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    line: list[int] = field(default_factory=list)
    mask: np.ndarray | None = None
    matrix: np.ndarray | None = None
    names: dict[str, str] = field(default_factory=dict)
    times: set[float] = field(default_factory=set)


class Client:
    """Sends messages, and reads what comes back."""

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection((address.host, address.port), timeout=20)
        self.notes: list[str] = []
        self._next: tuple[dict[str, Any], bytes] | None = None

    def send(self, *messages: Any) -> None:
        for message in messages:
            self.socket.sendall(message if isinstance(message, bytes) else message.pack())

    def message(self) -> tuple[dict[str, Any], bytes]:
        """Header fields and body of the next message."""
        header = self._read(58)
        fields = pyigtl.MessageBase.parse_header(header)
        body = self._read(fields["body_size"])
        assert struct.unpack(">Q", header[50:])[0] == pyigtl.messages.CRC64(body)
        return fields, body

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            got = self.socket.recv(min(length - len(data), 2**20))
            if not got:
                raise EOFError
            data += got
        return data

    def answer(self, *words: str) -> Answer:
        """The next result whose STATUS says one of these words. None: any result."""
        until = time.monotonic() + 15
        while True:
            answer = self._answer()
            assert time.monotonic() < until, answer.status
            if not words or answer.status[1] in words:
                return answer

    def _answer(self) -> Answer:
        answer = Answer()
        while True:
            fields, body = self._next or self.message()
            self._next = None
            kind = fields["message_type"]
            if kind == "STATUS" and body[10:30].startswith(b"not used"):
                self.notes.append(body[30:].decode().rstrip("\0"))
                continue
            if kind == "STRING" and answer.text:
                self._next = fields, body
                return answer
            answer.names[kind] = fields["device_name"]
            answer.times.add(fields["timestamp"])
            if kind == "STRING":
                message = pyigtl.StringMessage()
                message.unpack(fields, body)
                answer.text = json.loads(message.string)
            elif kind == "STATUS":
                code, _, word = struct.unpack(">Hq20s", body[:30])
                answer.status = code, word.decode().rstrip("\0"), body[30:].decode().rstrip("\0")
            elif kind == "POLYDATA":
                counts = struct.unpack(">10I", body[:40])
                answer.points = np.frombuffer(body, ">f4", counts[0] * 3, 40).reshape(-1, 3)
                line = np.frombuffer(body, ">u4", counts[4] // 4, 40 + answer.points.nbytes).tolist()
                assert len(body) == 40 + answer.points.nbytes + counts[4] and counts[3] == bool(line)
                answer.line = line[1:]
                if answer.text["image"] == "link":  # no image has come, so there is no mask to send
                    return answer
            elif kind == "IMAGE":
                message = pyigtl.ImageMessage()
                message.unpack(fields, body)
                answer.mask, answer.matrix = message.image[0], message.ijk_to_world_matrix
                return answer
