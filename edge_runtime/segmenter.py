"""The object that a scanner embeds: it takes frames and returns masks and head circumferences."""

from __future__ import annotations

import logging
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.canary import Canary, check_canary, make_canary
from edge_runtime.artifact.golden import Golden, check_golden
from edge_runtime.artifact.manifest import Manifest, manifest_path, parse_manifest, read_manifest, read_model
from edge_runtime.artifact.network import Network, load_backend
from edge_runtime.artifact.signature import PublicKey, check_signature, read_keys
from edge_runtime.common.log import event
from edge_runtime.errors import DeviceError, FetalHeadError, ModelError, UsageError, shown
from edge_runtime.frame.geometry import Box
from edge_runtime.frame.pixel_sizes import PixelSize, check_pixel_sizes
from edge_runtime.frame.preprocess import prepare
from edge_runtime.measurement import Latency, Measurement
from edge_runtime.quality.limits import Limits, read_limits
from edge_runtime.quality.verdict import NO_PIXEL_SIZE
from edge_runtime.shipped import find_model
from edge_runtime.stages import Stages, run_stages

MAX_THREADS = 64

MAX_CANARY_EVERY = 10**9


class Segmenter:
    """A loaded model. Make one with :meth:`load`.

    Threads may share it: it runs one frame at a time, and the others wait. To measure several frames at the same time,
    load one Segmenter per thread.

    Attributes:
        manifest: Description of the model.
        size: (height, width) of the network's input, in pixels.
        backend: ``ai-edge-litert`` or ``tflite-runtime``.
        signed_by: Id of the trusted key that signed the model. None if no signature was required.
        threads: Number of CPU threads.
    """

    def __init__(
        self,
        network: Network,
        manifest: Manifest,
        *,
        canary: Canary | None = None,
        canary_every: int = 0,
        signed_by: str | None = None,
    ) -> None:
        self._network = network
        self._canary = canary
        self._canary_every = canary_every
        self._frames_since_canary = 0
        self._fault: str | None = None
        self.signed_by = signed_by
        self.manifest = manifest
        self._limits = read_limits(manifest.quality)
        self.size = manifest.size
        self.backend = network.backend
        self.threads = network.threads

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        threads: int | Literal["auto"] = 1,
        backend: str | None = None,
        trusted_keys: Sequence[str | Path | bytes | PublicKey] | None = None,
        canary_every: int = 0,
    ) -> Segmenter:
        """Load a model.

        The signature (if keys are given), the seal and the hash are checked before the interpreter sees the model. Then
        the canary is run: a known frame whose answer is in the manifest.

        Args:
            path: The .tflite file, with its manifest beside it; or a shipped size, ``"edge-s"``, ``"edge-m"`` or
                ``"edge-l"``. None for the model in the wheel.
            threads: Number of CPU threads, 1 to 64. ``"auto"`` uses the number that ``python -m edge_runtime tune``
                chose for this model on this device, or 1 if it has not been run.
            backend: ``ai-edge-litert``, ``tflite-runtime``, or None for the first that is installed.
            trusted_keys: Ed25519 public keys, as PEM files or as 32 bytes each. A model that none of them signed is
                refused. None requires no signature.
            canary_every: Run the canary again every N frames. Each time costs one run of the network. 0 runs it only
                when the model is loaded.

        Raises:
            UsageError: A file, key or size does not exist, or a number is out of range.
            ModelError: There is no manifest, or it has another schema version; the seal, signature or hash does not
                match; the model is not as described; or ``canary_every`` is set and the manifest has no canary.
            DeviceError: The canary's answer differs from the one at export.
            FetalHeadError: No interpreter is installed, or keys were given and ``cryptography`` is not installed.
        """
        try:
            segmenter = cls._load(find_model(path), threads, backend, trusted_keys, canary_every)
        except FetalHeadError as error:
            event("model_refused", level=logging.ERROR, reason=error.code)
            raise
        event(
            "model_loaded",
            model=segmenter.manifest.name,
            sha256=segmenter.manifest.model_sha256[:16],
            backend=segmenter.backend,
            threads=segmenter.threads,
            signed=segmenter.signed_by is not None,
            canary=segmenter.has_canary,
        )
        return segmenter

    @classmethod
    def _load(
        cls,
        model: Path,
        threads: int | Literal["auto"],
        backend: str | None,
        trusted_keys: Sequence[str | Path | bytes | PublicKey] | None,
        canary_every: int,
    ) -> Segmenter:
        if threads != "auto":
            _check_count("threads", threads, 1, MAX_THREADS)
        _check_count("canary_every", canary_every, 0, MAX_CANARY_EVERY)
        keys = read_keys(trusted_keys)
        data = read_manifest(model)
        signed_by = None if keys is None else check_signature(model, data, keys)
        manifest = parse_manifest(data, manifest_path(model))
        if threads == "auto":
            from edge_runtime.device.thread_cache import cached_threads  # here: importlib.metadata is slow to import

            threads = cached_threads(manifest.model_sha256, load_backend(backend)[0]) or 1
        network = Network(read_model(model, manifest), manifest, threads, backend)
        canary = make_canary(manifest, network.backend)
        if canary_every and canary is None:
            raise ModelError(
                f"canary_every is {canary_every}, but the manifest of {manifest.name} has no golden outputs. "
                "Export the model again, or load it without canary_every.",
                code="no_canary",
            )
        segmenter = cls(network, manifest, canary=canary, canary_every=canary_every, signed_by=signed_by)
        segmenter.check_canary()
        return segmenter

    @property
    def has_canary(self) -> bool:
        """Whether the manifest has golden outputs, so that this device is checked at load."""
        return self._canary is not None

    def check_canary(self) -> bool:
        """Run the canary now. After a failure the segmenter refuses to measure until the canary passes.

        Returns:
            True if it passed, False if the model has none.

        Raises:
            DeviceError: It failed. Nothing is measured from now on.
            ModelError: The golden frames give another network input here than at export, or the interpreter failed.
        """
        if self._canary is None:
            return False
        with self._network.turn:
            self._frames_since_canary = 0
            try:
                check_canary(self._network, self.manifest, self._canary)
            except FetalHeadError as error:
                self._fault = str(error)
                event("canary_failed", level=logging.ERROR, model=self.manifest.name, reason=error.code)
                raise
            self._fault = None
        event("canary_passed", level=logging.DEBUG, model=self.manifest.name)
        return True

    def _check_device(self) -> None:
        """Before each frame: refuse if the canary has failed, and run it if it is due."""
        with self._network.turn:
            if self._fault is not None:
                raise DeviceError(f"Nothing has been measured since the canary failed. {self._fault}", code="canary")
            self._frames_since_canary += 1
            if 0 < self._canary_every < self._frames_since_canary:
                self.check_canary()
                self._frames_since_canary = 1

    def logits(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's logits for a frame, float32 (h, w), of the size ``manifest.output_size``.

        Raises:
            InputError: The frame is not valid (see :func:`edge_runtime.frame.preprocess.check_frame`).
            DeviceError: The canary failed, now or earlier. :meth:`segment` and :meth:`measure` raise it too.
        """
        self._check_device()
        return self._network(prepare(frame, self.size, rule=self.manifest.preprocessing.resize_rule).image)

    def segment(self, frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """The head's mask.

        Args:
            frame: uint8, (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), each side 32 to 16384 pixels.

        Returns:
            bool (H, W): the largest region, with its holes filled. Empty if nothing was found.

        Raises:
            InputError: The frame is not valid.
        """
        return self._run(frame, None, None).head.mask

    def measure(
        self,
        frame: NDArray[np.uint8],
        pixel_size_mm: PixelSize | None = None,
        part: Box | None = None,
    ) -> Measurement:
        """Measure the head circumference, or refuse with a reason.

        The mask is computed only when ``mask`` of the result is first read. No result shares memory with another.

        Args:
            frame: As for :meth:`segment`.
            pixel_size_mm: Side of a pixel in mm, or a tuple, list or array (x, y) if pixels are not square. Without it
                the result has a mask and an ellipse in pixels, but no circumference.
            part: The part of the frame to measure, for frames with menus or several pictures in them. What is outside
                it is not looked at, and an outline that leaves it is refused. Mask and ellipse are in the frame's own
                pixels all the same. None for the whole frame.

        Raises:
            InputError: The frame or its part is not valid.
            UsageError: The pixel size is not a number from 0.0001 to 100, or one side is more than 10 times the other.
        """
        sizes = None if pixel_size_mm is None else check_pixel_sizes(pixel_size_mm)
        stages = self._run(frame, sizes, self._limits, part)
        verdict, head, ms = stages.verdict, stages.head, stages.step_ms
        around = sum(ms.values()) - ms["prepare"] - ms["invoke"]
        return Measurement(
            verdict.head_circumference_mm,
            verdict.reason,
            head.ellipse if verdict.reason in (None, NO_PIXEL_SIZE) else None,
            head.region,
            verdict.quality,
            Latency(ms["prepare"], ms["invoke"], around),
            sizes,
            verdict.interval_mm,
            verdict.trust,
            verdict.caution,
        )

    def examine(self, frame: NDArray[np.uint8], pixel_size_mm: PixelSize, *, own_limits: bool = False) -> Stages:
        """Measure a frame, by default without the model's own limits, and keep the result and time of every stage.

        Without them only the wide limits of :mod:`edge_runtime.quality.verdict` apply. ``python -m export quality``
        derives the model's limits from this, and ``python -m benchmarks run`` times the stages. A scanner calls
        :meth:`measure`.

        Args:
            frame: As for :meth:`segment`.
            pixel_size_mm: As for :meth:`measure`.
            own_limits: Whether the model's own limits apply too, as in :meth:`measure`.

        Returns:
            The result of every stage. The next frame overwrites its logits.

        Raises:
            InputError: The frame is not valid.
        """
        return self._run(frame, check_pixel_sizes(pixel_size_mm), self._limits if own_limits else None)

    def check_golden(self) -> Golden | None:
        """Compare this device's answers to eight frames with those of the machine that exported the model.

        Returns:
            How they compare. None if the manifest is too old to have golden outputs.

        Raises:
            ModelError: They cannot be compared.
        """
        return check_golden(self._network, self.manifest)

    def _run(
        self,
        frame: NDArray[np.uint8],
        sizes: tuple[float, float] | None,
        limits: Limits | None,
        part: Box | None = None,
    ) -> Stages:
        self._check_device()
        return run_stages(self._network, self.manifest, frame, sizes, limits, part=part)


def _check_count(name: str, value: int, least: int, most: int) -> None:
    try:
        held = least <= operator.index(value) <= most and not isinstance(value, bool)
    except TypeError:
        held = False
    if not held:
        raise UsageError(f"{name} is {shown(value)}; it must be an integer between {least} and {most}.")
