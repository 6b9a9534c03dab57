"""What others have measured of known networks in int8, and how far predictions are from it.

Looked for: one thread, int8, 64-bit ARM, XNNPACK. That was found for the Cortex-A72 and A76 only. Other measurements
are converted with the ratios below, which are themselves published measurements, and each row says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from benchmarks.common.tables import Columns, cells, text_table
from benchmarks.predict.cores import A53, A72, A76, Core, at
from benchmarks.predict.layers import Layer
from benchmarks.predict.networks import NETWORKS

DETECTORS = "NobuoTsukamoto/benchmarks, tensorflow/lite/efficentdet"
HALIDE = "halide/Halide, apps/hannk/README.md"
README = "google/XNNPACK, README.md, Raspberry Pi, Feb 8, 2022"
CORAL = "coral.ai/docs/edgetpu/benchmarks, Embedded CPU"

FOUR_THREADS = 2.95
"""Time on one thread over that on four. Median of three SSDLite networks in int8 on Raspberry Pi 3B+ and 4, 64 bit, of
NobuoTsukamoto/benchmarks, tensorflow/lite/tf1_detection_model_zoo/raspi.md: 2.81, 3.19, 3.14 and 2.93, 2.91, 3.01."""

OLD_KERNELS = 1.45
"""Time with TensorFlow Lite 2.5's own int8 kernels over that with XNNPACK in 2.18, on a Raspberry Pi 4, one thread:
EfficientDet-lite1 546.90 / 372.26 ms, -lite2 857.87 / 601.72 ms, of the same author (1.47 and 1.43)."""


@dataclass(frozen=True)
class Published:
    """A published measurement.

    Attributes:
        network: Name in :data:`benchmarks.predict.networks.NETWORKS`.
        core: The core, at the clock of the board or phone.
        ms: The published time in ms.
        how: Engine and threads.
        source: Where it is published.
        divide: What it is divided by, to compare it with one thread of XNNPACK; below 1 for several threads.
    """

    network: str
    core: Core
    ms: float
    how: str
    source: str
    divide: float = 1.0

    @property
    def comparable_ms(self) -> float:
        """The time that one thread of XNNPACK would take."""
        return self.ms / self.divide

    @property
    def is_converted(self) -> bool:
        """Whether the measurement was of something else than one thread."""
        return self.divide != 1


_PIXEL_4 = at(A76, 2.84, "Pixel 4")
"""Halide's README names a core of the Snapdragon 855; its fastest is taken."""
_DEV_BOARD = at(A53, 1.5, "Coral Dev Board")
_XNNPACK, _OLD, _FOUR = "XNNPACK (TensorFlow Lite 2.18)", "TensorFlow Lite 2.5's own kernels", "XNNPACK, 4 threads"
_RUY = "TensorFlow Lite 2.5, its own kernels with SDOT"

PUBLISHED = (
    Published("MobileNet v1 1.0 224", _PIXEL_4, 12.9, _RUY, HALIDE),
    Published("MobileNet v1 1.0 128", _PIXEL_4, 4.64, _RUY, HALIDE),
    Published("MobileNet v1 0.25 128", _PIXEL_4, 0.97, _RUY, HALIDE),
    Published("MobileNet v2 1.0 224", _PIXEL_4, 11.8, _RUY, HALIDE),
    Published("EfficientDet-lite0 320", A76, 44.20, _XNNPACK, f"{DETECTORS}/results/RasPi5"),
    Published("EfficientDet-lite1 384", A76, 81.63, _XNNPACK, f"{DETECTORS}/results/RasPi5"),
    Published("EfficientDet-lite2 448", A76, 123.81, _XNNPACK, f"{DETECTORS}/results/RasPi5"),
    Published("EfficientDet-lite0 320", A72, 197.75, _XNNPACK, f"{DETECTORS}/results/RasPi4_64bit"),
    Published("EfficientDet-lite1 384", A72, 372.26, _XNNPACK, f"{DETECTORS}/results/RasPi4_64bit"),
    Published("EfficientDet-lite2 448", A72, 601.72, _XNNPACK, f"{DETECTORS}/results/RasPi4_64bit"),
    Published("MobileNet v1 1.0 224", A72, 24, _FOUR, README, 1 / FOUR_THREADS),
    Published("MobileNet v2 1.0 224", A72, 17, _FOUR, README, 1 / FOUR_THREADS),
    Published("MobileNet v1 1.0 224", A53, 46, f"{_FOUR}, 32 bit", README, 1 / FOUR_THREADS),
    Published("MobileNet v2 1.0 224", A53, 30, f"{_FOUR}, 32 bit", README, 1 / FOUR_THREADS),
    Published("MobileNet v1 1.0 224", _DEV_BOARD, 164, "TensorFlow Lite of 2019", CORAL, OLD_KERNELS),
    Published("MobileNet v2 1.0 224", _DEV_BOARD, 122, "TensorFlow Lite of 2019", CORAL, OLD_KERNELS),
    Published("EfficientDet-lite0 320", A53, 624.07, _OLD, f"{DETECTORS}/efficientdet.md", OLD_KERNELS),
    Published("EfficientDet-lite1 384", A53, 1131.02, _OLD, f"{DETECTORS}/efficientdet.md", OLD_KERNELS),
    Published("EfficientDet-lite2 448", A53, 1785.89, _OLD, f"{DETECTORS}/efficientdet.md", OLD_KERNELS),
)
"""All that were found and used. EfficientDet's times include the sorting of boxes, which is not predicted."""


