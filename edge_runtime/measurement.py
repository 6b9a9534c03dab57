"""The result of one frame, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_runtime.head.ellipse import Ellipse
from edge_runtime.head.find_head import Region
from edge_runtime.quality.verdict import Quality


@dataclass(frozen=True)
class Latency:
    """Time spent on one frame before, in and after the network, in ms."""

    preprocess: float
    invoke: float
    postprocess: float

    @property
    def total(self) -> float:
        """The sum of the three, in ms."""
        return self.preprocess + self.invoke + self.postprocess


@dataclass(frozen=True)
class Measurement:
    """The result of one frame.

    Attributes:
        head_circumference_mm: None if the measurement is refused; ``reason`` then says why. Never 0.
        reason: Why there is no circumference. None if there is one.
        ellipse: The fitted ellipse, in frame pixels. None if the measurement is refused.
        region: What the network found, even if the measurement is refused; :attr:`mask` is its mask.
        quality: The figures behind the decision.
        latency_ms: The time spent.
        pixel_size_mm: The (x, y) used. None if none was given, or if the one given may not hold for this frame.
        interval_mm: The range that should contain the true circumference in at least 90% of images. None without a
            circumference.
        trust: Probability that a head is measured to within 5 mm, 0 to 1; 0 if the measurement is refused.
        caution: A warning to show beside a circumference that is less certain than usual, else None.

    ``interval_mm``, ``trust`` and ``caution`` are always None if the model's manifest has no ``quality``.
    """

    head_circumference_mm: float | None
    reason: str | None
    ellipse: Ellipse | None
    region: Region
    quality: Quality
    latency_ms: Latency
    pixel_size_mm: tuple[float, float] | None
    interval_mm: tuple[float, float] | None = None
    trust: float | None = None
    caution: str | None = None

    @property
    def mask(self) -> NDArray[np.bool_]:
        """bool (H, W) at the frame's size: what the network found, even if the measurement is refused.

        It is computed when it is first asked for, and then kept. It belongs to the caller.
        """
        return self.region.mask


def withhold(measurement: Measurement, reason: str) -> Measurement:
    """Make a result without a circumference, because the pixel size may not hold for its frame.

    Args:
        measurement: The frame's result, measured without a pixel size: its ellipse and its mask stay.
        reason: Why the pixel size was not used, and what to do. It replaces any other reason: whoever gives pixel sizes
            should learn of it before a head is in view.
    """
    return replace(
        measurement, head_circumference_mm=None, interval_mm=None, caution=None, pixel_size_mm=None, reason=reason
    )
