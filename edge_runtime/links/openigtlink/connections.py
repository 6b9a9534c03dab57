"""Connections that come and go: one that is made again whenever it is lost, and a port for any number of programs."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge_runtime.errors import UsageError
from edge_runtime.links.openigtlink.peer import Peer
from edge_runtime.links.openigtlink.wire import Message

Take = Callable[[Peer, Message], None]
"""What is done with a message that arrives."""

MOST_PEERS = 8
"""Programs that may be connected to the port at the same time."""

_CONNECT_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0


@dataclass(frozen=True)
class Address:
    """A computer's name or number, and a port of it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Peers:
    """The connected programs, and the threads that read them.

    Args:
        take: What is done with their messages. It is called in their threads.
        left: What is done when one has gone.
        tell: Tells people what happens.
    """

    def __init__(self, take: Take, left: Callable[[Peer], None], tell: Callable[[str], None]) -> None:
        self.closing = threading.Event()
        self._take, self._left, self._tell = take, left, tell
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._port: socket.socket | None = None

    @property
    def all(self) -> tuple[Peer, ...]:
        """Those that are connected now."""
        return tuple(self._peers)

    def listen(self, address: Address) -> Address:
        """Let programs connect to a port.

        Returns:
            The address, with the port that was chosen if 0 was asked for.

        Raises:
            UsageError: The port is in use, or the address is not this computer's.
        """
        try:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            self._port = socket.create_server((address.host, address.port), family=family)
        except OSError as error:
            raise UsageError(
                f"{address} cannot be listened on: {error.strerror or error}. Is another program using it? Choose "
                "another port with --listen."
            ) from None
        address = Address(address.host, self._port.getsockname()[1])
        self._start(self._accept)
        self._tell(f"listening on {address}")
        return address

    def connect(self, address: Address) -> None:
        """Connect to a port, and again whenever the connection is lost."""
        self._start(self._keep_connected, address)

    def close(self, flush_s: float = 0.0) -> None:
        """End all connections, after what still waits was sent or ``flush_s`` seconds have passed for each."""
        self.closing.set()
        if self._port is not None:
            with contextlib.suppress(OSError):
                self._port.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for a program; close alone does not
            self._port.close()
        for peer in self.all:
            peer.close(flush_s)
        for thread in tuple(self._threads):
            thread.join(_CONNECT_S)

    def _start(self, work: Callable[..., object], *given: object) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, args=given, name="igtl-reader", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while self._port is not None and not self.closing.is_set():
            try:
                connection, (host, port, *_) = self._port.accept()
            except OSError:
                if self.closing.wait(0.1):  # else a program left before it was taken, or there are too many files
                    return
                continue
            if len(self._peers) >= MOST_PEERS:
                connection.close()
                self._tell(f"{Address(host, port)} was turned away: {MOST_PEERS} programs are connected")
            else:
                self._start(self._serve, Peer(connection, str(Address(host, port))))

    def _serve(self, peer: Peer) -> int:
        """Read a program until it ends. Returns how many messages came."""
        count = 0

        def take(peer: Peer, message: Message) -> None:
            nonlocal count
            count += 1
            self._take(peer, message)

        self._peers.append(peer)
        self._tell(f"connected: {peer.name}")
        if self.closing.is_set():
            peer.close()
        reason = peer.read(take)
        self._peers.remove(peer)
        self._left(peer)
        if not self.closing.is_set():
            self._tell(f"disconnected: {peer.name}: {reason}")
        return count

    def _keep_connected(self, address: Address) -> None:
        wait_s = _FIRST_WAIT_S
        while not self.closing.is_set():
            try:
                connection = socket.create_connection((address.host, address.port), timeout=_CONNECT_S)
                connection.settimeout(None)
            except OSError as error:
                if wait_s < _LONGEST_WAIT_S:
                    self._tell(f"no connection to {address}: {error.strerror or error}; next try in {wait_s:g} s")
                elif wait_s == _LONGEST_WAIT_S:
                    self._tell(f"no connection to {address}: trying every {wait_s:g} s from now on, in silence")
            else:
                if self._serve(Peer(connection, str(address))):
                    wait_s = _FIRST_WAIT_S
            self.closing.wait(min(wait_s, _LONGEST_WAIT_S))
            wait_s *= 2
