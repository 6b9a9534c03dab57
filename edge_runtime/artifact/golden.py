"""Golden outputs: a network's answers to eight fixed frames, recorded at export and compared on each device.

Integer arithmetic is exact, so a fully quantized network gives the same bytes on every device that works correctly.
Another interpreter may round differently, as tflite-runtime does. Then its masks are compared with the export's.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import Manifest, Preprocessing
from edge_runtime.artifact.network import Network
from edge_runtime.common.files import read_bounded
from edge_runtime.errors import ModelError
from edge_runtime.frame.preprocess import prepare
from edge_runtime.head.mask import positive_at
from edge_runtime.metrics import overlap

FRAMES = Path(__file__).resolve().parents[1] / "models" / "golden_frames.npy"
"""Eight phantoms (not ultrasound), uint8 (8, 160, 240); ``train.data.phantom.golden_frames`` draws them."""

FRAMES_SHA256 = "02fa1bc768ff3d464ef09a2a320701aeb63631c4e1652976717d91a3588f7258"
"""SHA-256 of that file."""

N_FRAMES = 8
_FRAME_SHAPE = (160, 240)
_ARRAY_HEADER = 128
"""Bytes of the ``.npy`` header that numpy writes before the frames."""

_SHA256 = re.compile(r"[0-9a-f]{64}")

LEAST_DICE = 0.999
"""Smallest mean Dice between a device's masks and the export's. Below it the device is not trusted."""


@dataclass(frozen=True)
class Golden:
    """A device's answers compared with the export's.

    Attributes:
        n_frames: Number of frames.
        n_identical: Number of answers with the same bytes.
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
    """The frames, uint8 (8, 160, 240), read-only.

    Raises:
        ModelError: The file is missing or damaged.
    """
    n_bytes = _ARRAY_HEADER + N_FRAMES * _FRAME_SHAPE[0] * _FRAME_SHAPE[1]
    try:
        data = read_bounded(FRAMES, n_bytes)
        if hashlib.sha256(data).hexdigest() != FRAMES_SHA256:
            raise ValueError("its bytes are not those that were released")
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise ModelError(
            f"{FRAMES} cannot be used: {cause}. The golden frames are missing or damaged. Install the package again: "
            "pip install --force-reinstall fetal-head-edge",
            code="golden",
        ) from error
    # The hash fixes the header, so there is nothing to parse.
    return np.frombuffer(data, np.uint8, offset=_ARRAY_HEADER).reshape(N_FRAMES, *_FRAME_SHAPE)


def take_golden(network: Network, preprocessing: Preprocessing) -> dict[str, Any]:
    """Run a network on the golden frames and record its answers for the manifest.

    Args:
        network: The network being exported.
        preprocessing: How it wants its frames.
    """
    inputs, hashes, masks = _ask(network, preprocessing)
    return {
        "inputs_sha256": hashlib.sha256(inputs.tobytes()).hexdigest(),
        "outputs_sha256": hashes,
        "masks": base64.b64encode(zlib.compress(np.packbits(masks).tobytes(), 9)).decode(),
        "backend": network.backend,
    }


def check_golden(network: Network, manifest: Manifest) -> Golden | None:
    """Run a network on the golden frames on this device and compare its answers with those of the export.

    Args:
        network: The network on this device.
        manifest: The network's manifest.

    Returns:
        The comparison; None if the manifest is from an older export and has no golden outputs.

    Raises:
        ModelError: The golden outputs or frames are damaged, or this device prepares the frames differently.
    """
    if not manifest.golden:
        return None
    wanted_hashes, wanted = wanted_answers(manifest)
    inputs, hashes, masks = _ask(network, manifest.preprocessing)
    if hashlib.sha256(inputs.tobytes()).hexdigest() != manifest.golden.get("inputs_sha256"):
        raise ModelError(
            f"{manifest.name}: on this device the golden frames give a different input than at export. This is "
            "another version of the package, or the arithmetic differs. Export the model with the version that is "
            "installed here.",
            code="golden",
        )
    same = sum(a == b for a, b in zip(hashes, wanted_hashes, strict=True))
    dice = [overlap(seen, mask)[0] for seen, mask in zip(masks, wanted, strict=True)]
    return Golden(len(hashes), same, float(np.mean(dice)))


def wanted_answers(manifest: Manifest) -> tuple[list[str], NDArray[np.bool_]]:
    """Read the golden outputs of a manifest: hashes of the output's bytes, and masks bool (N, h, w).

    Raises:
        ModelError: The golden outputs are damaged.
    """
    shape = (N_FRAMES, *manifest.size)
    n_bytes = -(-shape[0] * shape[1] * shape[2] // 8)
    try:
        hashes = list(manifest.golden["outputs_sha256"])
        if len(hashes) != N_FRAMES or not all(isinstance(h, str) and _SHA256.fullmatch(h) for h in hashes):
            raise ValueError(f"'outputs_sha256' must be {N_FRAMES} hashes")
        unpacker = zlib.decompressobj()  # bounded: 3 MB of a manifest can unpack to 3 GB of zeros
        packed = unpacker.decompress(base64.b64decode(manifest.golden["masks"], validate=True), n_bytes + 1)
        if len(packed) != n_bytes:
            raise ValueError(f"the masks have {len(packed)} bytes or more; they must have {n_bytes}")
        masks = np.unpackbits(np.frombuffer(packed, np.uint8), count=shape[0] * shape[1] * shape[2])
    except (KeyError, ValueError, TypeError, zlib.error) as error:
        text = f"{manifest.name}: the golden outputs in the manifest cannot be read: {error!r:.200}. Copy it again."
        raise ModelError(text, code="golden") from error
    return hashes, masks.reshape(shape).astype(bool)


def golden_input(number: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """A golden frame as a network's input, uint8 (h, w).

    Args:
        number: Index of the frame.
        preprocessing: How the network wants its frames.
    """
    size = (preprocessing.height, preprocessing.width)
    return prepare(golden_frames()[number], size, rule=preprocessing.resize_rule).image


def _ask(network: Network, preprocessing: Preprocessing) -> tuple[NDArray[np.uint8], list[str], NDArray[np.bool_]]:
    """Run the golden frames: inputs uint8 (N, h, w), hashes of the outputs' bytes, and masks bool (N, h, w)."""
    inputs = np.stack([golden_input(number, preprocessing) for number in range(N_FRAMES)])
    hashes, masks = [], []
    for frame in inputs:
        with network.turn:
            masks.append(positive_at(network(frame), (frame.shape[0], frame.shape[1])))
            hashes.append(hashlib.sha256(network.output().tobytes()).hexdigest())
    return inputs, hashes, np.stack(masks)
