"""What the page shows: the newest result in words, and its frame. A refusal holds words and no figure."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections import deque
from dataclasses import astuple
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge_runtime import DeviceError, Measurement, Stream, StreamResult
from edge_runtime.common.optional import require
from edge_runtime.device.fingerprint import temperature_c
from edge_runtime.output.overlay import plain_reason, without_figures
from examples.scanner.growth import age_weeks, distribution, place

Message = dict[str, Any]
NO_SIGNAL = {"state": "refused", "title": "NO SIGNAL", "text": "No frames arrive: the probe or its driver has stopped."}
TOO_SLOW = {"state": "refused", "title": "TOO SLOW", "text": "This computer does not measure the frames in time."}


def in_words(weeks: float) -> str:
    """Weeks and days."""
    days = round(weeks * 7)
    return f"{days // 7} w {days % 7} d"


def measured(measurement: Measurement, hc_mm: float, weeks: float | None) -> Message:
    """A head circumference, the outline that belongs to it, and what published formulas say of it."""
    ellipse, caution, age = measurement.ellipse, measurement.caution, age_weeks(hc_mm)
    low, high = measurement.interval_mm or (None, None)
    percent = round(100 * distribution(weeks).cdf(hc_mm)) if weeks else 0
    rank = "below percentile 3" if percent < 3 else "above percentile 97" if percent > 97 else f"percentile {percent}"
    return {
        "state": "caution" if caution else "measured",
        "title": f"HC {hc_mm:.0f} mm",
        "text": f"90% interval {low:.0f} to {high:.0f} mm" if low and high else "no interval is known for this model",
        "caution": f"CAUTION: {without_figures(caution)}" if caution else "",
        "age": f"age by HC alone {in_words(age[0])} ± {in_words(age[1])}" if age else "no age: not 14 to 42 weeks",
        "growth": f"{rank} at {in_words(weeks)}" if weeks else "no dates given, so no percentile",
        "mark": place(weeks or 0, hc_mm),
        "ellipse": ellipse and astuple(ellipse),
    }


def message_of(result: StreamResult, weeks: float | None) -> Message:
    """What to show of a result. Names of files may be those of patients, so errors of frames are not repeated."""
    if result.head_circumference_mm is not None and result.measurement:
        return measured(result.measurement, result.head_circumference_mm, weeks)
    if result.stalled or result.late:
        return NO_SIGNAL if result.stalled else TOO_SLOW
    if isinstance(result.error, DeviceError):
        return {"state": "fault", "title": "FAULT", "text": str(result.error)}
    reason = plain_reason("this frame cannot be read" if result.error else result.reason)
    return {"state": "refused", "title": "NOT MEASURED", "text": reason.split(";")[0] + "."}  # then hints for programs


def jpeg(frame: NDArray[np.uint8]) -> bytes:
    """A frame for a browser."""
    file = io.BytesIO()
    image = require("PIL.Image").fromarray(frame[..., 0] if frame.shape[2:] == (1,) else frame).convert("RGB")
    image.thumbnail((960, 960))
    image.save(file, format="JPEG", quality=80)
    return file.getvalue()


class Screen:
    """The newest message and the last frames, written by one thread and read by any number."""

    def __init__(self, weeks: float | None) -> None:
        self.weeks, self.number, self.message, self.stream = weeks, 0, NO_SIGNAL, cast("Stream | None", None)
        self.frames: deque[tuple[int, NDArray[np.uint8]]] = deque(maxlen=8)
        self._changed, self._times = threading.Condition(), deque[float](maxlen=60)

    def show(self, result: StreamResult) -> None:
        """Show a result from now on."""
        self._times.append(time.monotonic())
        rate, counts, heat = sum(at > self._times[-1] - 1 for at in self._times), result.counts, temperature_c()
        stats = [f"{rate} frames/s", f"{result.age_ms:.0f} ms", f"{counts.dropped} of {counts.received} dropped"]
        shown = [*(stats if result.frame is not None else []), *([f"{heat:.0f} °C"] if heat else [])]
        self.put({**message_of(result, self.weeks), "stats": shown}, result.frame)

    def put(self, message: Message, frame: NDArray[np.uint8] | None = None) -> None:
        """Show a message from now on."""
        with self._changed:
            self.number += 1
            if frame is not None:
                self.frames.append((self.number, frame))
                message = {**message, "picture": f"frames/{self.number}", "size": frame.shape[1::-1]}
            self.message = message
            self._changed.notify_all()

    def after(self, number: int) -> tuple[int, Message]:
        """Wait for a message newer than a number. If none comes soon, a head circumference is taken back."""
        with self._changed:
            came = self._changed.wait_for(lambda: self.number != number, timeout=0.5)
            return self.number, self.message if came or "mark" not in self.message else TOO_SLOW

    def best(self) -> Message | None:
        """The best frame of the last seconds, to freeze. None if there is none."""
        best = self.stream.best() if self.stream else None
        if best is None or (hc_mm := best.measurement.head_circumference_mm) is None:
            return None
        picture = f"data:image/jpeg;base64,{base64.b64encode(jpeg(best.frame)).decode()}"
        return {**measured(best.measurement, hc_mm, self.weeks), "picture": picture, "size": best.frame.shape[1::-1]}
