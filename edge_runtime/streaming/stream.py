"""Measures frames that a probe gives at its own pace. Always the newest, and as fast as this CPU can."""

from __future__ import annotations

import logging
import math
import threading
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

from edge_runtime.common.log import event
from edge_runtime.errors import DeviceError, FetalHeadError, UsageError
from edge_runtime.frame.pixel_sizes import PixelSize, check_pixel_sizes
from edge_runtime.measurement import Measurement, withhold
from edge_runtime.segmenter import Segmenter
from edge_runtime.streaming.result import BestFrame, Counts, StreamResult
from edge_runtime.streaming.scale import Scale, check_frame_size
from edge_runtime.streaming.slot import Arrival, Slot, Source, fill, open_source
from edge_runtime.streaming.summary import Best, Recent, Window, rank

DEADLINE_MS = 100.0
"""Three frames of a probe that gives 30 per second: one to wait, one to be measured, one in reserve."""

STALL_S = 0.5
"""Fifteen frames of the same probe."""

CLOSE_S = 1.0
"""How long closing waits for the reader thread: thirty frames, so it fails only if the source blocks."""


@dataclass(frozen=True)
class Rules:
    """When a result is late, when a source has stalled, and what the summary covers.

    Attributes:
        deadline_ms: A result is late if its frame is older than this, in ms. Above 0.
        stall_s: A source has stalled after this time without a frame, in seconds. Above 0.
        window: Window of the summary and of the best frame.
    """

    deadline_ms: float = DEADLINE_MS
    stall_s: float = STALL_S
    window: Window = field(default_factory=Window)

    def __post_init__(self) -> None:
        for name, unit in (("deadline_ms", "milliseconds"), ("stall_s", "seconds")):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise UsageError(f"{name} is {value!r}; it must be a finite number of {unit} above 0.")


