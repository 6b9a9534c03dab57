"""What a case works on, and what every result must satisfy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime import FetalHeadError, Measurement, ModelError, Segmenter
from edge_runtime.artifact.manifest import manifest_path
from edge_runtime.artifact.signature import PublicKey, signature_path, signature_text, signed_message
from edge_runtime.common.optional import require
from edge_runtime.quality.verdict import HC_RANGE_MM

MODEL = Path(__file__).resolve().parent / "tiny-full_int8.tflite"

PERIMETER_TOLERANCE = 1e-3
"""Largest relative difference between a circumference and the polygon along its ellipse.

Ramanujan's formula is off by at most 4e-4.
"""


class Violation(Exception):
    """A result that must not happen."""


@dataclass(frozen=True)
class Rig:
    """A small artifact in a folder, loaded.

    Attributes:
        folder: The folder; cases may write into it.
        model: Path of the model there.
        data: The model's bytes.
        manifest: The manifest's bytes.
        signature: The signature's bytes.
        key: The key that signed it.
        segmenter: The loaded model.
        frame: uint8 (H, W), a frame with a head.
        answer: What this frame gives.
    """

    folder: Path
    model: Path
    data: bytes
    manifest: bytes
    signature: bytes
    key: PublicKey
    segmenter: Segmenter
    frame: NDArray[np.uint8]
    answer: tuple[Any, ...]


def make_rig(folder: Path) -> Rig:
    """Copy, sign and load the small artifact."""
    ed25519 = require("cryptography.hazmat.primitives.asymmetric.ed25519")
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # the same key in every campaign
    key = PublicKey(private.public_key().public_bytes_raw())
    model = folder / MODEL.name
    data, manifest = MODEL.read_bytes(), manifest_path(MODEL).read_bytes()
    signature = signature_text(key, private.sign(signed_message(manifest)))
    write(model, data, manifest, signature)
    segmenter = Segmenter.load(model, trusted_keys=[key])
    y, x = np.mgrid[0:120, 0:180]
    frame = np.where(np.hypot((x - 90) / 60, (y - 60) / 40) < 1, 10, 160).astype(np.uint8)
    wanted = answer(segmenter, frame)
    if wanted[0] is None:
        raise ModelError(f"the reference frame is refused ({wanted[1]}): nothing could be compared with it")
    return Rig(folder, model, data, manifest, signature, key, segmenter, frame, wanted)


def write(model: Path, data: bytes, manifest: bytes, signature: bytes) -> None:
    """Write an artifact's three files."""
    model.write_bytes(data)
    manifest_path(model).write_bytes(manifest)
    signature_path(model).write_bytes(signature)


def answer(segmenter: Segmenter, frame: NDArray[np.uint8]) -> tuple[Any, ...]:
    """What a frame gives, without the time it takes."""
    result = segmenter.measure(frame, 0.4)
    return result.head_circumference_mm, result.reason, result.ellipse, result.mask.tobytes()


def check_unchanged(rig: Rig) -> None:
    """Check that the reference frame still gives the same answer.

    Raises:
        Violation: It does not.
    """
    if answer(rig.segmenter, rig.frame) != rig.answer:
        raise Violation("the reference frame's answer has changed")


def attempt(action: Callable[[], Any]) -> tuple[str, Any]:
    """Do something that may raise a FetalHeadError; returns ``accepted`` or the error's name, and the result."""
    try:
        return "accepted", action()
    except FetalHeadError as error:
        if not str(error):
            raise Violation("an error without a message") from error
        return f"{type(error).__name__} ({error.code})", None


def check_measurement(result: Measurement, shape: tuple[int, ...]) -> str:
    """Check what must be true of every result.

    Args:
        result: The result.
        shape: Shape of its frame.

    Returns:
        ``measured``, ``ellipse only`` or ``refused``.

    Raises:
        Violation: The result cannot be right.
    """
    hc, ellipse = result.head_circumference_mm, result.ellipse
    if result.mask.shape != tuple(shape[:2]) or result.mask.dtype != bool:
        raise Violation(f"mask {result.mask.dtype} {result.mask.shape} of a frame {shape}")
    if (hc is None) != bool(result.reason):
        raise Violation(f"circumference {hc} with reason {result.reason!r}")
    _check_finite(asdict(result.quality))
    if ellipse is not None:
        _check_finite(asdict(ellipse))
        if not ellipse.semi_major >= ellipse.semi_minor > 0 or not 0 <= ellipse.angle_deg < 180:
            raise Violation(f"no ellipse: {ellipse}")
    if hc is None:
        return "ellipse only" if ellipse else "refused"
    if ellipse is None or result.pixel_size_mm is None:
        raise Violation(f"a circumference of {hc} without an ellipse or a pixel size")
    points = ellipse.outline(2000) * np.array(result.pixel_size_mm)
    polygon = float(np.hypot(*(np.roll(points, 1, axis=0) - points).T).sum())
    low, high = HC_RANGE_MM
    if not low <= hc <= high or abs(hc / polygon - 1) > PERIMETER_TOLERANCE:
        raise Violation(f"circumference {hc} of an ellipse whose perimeter is {polygon}")
    return "measured"


def _check_finite(values: Any) -> None:
    if isinstance(values, dict):
        for value in values.values():
            _check_finite(value)
    elif isinstance(values, float) and not math.isfinite(values):
        raise Violation("a figure is not finite")
