"""One connection. It is written to by a thread of its own, which sends the newest answers and forgets older ones."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence

from edge_runtime.links.openigtlink.wire import Message, NotOpenIGTLink, read_message

_NOTES = 8
"""Most notes that wait."""

_KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds and tries until a silent connection is found dead: a cable was pulled, or a computer switched off."""


class Peer:
    """A connected program.

    Args:
        connection: The open socket. It is closed when reading ends.
        name: Its address, for people.
    """

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.name = name
        self.told: set[str] = set()
        self._socket = connection
        self._changed = threading.Condition()
        self._answers: Sequence[bytes] = ()
        self._notes: deque[bytes] = deque(maxlen=_NOTES)
        self._sending = self._closed = False
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            if hasattr(socket, option):  # not on every system
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)

    def offer(self, answers: Sequence[bytes]) -> None:
        """Send the packed messages of a result, instead of earlier ones that still wait."""
        with self._changed:
            self._answers = answers
            self._changed.notify_all()

    def note(self, message: bytes) -> None:
        """Send a packed message that later results do not replace."""
        with self._changed:
            self._notes.append(message)
            self._changed.notify_all()

    def first(self, what: str) -> bool:
        """Whether something is told to it for the first time. After 20 things, no more are told."""
        if what in self.told or len(self.told) >= 20:
            return False
        self.told.add(what)
        return True

    def read(self, take: Callable[[Peer, Message], None]) -> str:
        """Give its messages to ``take`` until it ends, and close it.

        Returns:
            Why it has ended.
        """
        writer = threading.Thread(target=self._write, name="igtl-writer", daemon=True)
        writer.start()
        reason = "closed by the other side"
        try:
            while (message := read_message(self._socket)) is not None:
                take(self, message)
        except NotOpenIGTLink as error:
            reason = str(error)
        except OSError as error:
            reason = error.strerror or str(error)
        finally:
            self.close()
            writer.join()
            self._socket.close()
        return reason

    def close(self, flush_s: float = 0.0) -> None:
        """End the connection, from any thread, after what still waits was sent or ``flush_s`` seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not (self._sending or self._answers or self._notes), flush_s)
            self._closed = True
            self._changed.notify_all()
        with contextlib.suppress(OSError):  # the other side was first
            self._socket.shutdown(socket.SHUT_RDWR)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._sending = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._answers or self._notes)
                if self._closed:
                    return
                waiting = [*self._notes, *self._answers]
                self._answers, self._sending = (), True
                self._notes.clear()
            try:
                for message in waiting:
                    self._socket.sendall(message)
            except OSError:  # read() notices, and tells why
                self.close()
