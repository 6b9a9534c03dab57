"""The object a scanner embeds: frames in, masks and head circumferences out."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.backend import Network
from edge_runtime.ellipse import Ellipse
from edge_runtime.errors import UsageError
from edge_runtime.golden import Golden, check_golden
from edge_runtime.limits import read_limits
from edge_runtime.manifest import Manifest, load_manifest, read_model
from edge_runtime.metrics import overlap
from edge_runtime.postprocess import Head, find_head
from edge_runtime.preprocess import check_frame, prepare
from edge_runtime.quality import NO_PIXEL_SIZE, Quality, weigh

DEFAULT_MODEL = Path(__file__).resolve().parent / "models" / "edge-full_int8.tflite"
"""The model the wheel ships."""

MAX_THREADS = 64

SECOND_LOOK_SHARE = 1.3
"""A second look takes an inference and a comparison; so many times the first inference must be left for it."""


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
        self._limits = read_limits(manifest.quality)
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

    def measure(
        self,
        frame: NDArray[np.uint8],
        pixel_size_mm: float | tuple[float, float] | None = None,
        *,
        second_look: bool = False,
        deadline_ms: float | None = None,
    ) -> Measurement:
        """Measure the head circumference, or refuse with a reason.

        Args:
            frame: As for :meth:`segment`.
            pixel_size_mm: Side of a pixel in mm, or (x, y) where pixels are not square. Without it there is a mask and
                an ellipse in pixels, and no circumference.
            second_look: Look at the mirrored frame too, and refuse where the two masks differ more than on good frames.
            deadline_ms: From the call; the second look is left out where it would not end in time. None for no limit.

        Raises:
            InputError: The frame is not one.
            UsageError: The pixel size is not a finite number above 0.
        """
        start = time.perf_counter()
        sizes = None if pixel_size_mm is None else _pixel_sizes(pixel_size_mm)
        head, network_input, logits, latency = self._find(frame)
        found = time.perf_counter()
        agreement = None
        if second_look and head.ellipse is not None:
            left = math.inf if deadline_ms is None else deadline_ms - (found - start) * 1e3
            if left > SECOND_LOOK_SHARE * latency.invoke:
                agreement = self._second_look(network_input, logits)
        looked = time.perf_counter()
        verdict = weigh(head, network_input, logits, sizes, self._limits, agreement)
        latency = replace(
            latency,
            invoke=latency.invoke + (looked - found) * 1e3,
            postprocess=latency.postprocess + (time.perf_counter() - looked) * 1e3,
        )
        ellipse = head.ellipse if verdict.reason in (None, NO_PIXEL_SIZE) else None
        return Measurement(
            verdict.head_circumference_mm, verdict.reason, ellipse, head.mask, verdict.quality, latency, sizes,
            verdict.interval_mm, verdict.trust, verdict.caution,
        )  # fmt: skip

    def _second_look(self, network_input: NDArray[np.uint8], logits: NDArray[np.float32]) -> float:
        """Dice between the mask and that of the mirrored input, at network resolution."""
        level = math.log(self.manifest.threshold / (1 - self.manifest.threshold))
        mirrored = self._network(np.ascontiguousarray(network_input[:, ::-1]))[:, ::-1]
        return overlap(logits > level, mirrored > level)[0]

    def check_golden(self) -> Golden | None:
        """Compare this device's answers to eight frames with those where the model was exported.

        Returns:
            How they compare; None where the manifest, an older one, has none.

        Raises:
            ModelError: They cannot be compared.
        """
        return check_golden(self._network, self.manifest)

    def _find(self, frame: NDArray[np.uint8]) -> tuple[Head, NDArray[np.uint8], NDArray[np.float32], Latency]:
        start = time.perf_counter()
        height, width = check_frame(frame).shape[:2]
        network_input = prepare(frame, self.size)
        self._network.set_input(network_input)
        prepared = time.perf_counter()
        self._network.invoke()
        invoked = time.perf_counter()
        logits = self._network.logits()
        head = find_head(logits, (height, width), self.manifest.threshold)
        done = time.perf_counter()
        latency = Latency((prepared - start) * 1e3, (invoked - prepared) * 1e3, (done - invoked) * 1e3)
        return head, network_input, logits, latency


def _pixel_sizes(value: float | tuple[float, float]) -> tuple[float, float]:
    pair = value if isinstance(value, tuple) else (value, value)
    try:
        sizes = tuple(float(v) for v in pair)
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) != 2 or not all(math.isfinite(v) and v > 0 for v in sizes):
        raise UsageError(f"pixel_size_mm is {value!r}; it is one number of mm above 0, or a pair (x, y) of them.")
    return sizes[0], sizes[1]
