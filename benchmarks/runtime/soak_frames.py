"""The frames of a soak, and the ways through the runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_runtime.errors import FetalHeadError, InputError
from edge_runtime.measurement import Measurement
from edge_runtime.segmenter import Segmenter
from edge_runtime.streaming.slot import Frame, Slot
from edge_runtime.streaming.stream import Rules, Stream
from train.data.phantom import make_phantom

SIZES = ((540, 800), (542, 800), (541, 738), (539, 780), (544, 791), (480, 640), (600, 800), (768, 1024))
"""(height, width) of the phantoms in pixels: five sizes of HC18, three of other screens."""


@dataclass(frozen=True)
class SoakFrame:
    """One frame of the cycle.

    Attributes:
        item: A frame, or something that is not one.
        pixel_size_mm: The pixel size given with it, in mm.
    """

    item: object
    pixel_size_mm: float | tuple[float, float] | None = 0.15


Way = Callable[[SoakFrame], Measurement | FetalHeadError]
"""Takes a frame through the runtime: its measurement, or the error that was raised."""


def make_cases() -> list[SoakFrame]:
    """The cycle: phantoms of several sizes in grey and colour, frames without a head, and some that raise."""
    rng = np.random.default_rng(0)
    phantoms = [make_phantom(seed, size) for seed, size in enumerate(SIZES)]
    cases = [SoakFrame(frame, size_mm) for frame, _, size_mm in phantoms]
    first = phantoms[0][0]
    cases += [
        SoakFrame(np.repeat(first[:, :, None], 3, axis=2)),
        SoakFrame(np.repeat(first[:, :, None], 4, axis=2), (0.15, 0.12)),
        SoakFrame(first[::2, ::-1], 0.3),  # not contiguous in memory
        SoakFrame(first[:, : first.shape[1] // 2]),  # half a head
        SoakFrame(first, None),
        SoakFrame(np.zeros(SIZES[0], np.uint8)),
        SoakFrame(rng.integers(0, 256, SIZES[0], dtype=np.uint8)),
        SoakFrame(rng.integers(0, 256, (300, 1000), dtype=np.uint8)),
        SoakFrame(first.astype(np.float32)),
        SoakFrame(np.full(SIZES[0], np.nan)),
        SoakFrame(first[:20, :20]),
        SoakFrame(first, -1.0),
    ]
    return cases


def through_measure(segmenter: Segmenter) -> Way:
    """Each frame goes through a call of :meth:`Segmenter.measure`."""

    def run(case: SoakFrame) -> Measurement | FetalHeadError:
        try:
            return segmenter.measure(case.item, case.pixel_size_mm)  # type: ignore[arg-type]
        except FetalHeadError as error:
            return error

    return run


def through_stream(segmenter: Segmenter) -> Way:
    """Each frame goes through a stream: the slot, the measurement, the summary and the choice of the best frame.

    None is dropped, because the next frame is put in when the result of the last one is out.
    """
    slot = Slot()
    stream = Stream(segmenter, slot, None, Rules(stall_s=3600.0))

    def run(case: SoakFrame) -> Measurement | FetalHeadError:
        slot.put(Frame(case.item, case.pixel_size_mm))  # type: ignore[arg-type]
        result = next(stream)
        return result.measurement or result.error or InputError("stalled")

    return run


WAYS: dict[str, Callable[[Segmenter], Way]] = {"measure": through_measure, "stream": through_stream}
