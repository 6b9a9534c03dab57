"""A probe, a CPU and a clock that are simulated in one thread: nothing sleeps, and every run is the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from edge_runtime import Measurement, Segmenter, Stream, Window
from edge_runtime.streaming.slot import Slot
from edge_runtime.streaming.stream import Rules
from train.data.phantom import make_phantom


@lru_cache(maxsize=1)
def real_measurement() -> Measurement:
    """One that the shipped model made, to alter."""
    frame, _, pixel_size_mm = make_phantom(0)
    return Segmenter.load().measure(frame, pixel_size_mm)


def measured(hc_mm: float | None, **quality: float) -> Measurement:
    """A measurement of so many mm (None: refused)."""
    real = real_measurement()
    reason = None if hc_mm is not None else "no head found"
    quality_of = replace(real.quality, **quality)
    return replace(real, head_circumference_mm=hc_mm, reason=reason, quality=quality_of, caution=None)


def frame(value: int = 0, size: tuple[int, int] = (32, 48)) -> np.ndarray:
    """A frame that tells by its grey value which it is."""
    return np.full(size, value % 256, np.uint8)


class Simulation:
    """Frames that arrive when they are due, and a segmenter that takes its time.

    Args:
        arrivals: (seconds, what the source gives), in order.
        cost_s: Time of the n-th measurement.
        answer: From (frame, pixel size) to a measurement, or raises; default: 200 mm.
        end_s: When the source ends; None: never.
    """

    def __init__(
        self,
        arrivals: Sequence[tuple[float, object]],
        cost_s: Callable[[int], float] = lambda n: 0.0,
        answer: Callable[[np.ndarray, Any], Measurement] = lambda frame, size: measured(200.0),
        end_s: float | None = None,
        failure: BaseException | None = None,
        **rules: Any,
    ) -> None:
        self.now = 0.0
        self._due = list(arrivals)
        self._end_s, self._failure = end_s, failure
        self._cost_s, self._answer = cost_s, answer
        self.calls: list[tuple[float, int]] = []
        self.slot = Slot(lambda: self.now, condition=self)
        window = rules.pop("window", Window())
        size = rules.pop("pixel_size_mm", 0.1)
        self.stream = Stream(self, self.slot, size, Rules(**rules, window=window))  # type: ignore[arg-type]

    def advance(self, to: float) -> None:
        while self._due and self._due[0][0] <= to:
            self.now, item = self._due.pop(0)
            self.slot.put(item)
        self.now = to
        if self._end_s is not None and not self._due and to >= self._end_s:
            self.slot.end(self._failure)

    def measure(self, frame: np.ndarray, pixel_size_mm: object, part: object = None) -> Measurement:
        """The segmenter's."""
        self.calls.append((self.now, int(frame.flat[0])))
        self.advance(self.now + self._cost_s(len(self.calls)))
        return self._answer(frame, pixel_size_mm)

    def wait(self, timeout: float) -> None:
        """The condition's: until something happens, or the time is over."""
        next_due = [self._due[0][0]] if self._due else []
        end = [self._end_s] if self._end_s is not None and self._end_s > self.now else []
        self.advance(min([self.now + timeout, *next_due, *end]))

    def notify_all(self) -> None:
        """The condition's: there is one thread."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class Stub:
    """A segmenter that answers at once."""

    def measure(self, frame: np.ndarray, pixel_size_mm: object, part: object = None):
        return measured(200.0)
