"""Limits of round numbers, and frames that were examined, for tests that need no network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.quality.limits import MORE_IS_BETTER, Limits
from edge_runtime.quality.look import FIGURES, KnownLook
from export.quality.cases import REAL, Examined
from export.quality.derive_limits import LESS_IS_BETTER

NAMES = (*MORE_IS_BETTER, *LESS_IS_BETTER)


def make_limits(**changes: Any) -> Limits:
    """Limits that a frame with ``core`` 4 and ``softness`` 0.1 is within; ``changes`` are fields."""
    count = len(FIGURES)
    plain: dict[str, Any] = {
        "bounds": {"core": (0.0, None), "softness": (None, 0.2)},
        "usual": {"core": (4.0, -1.0), "softness": (0.1, 0.05)},
        "most_doubt": (2.0, 1.0),
        "trust_line": (3.0, -2.0),
        "error_mm": (1.0, 0.1, 0.5),
        "caution_mm": 3.0,
        "interval": (-2.0, 2.5),
        "known": KnownLook((0.0,) * count, tuple(tuple(row) for row in np.eye(count).tolist()), 1.5),
        "unlike": 1.4,
    }
    return Limits(**{**plain, **changes})


def examined(
    error_mm: float = 0.0,
    look: NDArray[np.float64] | None = None,
    kind: str = REAL,
    good: bool = True,
    true_hc_mm: float = 200.0,
    **figures: float,
) -> Examined:
    """A frame that was measured with an error; figures that are not named are 0."""
    values = dict.fromkeys(NAMES, 0.0) | {"core": 4.0, "softness": 0.1} | figures
    seen = np.zeros(len(FIGURES)) if look is None else look
    return Examined("x.png", kind, good, None, values, seen, true_hc_mm + error_mm, true_hc_mm)
