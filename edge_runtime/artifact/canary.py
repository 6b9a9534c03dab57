"""The canary: one golden frame, asked at load and every so often, so that a broken driver or bad memory is seen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.golden import LEAST_DICE, check_golden, golden_frames, wanted_answers
from edge_runtime.artifact.manifest import Manifest
from edge_runtime.artifact.network import Network
from edge_runtime.errors import DeviceError
from edge_runtime.frame.preprocess import prepare
from edge_runtime.metrics import overlap

FRAME = 0
"""Index of the golden frame used: any would do."""

EXACT_BACKEND = "ai-edge-litert"
EXACT_RECIPE = "full_int8"
"""Integers on this interpreter have one right answer, so every byte counts; elsewhere masks are compared."""


@dataclass(frozen=True)
class Canary:
    """A frame, and what a sound device answers to it.

    Attributes:
        frame: uint8 (h, w), prepared.
        sha256: Of the answer's bytes at export.
        mask: bool (h, w), the mask at export.
        exact: Whether the bytes must be the same; else a Dice of the masks of at least ``LEAST_DICE`` will do.
    """

    frame: NDArray[np.uint8]
    sha256: str
    mask: NDArray[np.bool_]
    exact: bool


def make_canary(manifest: Manifest, backend: str) -> Canary | None:
    """The canary of a model; None where its manifest has no golden outputs.

    Args:
        manifest: Of the model.
        backend: The interpreter it runs on.

    Raises:
        ModelError: The manifest's golden outputs are damaged.
    """
    if not manifest.golden:
        return None
    size = manifest.size
    hashes, masks = wanted_answers(manifest)
    integer = manifest.recipe == EXACT_RECIPE and manifest.golden.get("backend") == EXACT_BACKEND == backend
    return Canary(prepare(golden_frames()[FRAME], size), hashes[FRAME], masks[FRAME], integer)


def check_canary(network: Network, manifest: Manifest, canary: Canary) -> None:
    """Ask the network; costs one run of it.

    Raises:
        DeviceError: It answers otherwise than where it was exported.
        ModelError: The golden frames become another input here than there: another version of this package.
    """
    with network.turn:
        mask = network(canary.frame) > 0
        sha256 = hashlib.sha256(network.output().tobytes()).hexdigest()
    if sha256 == canary.sha256:
        return
    dice = overlap(mask, canary.mask)[0]
    if not canary.exact and dice >= LEAST_DICE:
        return
    check_golden(network, manifest)  # says so where not the answer but the question differs
    wanted = "the same bytes are" if canary.exact else f"{LEAST_DICE} is"
    raise DeviceError(
        f"{manifest.name}: asked the golden frame, {network.backend} on this device answers otherwise than where the "
        f"model was exported: the masks have a Dice of {dice:.4f}, {wanted} needed. Memory, the processor or the "
        "interpreter is faulty, or its version computes otherwise: nothing is measured. Load again; if it stays, do "
        "not use this model here.",
        code="canary",
    )
