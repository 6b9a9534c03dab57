"""Networks that training has broken: weights or answers that are not finite, far too large, or the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from edge_runtime.errors import FetalHeadError

MAX_LOGIT = 1e4
"""Largest absolute logit of a usable network. Trained networks stay below 30; beyond 17 a probability is 0 or 1."""

MIN_RANGE = 1e-4
"""Smallest difference between two logits of an image. Networks with random weights reach 0.01."""


class DivergenceError(FetalHeadError):
    """A training run, or the network it made, has lost all meaning."""

    code = "diverged"


def find_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name a tensor that holds NaN or infinity, and the value; None if there is no such tensor."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return f"{name} holds {_shown(tensor[~tensor.isfinite()].flatten()[0].item())}"
    return None


def find_fault(logits: NDArray[np.float32]) -> str | None:
    """Say what is wrong with a network's answers.

    Args:
        logits: float32 (N, h, w), its answers to N images.

    Returns:
        What the network does, as in "the network itself answers nan"; None if its answers are usable.
    """
    finite = np.isfinite(logits)
    if not finite.all():
        return f"answers {_shown(float(logits[~finite].flat[0]))}"
    largest = float(np.abs(logits).max())
    if largest > MAX_LOGIT:
        return f"answers up to {largest:.1e} (trained networks stay below 30)"
    if float(np.ptp(logits, axis=(1, 2)).max()) < MIN_RANGE:
        return f"gives every pixel of an image the same answer ({logits.flat[0]:.3g})"
    return None


def _shown(value: float) -> str:
    return "NaN" if math.isnan(value) else str(value)
