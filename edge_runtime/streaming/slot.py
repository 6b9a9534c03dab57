"""The one-frame slot between a probe and the network: the newest frame wins, a slow CPU drops frames and never lags."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import FetalHeadError, InputError, SourceError, UsageError
from edge_runtime.frame.pixel_sizes import PixelSize
from edge_runtime.frame.preprocess import check_frame


@dataclass(frozen=True)
class Frame:
    """A frame that brings its own pixel size.

    Attributes:
        pixels: As :meth:`edge_runtime.Segmenter.measure` takes it.
        pixel_size_mm: Of this frame; None where it is not known.
    """

    pixels: NDArray[np.uint8]
    pixel_size_mm: PixelSize | None = None


Item = NDArray[np.uint8] | Frame | FetalHeadError
"""What a source gives: an array, a :class:`Frame`, or in place of a frame the error that spoiled it."""

Source = Iterable[Item] | Callable[[], Item | None]
"""An iterable, or a function that waits for the next frame and returns it, None at the end."""


@dataclass(frozen=True)
class Arrival:
    """A frame as it was received.

    Attributes:
        sequence: Its number among all received, from 1.
        arrived_s: When, by the slot's clock.
        frame: A read-only copy; None where there is an error.
        pixel_size_mm: Its own pixel size.
        has_own_size: Whether it came as a :class:`Frame`: ``pixel_size_mm`` then counts, None too.
        error: Why it is no frame.
    """

    sequence: int
    arrived_s: float
    frame: NDArray[np.uint8] | None
    pixel_size_mm: PixelSize | None
    has_own_size: bool
    error: FetalHeadError | None


def now_s() -> float:
    """Seconds on a clock that never goes back and, where the system has one (Linux), runs on while the device sleeps: a
    frame from before the sleep must not pass for a fresh one.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Slot:
    """Room for one frame, filled by one thread and emptied by another.

    Args:
        clock: Seconds, never going back.
        condition: For tests that simulate time; else a ``threading.Condition``.
    """

    def __init__(self, clock: Callable[[], float] = now_s, condition: Any = None) -> None:
        self.clock = clock
        self._changed = condition if condition is not None else threading.Condition()
        self._newest: Arrival | None = None
        self._received = self._dropped = 0
        self._failure: BaseException | None = None
        self._ended = self._closed = False
        self._heard_s = clock()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    @property
    def tally(self) -> tuple[int, int]:
        """Frames received and, of these, frames replaced by a newer one before they were measured."""
        with self._changed:
            return self._received, self._dropped

    def put(self, item: object) -> bool:
        """Copy a frame in, over one that still waits.

        Returns:
            False where the slot is closed and no more frames are wanted.
        """
        arrived_s = self.clock()
        own = isinstance(item, Frame)
        pixels, size = (item.pixels, item.pixel_size_mm) if isinstance(item, Frame) else (item, None)
        frame, error = _copy(pixels)
        with self._changed:
            if self._closed:
                return False
            self._received += 1
            self._dropped += self._newest is not None
            self._heard_s = arrived_s
            self._newest = Arrival(self._received, arrived_s, frame, size, own, error)
            self._changed.notify_all()
        return True

    def end(self, failure: BaseException | None = None) -> None:
        """Say that the source is at its end, or that it failed; a frame that waits is still taken."""
        with self._changed:
            self._ended, self._failure = True, failure
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more frames and wake who waits for one; a frame that waits counts as dropped."""
        with self._changed:
            self._closed = True
            self._dropped += self._newest is not None
            self._newest = None
            self._changed.notify_all()

    def take(self, stall_s: float) -> Arrival | None:
        """Wait for a frame and take it.

        Args:
            stall_s: How long to wait, from the last frame's arrival or the last None.

        Returns:
            The newest frame; None where none came in time.

        Raises:
            StopIteration: The source has ended, or the slot is closed.
            SourceError: The source failed; after that, StopIteration.
        """
        with self._changed:
            while not self._closed:
                arrival, self._newest = self._newest, None
                if arrival is not None:
                    return arrival
                if self._ended:
                    break
                left = self._heard_s + stall_s - self.clock()
                if left <= 0:
                    self._heard_s = self.clock()
                    return None
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
            failure, self._failure = self._failure, None
        if failure is None or self._closed:
            raise StopIteration
        raise SourceError(
            f"The source of frames failed: {type(failure).__name__}: {failure}. Nothing is measured any more: clear "
            "the screen, look after the probe, and start a new stream."
        ) from failure


def _copy(pixels: object) -> tuple[NDArray[np.uint8] | None, FetalHeadError | None]:
    """A read-only copy, since drivers write the next frame into the same memory; or what is wrong with the frame."""
    if isinstance(pixels, FetalHeadError):
        return None, pixels
    try:
        frame = np.array(check_frame(pixels), order="C")
    except FetalHeadError as error:
        return None, error.with_traceback(None)  # which would keep the driver's memory alive
    except MemoryError:
        return None, InputError("A frame does not fit into the memory that is left. Give smaller frames.")
    frame.setflags(write=False)
    return frame, None


def open_source(source: Source) -> Iterator[Item]:
    """The iterator behind a source.

    Raises:
        UsageError: It is neither an iterable nor a function, or it is a frame.
    """
    if isinstance(source, (np.ndarray, Frame)):
        raise UsageError(
            "A source gives frames one after the other, and this is an array. To measure one frame call "
            "Segmenter.measure; to replay a stack of frames give list(stack)."
        )
    if isinstance(source, Iterable):
        return iter(source)
    if callable(source):
        return _calls(source)
    raise UsageError(f"A source is an iterable of frames or a function that returns one, not {type(source).__name__}.")


def _calls(source: Callable[[], Item | None]) -> Iterator[Item]:
    while True:
        try:
            item = source()
        except StopIteration:
            return
        if item is None:
            return
        yield item


def fill(slot: Slot, frames: Iterator[Item]) -> None:
    """Put a source's frames into a slot until it ends, fails or the slot closes: the reader thread's work."""
    failure: BaseException | None = None
    try:
        for item in frames:
            if not slot.put(item):
                break
    except BaseException as error:  # SystemExit too: whatever ends this thread must reach who waits for its frames
        failure = error
    slot.end(failure)
    if isinstance(frames, GeneratorType):  # here, since a generator is closed only by the thread that may run it
        try:
            frames.close()
        except Exception as error:
            slot.end(failure or error)
