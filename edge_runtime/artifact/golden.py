"""Golden outputs: what a network answered, where it was exported, to frames that every device has.

Integer arithmetic has one right answer, so a fully quantized network gives the same bytes on every sound device; where
another interpreter rounds otherwise (tflite-runtime does), its masks are held to those of the export.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import Manifest
from edge_runtime.artifact.network import Network
from edge_runtime.common.files import read_bounded
from edge_runtime.errors import ModelError
from edge_runtime.frame.preprocess import prepare
from edge_runtime.metrics import overlap

FRAMES = Path(__file__).resolve().parents[1] / "models" / "golden_frames.npz"
"""Eight phantoms (not ultrasound), uint8 (8, 160, 240); ``train.data.phantom.golden_frames`` draws them."""

N_FRAMES = 8
_FRAME_SHAPE = (160, 240)
_ARRAY_HEADER = 128
"""Bytes before the frames in the array's own file, as numpy writes it."""

_SHA256 = re.compile(r"[0-9a-f]{64}")

LEAST_DICE = 0.999
"""Between a device's masks and the export's, mean over the frames: below it the device is not trusted."""


@dataclass(frozen=True)
class Golden:
    """A device's answers beside the export's.

    Attributes:
        n_frames: Frames asked.
        n_identical: How many answers are the same bytes.
        mask_dice: Mean Dice between the device's masks and the export's.
    """

    n_frames: int
    n_identical: int
    mask_dice: float

    @property
    def holds(self) -> bool:
        """Whether the device can be trusted with this network."""
        return self.mask_dice >= LEAST_DICE


@lru_cache(maxsize=1)
def golden_frames() -> NDArray[np.uint8]:
    """The frames, uint8 (8, 160, 240).

    Raises:
        ModelError: The file is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(read_bounded(FRAMES, 1 << 20)), allow_pickle=False) as file:
            return np.asarray(file["frames"])
    except (OSError, ValueError, KeyError, EOFError, zlib.error) as error:
        raise ModelError(f"{FRAMES} cannot be read: {error!r}. Install the package again.") from error


def golden_frame(index: int) -> NDArray[np.uint8]:
    """One of the frames, uint8 (160, 240), in less time than all: only what comes before it is unpacked.

    By hand, since ``zipfile``, which numpy reads the file with, takes 5 ms to import, and much longer on a Pi.

    Raises:
        ModelError: The file is missing or damaged.
    """
    n_bytes = _FRAME_SHAPE[0] * _FRAME_SHAPE[1]
    try:
        data = read_bounded(FRAMES, 1 << 20)
        name, extra = struct.unpack_from("<HH", data, 26)  # of the first entry's header, 30 bytes before both
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        array = unpacker.decompress(data[30 + name + extra :], _ARRAY_HEADER + (index + 1) * n_bytes)
        return np.frombuffer(array, np.uint8, n_bytes, _ARRAY_HEADER + index * n_bytes).reshape(_FRAME_SHAPE)
    except (OSError, ValueError, struct.error, zlib.error) as error:
        raise ModelError(f"{FRAMES} cannot be read: {error!r}. Install the package again.", code="golden") from error


def take_golden(network: Network, size: tuple[int, int]) -> dict[str, Any]:
    """What a manifest says of golden outputs.

    Args:
        network: To ask.
        size: (h, w) of its input in pixels.
    """
    inputs, hashes, masks = _ask(network, size)
    return {
        "inputs_sha256": hashlib.sha256(inputs.tobytes()).hexdigest(),
        "outputs_sha256": hashes,
        "masks": base64.b64encode(zlib.compress(np.packbits(masks).tobytes(), 9)).decode(),
        "backend": network.backend,
    }


def check_golden(network: Network, manifest: Manifest) -> Golden | None:
    """Ask a network on this device what was asked of it when it was exported.

    Args:
        network: On this device.
        manifest: Of the network.

    Returns:
        How its answers compare; None where the manifest, an older one, has none.

    Raises:
        ModelError: The manifest's are damaged, or this device makes other inputs of the frames.
    """
    if not manifest.golden:
        return None
    wanted_hashes, wanted = wanted_answers(manifest)
    size = manifest.size
    inputs, hashes, masks = _ask(network, size)
    if hashlib.sha256(inputs.tobytes()).hexdigest() != manifest.golden.get("inputs_sha256"):
        raise ModelError(
            f"{manifest.name}: the golden frames become another input here than where it was exported: another version "
            "of this package, or arithmetic that differs. Export the model with the version installed here.",
            code="golden",
        )
    same = sum(a == b for a, b in zip(hashes, wanted_hashes, strict=True))
    dice = [overlap(seen, mask)[0] for seen, mask in zip(masks, wanted, strict=True)]
    return Golden(len(hashes), same, float(np.mean(dice)))


def wanted_answers(manifest: Manifest) -> tuple[list[str], NDArray[np.bool_]]:
    """What a manifest says a sound device answers: hashes of the output's bytes, and masks bool (N, h, w).

    Raises:
        ModelError: They are damaged.
    """
    shape = (N_FRAMES, *manifest.size)
    n_bytes = -(-shape[0] * shape[1] * shape[2] // 8)
    try:
        hashes = list(manifest.golden["outputs_sha256"])
        if len(hashes) != N_FRAMES or not all(isinstance(h, str) and _SHA256.fullmatch(h) for h in hashes):
            raise ValueError(f"'outputs_sha256' must be {N_FRAMES} hashes")
        unpacker = zlib.decompressobj()  # bounded: three megabytes of a manifest can hold three gigabytes of zeros
        packed = unpacker.decompress(base64.b64decode(manifest.golden["masks"], validate=True), n_bytes + 1)
        if len(packed) != n_bytes:
            raise ValueError(f"the masks have {len(packed)} bytes or more; {n_bytes} are needed")
        masks = np.unpackbits(np.frombuffer(packed, np.uint8), count=shape[0] * shape[1] * shape[2])
    except (KeyError, ValueError, TypeError, zlib.error) as error:
        text = f"{manifest.name}: the manifest's golden outputs cannot be read: {error!r:.200}."
        raise ModelError(text, code="golden") from error
    return hashes, masks.reshape(shape).astype(bool)


def _ask(network: Network, size: tuple[int, int]) -> tuple[NDArray[np.uint8], list[str], NDArray[np.bool_]]:
    """Prepared frames uint8 (N, h, w), the hashes of the output's bytes, and the masks bool (N, h, w)."""
    inputs = np.stack([prepare(frame, size) for frame in golden_frames()])
    hashes, masks = [], []
    for frame in inputs:
        with network.turn:
            masks.append(network(frame) > 0)
            hashes.append(hashlib.sha256(network.output().tobytes()).hexdigest())
    return inputs, hashes, np.stack(masks)
