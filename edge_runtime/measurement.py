"""What one frame gave, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.head.ellipse import Ellipse
from edge_runtime.quality.verdict import Quality


@dataclass(frozen=True)
class Latency:
    """Time one frame took, in ms: before, in and after the network."""

    preprocess: float
    invoke: float
    postprocess: float

    @property
    def total(self) -> float:
        """Sum of the three, in ms."""
        return self.preprocess + self.invoke + self.postprocess


@dataclass(frozen=True)
class Measurement:
    """What one frame gave.

    Attributes:
        head_circumference_mm: None where it is refused; ``reason`` then says why. Never 0.
        reason: Why there is no circumference, else None.
        ellipse: In frame pixels; None where refused.
        mask: bool (H, W) at the frame's size; what the network found, also where the measurement is refused.
        quality: Figures behind the decision.
        latency_ms: Time spent.
        pixel_size_mm: (x, y) it was measured with; None where none was given.
        interval_mm: Where the true circumference lies in at least 90 % of images; None without a circumference or
            where the model's manifest has no ``quality``, as the next two.
        trust: How like those of good frames the figures are, 0 to 1; 0 where refused.
        caution: Shown beside a circumference that is less certain than usual, else None.
    """

    head_circumference_mm: float | None
    reason: str | None
    ellipse: Ellipse | None
    mask: NDArray[np.bool_]
    quality: Quality
    latency_ms: Latency
    pixel_size_mm: tuple[float, float] | None
    interval_mm: tuple[float, float] | None = None
    trust: float | None = None
    caution: str | None = None