class Stream:
    """A running stream. Make one with :func:`stream`, iterate over it for results, and close it or use ``with``.

    Iterate from one thread. :meth:`best`, :meth:`set_pixel_size` and :meth:`close` may be called from any thread.
    """

    def __init__(self, segmenter: Segmenter, slot: Slot, pixel_size_mm: PixelSize | None, rules: Rules) -> None:
        self._segmenter, self._slot, self._rules = segmenter, slot, rules
        slot.set_scale(Scale(None if pixel_size_mm is None else check_pixel_sizes(pixel_size_mm)))
        self._view: object = None
        self._last = (0, slot.clock())
        self._failed = self._accepted = self._refused = self._late = self._stalls = 0
        self._recent = Recent(rules.window)
        self._best: Best[BestFrame] = Best(rules.window.seconds)
        self._iterating = threading.Lock()
        self._reader: threading.Thread | None = None
        self._over = False

    def start(self, source: Source) -> Stream:
        """Read a source in a new thread. Call this once."""
        # The thread refers to the slot, not to the stream, so that a stream that is no longer used can close the slot.
        self._reader = threading.Thread(
            target=fill, args=(self._slot, open_source(source)), name="edge_runtime.stream", daemon=True
        )
        self._reader.start()
        event("stream_started", deadline_ms=self._rules.deadline_ms, stall_s=self._rules.stall_s)
        return self

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> StreamResult:
        if not self._iterating.acquire(blocking=False):
            raise UsageError(
                "Another thread is iterating over this stream. Iterate from one thread, and let it pass the results to "
                "the others."
            )
        try:
            return self._next()
        finally:
            self._iterating.release()

    def _next(self) -> StreamResult:
        try:
            arrival = self._slot.take(self._rules.stall_s)
        except (StopIteration, FetalHeadError):
            self.close()
            raise
        result = self._silence() if arrival is None else self._result(arrival)
        if self._slot.closed:  # while the frame was measured
            raise StopIteration
        return result

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._slot.close()

    @property
    def counts(self) -> Counts:
        """What has happened to the frames so far."""
        received, dropped = self._slot.tally
        return Counts(received, dropped, self._failed, self._accepted, self._refused, self._late, self._stalls)

    def now_s(self) -> float:
        """The current time on the clock of ``arrived_s``, in seconds. Use it for the age of a result on the screen."""
        return self._slot.clock()

    def best(self) -> BestFrame | None:
        """The frame to freeze: the best accepted one of the window's last seconds. None if there is none."""
        return self._best.get(self._slot.clock())

    def set_pixel_size(self, pixel_size_mm: PixelSize, frame_size: tuple[int, int]) -> None:
        """Set the pixel size of frames without their own that arrive from now on.

        Call it when the probe's depth, zoom or picture size has changed. A frame that is waiting or being measured
        keeps the earlier pixel size. So do not call it before the source gives pictures of the new setting.

        Args:
            pixel_size_mm: Side of a pixel in mm, or (x, y), as for :meth:`Segmenter.measure`.
            frame_size: (height, width) in pixels of the frames that it holds for, for example
                ``result.frame.shape[:2]``. After a frame of another size there is no circumference until the next call.

        Raises:
            UsageError: It is not a valid pixel size, or not a size of frames.
        """
        self._slot.set_scale(Scale(check_pixel_sizes(pixel_size_mm), check_frame_size(frame_size)))

    def close(self) -> bool:
        """Stop the stream: there are no more results, and the reader thread ends.

        May be called more than once, and from any thread. A source that blocks cannot be interrupted from outside. The
        reader thread then waits until the source returns or raises, which closing the probe's driver usually causes. It
        takes no more frames, and as a daemon thread it does not keep a program from ending.

        Returns:
            False if the source still blocks after a second.
        """
        self._slot.close()
        reader = self._reader
        if reader is not None and reader is not threading.current_thread():
            reader.join(CLOSE_S)
        stopped = reader is None or not reader.is_alive()
        if not self._over:
            self._over = True
            event("stream_closed", source_blocks=not stopped, **asdict(self.counts))
        return stopped

    def _silence(self) -> StreamResult:
        self._stalls += 1
        self._recent.clear()
        sequence, heard_s = self._last
        age_ms = (self._slot.clock() - heard_s) * 1e3
        event("stream_stalled", level=logging.WARNING, sequence=sequence, age_ms=round(age_ms))
        reason = f"no frame for {age_ms / 1e3:.1f} s: the probe or its driver has stopped"
        return StreamResult(
            None, reason, sequence, None, age_ms, None, None, None, False, True, None, self.counts
        )  # fmt: skip

    def _result(self, arrival: Arrival) -> StreamResult:
        measurement, error = self._measure(arrival)
        age_ms = (self._slot.clock() - arrival.arrived_s) * 1e3
        late = age_ms > self._rules.deadline_ms
        hc_mm = measurement.head_circumference_mm if measurement else None
        self._failed += measurement is None
        self._accepted += hc_mm is not None
        self._refused += measurement is not None and hc_mm is None
        self._late += late
        self._last = (arrival.sequence, arrival.arrived_s)
        summary = self._recent.add(arrival.arrived_s, hc_mm)
        if measurement and arrival.frame is not None and hc_mm is not None:
            best = BestFrame(arrival.sequence, arrival.arrived_s, arrival.frame, measurement)
            self._best.add(arrival.arrived_s, rank(measurement), best)
        if error is not None:
            reason: str | None = f"this frame could not be measured: {error}"
        elif late and not arrival.doubt:  # waiting would not help
            reason = f"late: the frame is {age_ms:.0f} ms old; at most {self._rules.deadline_ms:g} ms are allowed"
        else:
            reason = measurement.reason if measurement else None
        return StreamResult(
            None if reason else hc_mm, reason, arrival.sequence, arrival.arrived_s, age_ms, arrival.frame, measurement,
            error, late, False, summary, self.counts, arrival.tag,
        )  # fmt: skip

    def _measure(self, arrival: Arrival) -> tuple[Measurement | None, FetalHeadError | None]:
        error = arrival.error
        if arrival.frame is not None:
            try:
                size = self._pixel_size(arrival, arrival.frame.shape[:2])
                measurement = self._segmenter.measure(arrival.frame, size, arrival.part)
                return withhold(measurement, arrival.doubt) if arrival.doubt else measurement, None
            except FetalHeadError as expected:
                if isinstance(expected, DeviceError):  # the last frames were measured on this device too
                    self._recent.clear()
                    self._best.clear()
                error = expected.with_traceback(None)  # a traceback would keep this stream alive
            except Exception as fault:  # a bug of ours must not end the stream
                text = "".join(traceback.format_exception_only(type(fault), fault)).strip()
                place = traceback.extract_tb(fault.__traceback__)[-1]
                error = FetalHeadError(
                    f"{text} ({Path(place.filename).name}, line {place.lineno}). This is a bug in the runtime: please "
                    "report it.",
                    code="fault",
                )
        code = error.code if error else ""
        event("stream_frame_failed", level=logging.WARNING, sequence=arrival.sequence, reason=code)
        return None, error

    def _pixel_size(self, arrival: Arrival, size_px: tuple[int, ...]) -> tuple[float, float] | None:
        """The frame's own pixel size, else the stream's if it holds.

        If the frame's size or pixel size changes, the earlier frames are forgotten: another depth setting starts a new
        series.

        Raises:
            UsageError: It is not a valid size.
        """
        size_mm = None if arrival.pixel_size_mm is None else check_pixel_sizes(arrival.pixel_size_mm)
        if (size_px, size_mm, arrival.part) != self._view:
            self._view = (size_px, size_mm, arrival.part)
            self._recent.clear()
            self._best.clear()
            if arrival.doubt:
                event("stream_pixel_size_outdated", level=logging.WARNING, sequence=arrival.sequence)
        return size_mm


def stream(
    segmenter: Segmenter,
    source: Source,
    pixel_size_mm: PixelSize | None = None,
    *,
    deadline_ms: float = DEADLINE_MS,
    stall_s: float = STALL_S,
    window: Window | None = None,
) -> Stream:
    """Measure the newest frame of a source, again and again. A slow CPU drops frames instead of lagging.

    A separate thread takes frames from the source and copies each at once. So a driver may write the next frame into
    the same memory as soon as it is asked for it. An error in one frame becomes that frame's result, and the stream
    goes on.

    Args:
        segmenter: Used by the thread that iterates. Other threads may use it too, but delay the results.
        source: Iterable of frames, or function that waits for the next frame and returns it, or None at the end. A
            frame is an array as :meth:`Segmenter.measure` accepts it, or a :class:`Frame` with its own pixel size. A
            driver that knows that a frame is spoiled gives an :class:`InputError` instead.
        pixel_size_mm: Pixel size of frames without their own. It applies as long as height and width are those of the
            first frame. After a frame of another size there is no circumference until :meth:`Stream.set_pixel_size` is
            called.
        deadline_ms: If a frame is older than this when its result is ready, the result is late and has no number.
        stall_s: After this many seconds without a frame there is a ``stalled`` result, and again after as many.
        window: Window of the summary and of the best frame.

    Returns:
        The stream, to iterate over. Each result takes as long as a measurement, or until a frame arrives.

    Raises:
        UsageError: The source is not valid, or a number is out of range.
        SourceError: The source raised. This is raised while iterating. If the source ends, so does the stream.
    """
    return Stream(segmenter, Slot(), pixel_size_mm, Rules(deadline_ms, stall_s, window or Window())).start(source)