@dataclass(frozen=True)
class Check:
    """A prediction beside its measurement.

    Attributes:
        published: The measurement.
        predicted_ms: The predicted time in ms.
    """

    published: Published
    predicted_ms: float

    @property
    def ratio(self) -> float:
        """Predicted over measured; below 1 the prediction is too fast."""
        return self.predicted_ms / self.published.comparable_ms

    @property
    def factor(self) -> float:
        """By which factor the two differ, 1 or more."""
        return max(self.ratio, 1 / self.ratio)


def predict_ms(core: Core, layers: Sequence[Layer]) -> float:
    """Predicted time of a network on one thread, in ms. Layers of a kind that was never counted only move bytes."""
    return 1e3 * sum(layer_s(core, layer) for layer in layers)


def layer_s(core: Core, layer: Layer) -> float:
    """Predicted time of a layer in s."""
    work = layer.instructions(core.kernels)
    return core.seconds(work, layer.n_bytes) if work is not None else core.move_s(layer.n_bytes)


def checks(name: str | None = None) -> list[Check]:
    """Predictions beside all published measurements, or those of one core by its name."""
    chosen = [p for p in PUBLISHED if name in (None, p.core.name)]
    return [Check(p, predict_ms(p.core, NETWORKS[p.network]())) for p in chosen]


@dataclass(frozen=True)
class Uncertainty:
    """How far predictions for a core are from what was published.

    Attributes:
        core: Arm's name of the core.
        measurements: Number of published measurements.
        direct: How many of them are of one thread on 64 bit with kernels like these, without conversion.
        factor: The largest factor between prediction and measurement, rounded up to a tenth.
        typical: Its geometric mean.
    """

    core: str
    measurements: int
    direct: int
    factor: float
    typical: float

    @property
    def text(self) -> str:
        """In words."""
        if self.direct == self.measurements:
            kind = "all of one thread"
        elif self.direct:
            kind = f"{self.direct} of one thread, the others converted"
        else:
            kind = "all converted: no direct one was found"
        count = f"{self.measurements} published measurements ({kind})"
        return f"{self.core}: within a factor of {self.factor:.1f} of {count}, typically {self.typical:.2f}"


@cache
def uncertainty(name: str) -> Uncertainty:
    """The uncertainty of predictions for a core, by its name."""
    found = checks(name)
    return Uncertainty(
        name,
        len(found),
        sum(not check.published.is_converted for check in found),
        math.ceil(max(check.factor for check in found) * 10) / 10,
        math.exp(sum(math.log(check.factor) for check in found) / len(found)),
    )


COLUMNS: Columns[Check] = (
    ("network", lambda c: c.published.network),
    ("core", lambda c: c.published.core.key),
    ("board", lambda c: c.published.core.board),
    ("published ms", lambda c: f"{c.published.ms:.2f}"),
    ("as one thread", lambda c: f"{c.published.comparable_ms:.1f}{'*' if c.published.is_converted else ''}"),
    ("predicted ms", lambda c: f"{c.predicted_ms:.1f}"),
    ("predicted/published", lambda c: f"{c.ratio:.2f}"),
    ("measured with", lambda c: c.published.how),
    ("source", lambda c: c.published.source),
)


def table() -> str:
    """All checks, for a terminal."""
    return f"{text_table(*cells(checks(), COLUMNS))}\n* converted from other kernels or four threads"
