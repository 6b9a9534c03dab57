"""A link: images from OpenIGTLink through a stream, and its results back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from edge_runtime.common.optional import require
from edge_runtime.errors import UsageError
from edge_runtime.links.openigtlink.answer import UNKNOWN_ERROR, answers, figures, named, status_message
from edge_runtime.links.openigtlink.connections import Address, Peers
from edge_runtime.links.openigtlink.image import Origin, PixelSizes, Place, read_image
from edge_runtime.links.openigtlink.peer import Peer
from edge_runtime.links.openigtlink.wire import Message
from edge_runtime.segmenter import Segmenter
from edge_runtime.streaming.result import StreamResult
from edge_runtime.streaming.slot import Slot
from edge_runtime.streaming.stream import Rules, Stream

PROGRAM = "link"
"""Device name of what is told before there was an image."""

_FLUSH_S = 0.5
"""What the last answer, which takes the number off the screens, may take."""


@dataclass(frozen=True)
class Ends:
    """Where images come from, and where results go.

    Attributes:
        connect: The program to connect to. None if programs connect to this one.
        listen: Where programs may connect. If there is something to connect to as well, images come from there alone,
            and the results go to those that connect here alone.
        device: Name of the images to measure. None for the first that come.
    """

    connect: Address | None = None
    listen: Address | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.connect is None and self.listen is None:
            raise UsageError("A link needs an end. Give HOST:PORT to connect to a program, or --listen PORT to wait.")


class Link:
    """A running link. Iterate over it for results, in one thread; they have been sent when they come.

    Args:
        segmenter: Measures.
        ends: Where images come from, and where results go.
        sizes: Which pixel size holds for an image.
        rules: Of the stream.
        tell: Tells people of connections and of what cannot be used. It is called in any thread.

    Raises:
        UsageError: The port is in use.
        FetalHeadError: pyigtl is not installed.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        ends: Ends,
        sizes: PixelSizes,
        rules: Rules | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        require("pyigtl.messages")
        self._ends, self._sizes, self._tell = ends, sizes, tell
        self._slot = Slot()
        self.stream = Stream(segmenter, self._slot, None, rules or Rules())
        self.begun_s = self.stream.now_s()
        self._one = threading.Lock()
        self._source: tuple[Peer, str] | None = None
        self._last = Origin(PROGRAM, 0.0)
        self._place: Place | None = None
        self.address: Address | None = None
        self._senders = Peers(self._take, self._left, tell)
        self._readers = Peers(self._ignore, lambda peer: None, tell) if ends.connect and ends.listen else self._senders
        if ends.listen is not None:
            self.address = self._readers.listen(ends.listen)
        if ends.connect is not None:
            self._senders.connect(ends.connect)

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[StreamResult, dict[str, Any]]]:
        """Each result, and what programs were told of it: the content of the STRING."""
        for result in self.stream:
            origin = result.tag if isinstance(result.tag, Origin) else self._last
            self._last, self._place = origin, origin.place or self._place
            shown = figures(result, origin, self.begun_s)
            self._send(result, shown)
            yield result, shown

    def close(self) -> None:
        """End the link. Programs are told that there is no number any more."""
        if self._slot.closed:
            return
        self.stream.close()
        over = StreamResult(
            None, "the link has ended", 0, None, 0.0, None, None, None, False, True, None, self.stream.counts
        )  # fmt: skip
        self._send(over, figures(over, self._last, self.begun_s))
        for peers in {self._senders, self._readers}:
            peers.close(_FLUSH_S)

    def _send(self, result: StreamResult, shown: dict[str, Any]) -> None:
        peers = self._readers.all
        if peers:
            packed = answers(result, self._last, self._place, shown)
            for peer in peers:
                peer.offer(packed)

    def _take(self, peer: Peer, message: Message) -> None:
        """What arrives from where images may come from."""
        if message.kind != "IMAGE":
            self._complain(peer, message, f"{message.kind} messages are not measured. Send IMAGE.")
        elif self._ends.device is not None and message.device != self._ends.device:
            self._complain(peer, message, f"It is not called {self._ends.device}, as --device asks for.")
        elif not self._is_source(peer, message.device):
            self._complain(peer, message, "Images of another sender are being measured. Choose with --device.")
        else:
            self._slot.put(read_image(message, self._sizes))

    def _ignore(self, peer: Peer, message: Message) -> None:
        """What arrives from those that get results alone."""
        if message.kind == "IMAGE":
            self._complain(peer, message, f"Images come from {self._ends.connect} alone.")

    def _is_source(self, peer: Peer, device: str) -> bool:
        """Whether this is the one sender that is measured: the first, until it leaves."""
        with self._one:
            self._source = self._source or (peer, device)
            return self._source == (peer, device)

    def _left(self, peer: Peer) -> None:
        with self._one:
            if self._source and self._source[0] is peer:
                self._source = None

    def _complain(self, peer: Peer, message: Message, why: str) -> None:
        """Tell people and the sender what is not used, once. A STATUS is never answered: that could go on for ever."""
        if message.kind == "STATUS" or not peer.first(f"{message.kind} {message.device}"):
            return
        self._tell(f"{peer.name}: {message.kind} {message.device!r} is not used: {why}")
        name = named(message.device or PROGRAM, "_stat")
        peer.note(status_message(UNKNOWN_ERROR, "not used", why, name).pack())
