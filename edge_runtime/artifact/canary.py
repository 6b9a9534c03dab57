"""The canary: a golden frame that is run at load and at intervals, to notice a broken driver or bad memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.golden import LEAST_DICE, check_golden, golden_input, wanted_answers
from edge_runtime.artifact.manifest import Manifest
from edge_runtime.artifact.network import Network
from edge_runtime.errors import DeviceError
from edge_runtime.head.mask import positive_at
from edge_runtime.metrics import overlap

FRAME = 0
"""Which golden frame is run. Any would do."""

EXACT_BACKEND = "ai-edge-litert"
EXACT_RECIPE = "full_int8"
"""With this interpreter and recipe there is one right answer, so the bytes are compared. Otherwise the masks are."""


@dataclass(frozen=True)
class Canary:
    """A frame, and the answer of a working device to it.

    Attributes:
        frame: uint8 (h, w), the network's input.
        sha256: Hash of the output's bytes at export.
        mask: bool (h, w), the mask at export.
        exact: Whether the bytes must be the same. If not, the masks must have a Dice of at least ``LEAST_DICE``.
    """

    frame: NDArray[np.uint8]
    sha256: str
    mask: NDArray[np.bool_]
    exact: bool


def make_canary(manifest: Manifest, backend: str) -> Canary | None:
    """Make the canary of a model. None if its manifest has no golden outputs.

    Args:
        manifest: The model's manifest.
        backend: The interpreter that runs it.

    Raises:
        ModelError: The manifest's golden outputs are damaged.
    """
    if not manifest.golden:
        return None
    hashes, masks = wanted_answers(manifest)
    integer = manifest.recipe == EXACT_RECIPE and manifest.golden.get("backend") == EXACT_BACKEND == backend
    return Canary(golden_input(FRAME, manifest.preprocessing), hashes[FRAME], masks[FRAME], integer)


def check_canary(network: Network, manifest: Manifest, canary: Canary) -> None:
    """Run the canary. This costs one run of the network.

    Raises:
        DeviceError: The answer differs from the one at export.
        ModelError: The golden frames give another network input here than at export. The package has another version.
    """
    with network.turn:
        mask = positive_at(network(canary.frame), manifest.size)
        sha256 = hashlib.sha256(network.output().tobytes()).hexdigest()
    if sha256 == canary.sha256:
        return
    dice = overlap(mask, canary.mask)[0]
    if not canary.exact and dice >= LEAST_DICE:
        return
    check_golden(network, manifest)  # raises if the network's input differs, rather than its output
    wanted = "the same bytes are" if canary.exact else f"at least {LEAST_DICE} is"
    raise DeviceError(
        f"{manifest.name}: on the golden frame, {network.backend} on this device gives another answer than the machine "
        f"that exported the model. The masks have a Dice of {dice:.4f}; {wanted} needed. The memory, the processor or "
        "the interpreter is faulty, or this version computes differently, so nothing is measured. Load the model "
        "again. If this error stays, do not use the model on this device.",
        code="canary",
    )
