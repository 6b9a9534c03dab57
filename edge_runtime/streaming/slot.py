"""The slot for one frame between a probe and the network. The newest frame wins: a slow CPU drops frames, not time."""

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
from edge_runtime.frame.geometry import Box
from edge_runtime.frame.pixel_sizes import PixelSize
from edge_runtime.frame.preprocess import check_frame
from edge_runtime.streaming.scale import Scale


@dataclass(frozen=True)
class Frame:
    """A frame with its own pixel size.

    Attributes:
        pixels: The array, as :meth:`edge_runtime.Segmenter.measure` accepts it, or the error that came instead of it.
        pixel_size_mm: The pixel size of this frame. None if unknown.
        part: The part of the frame to measure, as :meth:`edge_runtime.Segmenter.measure` accepts it. None for all.
        doubt: Why its pixel size is unknown or must not be used. It becomes the result's reason. None without a doubt.
        tag: Anything that tells the source's frames apart, such as a time or a number. The result has it too.
    """

    pixels: NDArray[np.uint8] | FetalHeadError
    pixel_size_mm: PixelSize | None = None
    part: Box | None = None
    doubt: str | None = None
    tag: object = None


Item = NDArray[np.uint8] | Frame | FetalHeadError
"""What a source gives: an array, a :class:`Frame`, or the error that it got instead of a frame."""

Source = Iterable[Item] | Callable[[], Item | None]
"""An iterable, or a function that waits for the next frame and returns it, or None at the end."""


@dataclass(frozen=True)
class Arrival:
    """A frame as it was received.

    Attributes:
        sequence: Its number among all received, from 1.
        arrived_s: When it arrived, on the slot's clock.
        frame: A read-only copy. None if there is an error.
        pixel_size_mm: Its own pixel size if it came as a :class:`Frame`, even if that is None; else the slot's.
        doubt: Why no pixel size is used for it: the frame's own reason, or that the slot's may not hold. Else None.
        error: Why it is not a valid frame.
        part: The part of it to measure. None for all of it.
        tag: What the source tagged it with.
    """

    sequence: int
    arrived_s: float
    frame: NDArray[np.uint8] | None
    pixel_size_mm: PixelSize | None
    doubt: str | None
    error: FetalHeadError | None
    part: Box | None = None
    tag: object = None


def now_s() -> float:
    """Seconds on a clock that never goes back.

    On Linux it also counts the time that the device sleeps, so that a frame from before the sleep is not taken for a
    fresh one.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Slot:
    """Room for one frame, filled by one thread and emptied by another.

    Args:
        clock: Returns seconds, and never goes back.
        condition: Replaces the ``threading.Condition`` in tests that simulate time.
    """

    def __init__(self, clock: Callable[[], float] = now_s, condition: Any = None) -> None:
        self.clock = clock
        self._changed = condition if condition is not None else threading.Condition()
        self._newest: Arrival | None = None
        self._scale = Scale()
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
        """Number of frames received, and how many of them were replaced by a newer one before they were measured."""
        with self._changed:
            return self._received, self._dropped

    def set_scale(self, scale: Scale) -> None:
        """Set the pixel size of frames without their own that arrive from now on."""
        with self._changed:
            self._scale = scale

    def put(self, item: object) -> bool:
        """Copy a frame into the slot, replacing one that is still waiting.

        Returns:
            False if the slot is closed and no more frames are wanted.
        """
        arrived_s = self.clock()
        own = item if isinstance(item, Frame) else None
        frame, error = _copy(own.pixels if own else item)
        with self._changed:
            if self._closed:
                return False
            self._received += 1
            self._dropped += self._newest is not None
            self._heard_s = arrived_s
            size, part, doubt = (own.pixel_size_mm, own.part, own.doubt) if own else (None, None, None)
            size = None if doubt else size
            if frame is not None and not own:  # here, since a dropped frame also tells that the size has changed
                self._scale = self._scale.after((frame.shape[0], frame.shape[1]))
                doubt = self._scale.doubt
                size = None if doubt else self._scale.pixel_size_mm
            self._newest = Arrival(self._received, arrived_s, frame, size, doubt, error, part, own.tag if own else None)
            self._changed.notify_all()
        return True

    def end(self, failure: BaseException | None = None) -> None:
        """Report that the source has ended or failed. A frame that is waiting can still be taken."""
        with self._changed:
            self._ended, self._failure = True, failure
            self._changed.notify_all()

    def close(self) -> None:
        """Accept no more frames, and wake the thread that waits for one. A frame that is waiting counts as dropped."""
        with self._changed:
            self._closed = True
            self._dropped += self._newest is not None
            self._newest = None
            self._changed.notify_all()

    def take(self, stall_s: float) -> Arrival | None:
        """Wait for a frame and take it.

        Args:
            stall_s: How long to wait in seconds, counted from the last frame's arrival or the last None.

        Returns:
            The newest frame, or None if none arrived in time.

        Raises:
            StopIteration: The source has ended, or the slot is closed.
            SourceError: The source failed. The next call raises StopIteration.
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
            f"The source of frames failed: {type(failure).__name__}: {failure}. This stream has ended. Clear the "
            "screen, check the probe, and start a new stream."
        ) from failure


def _copy(pixels: object) -> tuple[NDArray[np.uint8] | None, FetalHeadError | None]:
    """A read-only copy, because drivers reuse the memory for the next frame. Or an error, if the frame is not valid."""
    if isinstance(pixels, FetalHeadError):
        return None, pixels
    try:
        frame = np.array(check_frame(pixels), order="C")
    except FetalHeadError as error:
        return None, error.with_traceback(None)  # a traceback would keep the driver's memory alive
    except MemoryError:
        return None, InputError("There is not enough memory left for a frame. Give smaller frames.")
    frame.setflags(write=False)
    return frame, None


def open_source(source: Source) -> Iterator[Item]:
    """The iterator behind a source.

    Raises:
        UsageError: It is a single frame, or neither an iterable nor a function.
    """
    if isinstance(source, (np.ndarray, Frame)):
        raise UsageError(
            "This source is an array, but a source must give frames one after the other. To measure one frame, call "
            "Segmenter.measure. To replay a stack of frames, give list(stack)."
        )
    if isinstance(source, Iterable):
        return iter(source)
    if callable(source):
        return _calls(source)
    raise UsageError(
        f"A source must be an iterable of frames or a function that returns one, not {type(source).__name__}."
    )


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
    """Put a source's frames into a slot until the source ends or fails or the slot closes. The reader thread's work."""
    failure: BaseException | None = None
    try:
        for item in frames:
            if not slot.put(item):
                break
    except BaseException as error:  # SystemExit too: the waiting thread must hear of everything that ends this one
        failure = error
    slot.end(failure)
    if isinstance(frames, GeneratorType):  # here, because only the thread that runs a generator can close it
        try:
            frames.close()
        except Exception as error:
            slot.end(failure or error)
