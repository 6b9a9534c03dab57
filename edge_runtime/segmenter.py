"""The object a scanner embeds: frames in, masks and head circumferences out."""

from __future__ import annotations

import math
import reprlib
import time
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.backend import Network
from edge_runtime.ellipse import Ellipse
from edge_runtime.errors import UsageError
from edge_runtime.golden import Golden, check_golden
from edge_runtime.manifest import Manifest, load_manifest, read_model
from edge_runtime.postprocess import Head, find_head
from edge_runtime.preprocess import check_frame, prepare
from edge_runtime.quality import NO_PIXEL_SIZE, Quality, measure_head
from edge_runtime.scratch import borrow

DEFAULT_MODEL = Path(__file__).resolve().parent / "models" / "edge-full_int8.tflite"
"""The model the wheel ships."""

MAX_THREADS = 64

PixelSize = float | tuple[float, float] | list[float] | NDArray[np.floating[Any]]
"""In mm: one number, or x and y."""


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
    """

    head_circumference_mm: float | None
    reason: str | None
    ellipse: Ellipse | None
    mask: NDArray[np.bool_]
    quality: Quality
    latency_ms: Latency
    pixel_size_mm: tuple[float, float] | None


class Segmenter:
    """A loaded model. Make one with :meth:`load`; use it from one thread at a time.

    Attributes:
        manifest: What the model is.
        size: (height, width) of the network's input, in pixels.
        backend: ``ai-edge-litert`` or ``tflite-runtime``.
    """

    def __init__(self, network: Network, manifest: Manifest) -> None:
        self._network = network
        self.manifest = manifest
        self.size = (manifest.preprocessing.height, manifest.preprocessing.width)
        self.backend = network.backend

    @classmethod
    def load(cls, path: str | Path | None = None, *, threads: int = 1, backend: str | None = None) -> Segmenter:
        """Load a model, its hash checked against its manifest before it is parsed.

        Args:
            path: The .tflite file, its manifest beside it; None for the model the wheel ships.
            threads: CPU threads, 1 to 64.
            backend: ``ai-edge-litert``, ``tflite-runtime``, or None for the first that is installed.

        Raises:
            UsageError: No such file, or a thread count out of range.
            ModelError: No manifest, another schema version, a hash that differs, or a model that is not as described.
            FetalHeadError: No interpreter is installed.
        """
        if not 1 <= threads <= MAX_THREADS:
            raise UsageError(f"threads is {threads}; it lies between 1 and {MAX_THREADS}.")
        model = DEFAULT_MODEL if path is None else Path(path)
        manifest = load_manifest(model)
        return cls(Network(read_model(model, manifest), manifest, threads, backend), manifest)

    def logits(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's logits for a frame, float32 (h, w) at network resolution.

        Raises:
            InputError: The frame is not one (see :func:`edge_runtime.preprocess.check_frame`).
        """
        return self._network(prepare(frame, self.size))

    def segment(self, frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """The head's mask.

        Args:
            frame: uint8, (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), sides of 32 to 16384 pixels.

        Returns:
            bool (H, W): the largest region, holes filled; empty where nothing was found.

        Raises:
            InputError: The frame is not one.
        """
        return self._find(frame)[0].mask

    def measure(self, frame: NDArray[np.uint8], pixel_size_mm: PixelSize | None = None) -> Measurement:
        """Measure the head circumference, or refuse with a reason.

        With the shipped model, Python's allocations for a grey frame of 800x540 reach 0.8 MB (2.2 MB in colour), of
        which only the mask's 0.43 MB outlive the call: a new array each time, the caller's own.

        Args:
            frame: As for :meth:`segment`.
            pixel_size_mm: Side of a pixel in mm, or (x, y) where pixels are not square: a tuple, list or array of two.
                Without it there is a mask and an ellipse in pixels, and no circumference.

        Raises:
            InputError: The frame is not one.
            UsageError: The pixel size is not a finite number above 0.
        """
        sizes = None if pixel_size_mm is None else _pixel_sizes(pixel_size_mm)
        head, network_input, latency = self._find(frame)
        quality, hc, reason = measure_head(head, network_input, sizes)
        ellipse = head.ellipse if reason in (None, NO_PIXEL_SIZE) else None
        return Measurement(hc, reason, ellipse, head.mask, quality, latency, sizes)

    def check_golden(self) -> Golden | None:
        """Compare this device's answers to eight frames with those where the model was exported.

        Returns:
            How they compare; None where the manifest, an older one, has none.

        Raises:
            ModelError: They cannot be compared.
        """
        return check_golden(self._network, self.manifest)

    def _find(self, frame: NDArray[np.uint8]) -> tuple[Head, NDArray[np.uint8], Latency]:
        start = time.perf_counter()
        height, width = check_frame(frame).shape[:2]
        network_input = prepare(frame, self.size)
        self._network.set_input(network_input)
        prepared = time.perf_counter()
        self._network.invoke()
        invoked = time.perf_counter()
        logits = self._network.logits(borrow(3, self.size))  # the next frame's overwrite them: not for a result
        head = find_head(logits, (height, width), self.manifest.threshold)
        done = time.perf_counter()
        latency = Latency((prepared - start) * 1e3, (invoked - prepared) * 1e3, (done - invoked) * 1e3)
        return head, network_input, latency


def _pixel_sizes(value: object) -> tuple[float, float]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    pair = value if isinstance(value, tuple | list) else (value, value)
    try:
        sizes = [float(v) for v in pair if isinstance(v, Real) and not isinstance(v, bool)]
    except OverflowError:  # an integer beyond what a float holds
        sizes = []
    if not len(pair) == len(sizes) == 2 or not all(math.isfinite(v) and v > 0 for v in sizes):
        shown = reprlib.repr(value)
        raise UsageError(f"pixel_size_mm is {shown}; it is one number of mm above 0, or a pair (x, y) of them.")
    return sizes[0], sizes[1]
