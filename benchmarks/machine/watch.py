"""Watch the machine from beside, while another process measures."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from benchmarks.machine.energy import Meter
from benchmarks.machine.state import State, read_state

EVERY_S = 0.5

LEAST_S = 2.0
"""Energy of a shorter time is not given: there would be too few readings."""


@dataclass(frozen=True)
class Reading:
    """The machine at one moment.

    Attributes:
        at_s: When, by ``time.monotonic()``, which is the same in all processes.
        state: Clock, temperature and throttling; None if nobody asked for it.
        energy: What the meter said, in its unit; None without a meter.
    """

    at_s: float
    state: State | None
    energy: float | None


class Watch:
    """Reads the machine twice a second in a thread, from ``with`` until its end.

    Args:
        meter: The meter to read; None without one.
        states: Whether to read clock, temperature and throttling.
    """

    def __init__(self, meter: Meter | None, states: bool) -> None:
        self.readings: list[Reading] = []
        self._meter, self._states = meter, states
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        if self._meter or self._states:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._read()
            if self._stop.wait(EVERY_S):
                self._read()
                return

    def _read(self) -> None:
        energy = self._meter.read() if self._meter else None
        self.readings.append(Reading(time.monotonic(), read_state() if self._states else None, energy))


def joules(readings: Sequence[Reading], meter: Meter, start_s: float, end_s: float) -> float | None:
    """Joules between two moments; None if there are too few readings.

    Readings of a counter are joined by straight lines, and so are those of power, whose area is taken.
    """
    found = [(reading.at_s, reading.energy) for reading in readings if reading.energy is not None]
    if end_s - start_s < LEAST_S or len(found) < 2 or found[0][0] > start_s or found[-1][0] < end_s:
        return None
    at = np.array([second for second, _ in found])
    values = np.array([value for _, value in found])
    if meter.unit == "J":
        first, last = np.interp([start_s, end_s], at, values)
        return float(last - first)
    moments = np.concatenate([[start_s], at[(at > start_s) & (at < end_s)], [end_s]])
    watts = np.interp(moments, at, values)
    return float(np.sum((watts[1:] + watts[:-1]) / 2 * np.diff(moments)))
