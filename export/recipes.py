"""Recipes: the ways in which a network is converted."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Literal

from edge_runtime.errors import UsageError


@dataclass(frozen=True)
class Tolerance:
    """How much an artifact may differ from torch. :mod:`export.verification.parity` says how each figure is taken.

    Attributes:
        max_logit_difference: Maximum absolute difference of a logit. None for recipes whose rounding can move single
            pixels by any amount.
        mean_logit_difference: Maximum mean absolute difference of the logits.
        sqnr_db: Minimum signal-to-noise ratio of the logits in dB. It does not depend on scale, so it reveals a wrong
            layout even if the logits are tiny. None for recipes whose rounding drowns the logits of networks that have
            hardly learned anything.
        mask_dice: Minimum mean Dice, 0 to 1, between torch's and the artifact's masks, over clear images.
        hc_shift_mm: Maximum mean absolute change of the head circumference in mm, over clear images.
    """

    max_logit_difference: float | None
    mean_logit_difference: float
    sqnr_db: float | None
    mask_dice: float
    hc_shift_mm: float


@dataclass(frozen=True)
class Recipe:
    """One way to convert a network.

    Attributes:
        name: As in artifact names.
        summary: One line for people.
        weights: dtype in which weights are stored. ``int8`` is symmetric, with one scale per output channel.
        activations: dtype of the activations. ``int8`` needs calibration images.
        edges: dtype of the input tensor and the output tensor.
        tolerance: Checked by :mod:`export.verification.parity`.
    """

    name: str
    summary: str
    weights: Literal["float32", "float16", "int8"]
    activations: Literal["float32", "int8"]
    edges: Literal["float32", "uint8"]
    tolerance: Tolerance

    @property
    def calibrated(self) -> bool:
        """Whether the ranges of its activations come from calibration images."""
        return self.activations == "int8"


# Each tolerance is a few times what correct conversions gave.
# ``edge`` at 97 % Dice, with logits from -13 to 13 (maximum and mean logit difference, SQNR, mask Dice, mean HC shift):
#   float32 6e-5, 4e-6, 122 dB, 1, 5e-6 mm; float16 0.14, 0.007, 57 dB, 0.9999, 0.01 mm;
#   dynamic_int8 1.9, 0.08, 36 dB, 0.9986, 0.24 mm; full_int8 3.0, 0.13, 31 dB, 0.998, 0.37 mm.
# The worst of the twelve strategies after one epoch on 8 images (maximum and mean logit difference, SQNR):
#   float32 2e-4, 2e-5, 90 dB; float16 0.35, 0.04, 21 dB; dynamic_int8 3.0, 0.39, 3 dB; full_int8 mean 0.53.
# The logits of such networks are so near 0 that int8 drowns them whatever the converter does, so int8 has no minimum
# SQNR. A wrong layout gives about 0 dB in float32.
_ALL = (
    Recipe(
        "float32",
        "weights and arithmetic in float32: the reference the others are compared with",
        "float32",
        "float32",
        "float32",
        Tolerance(1e-3, 1e-4, 60.0, 0.9999, 0.01),
    ),
    Recipe(
        "float16",
        "weights stored in float16, arithmetic in float32 (float16 where the CPU has it): half the size",
        "float16",
        "float32",
        "float32",
        Tolerance(1.0, 0.1, 15.0, 0.999, 0.1),
    ),
    Recipe(
        "dynamic_int8",
        "weights in int8, activations quantized at run time: a quarter of the size, no calibration",
        "int8",
        "float32",
        "float32",
        Tolerance(None, 1.0, None, 0.99, 1.0),
    ),
    Recipe(
        "full_int8",
        "weights and activations in int8, uint8 input and output: a frame's bytes are the input tensor",
        "int8",
        "int8",
        "uint8",
        Tolerance(None, 1.0, None, 0.99, 1.5),
    ),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""Every recipe by name."""


MIXED_INT8 = replace(
    RECIPES["full_int8"],
    name="mixed_int8",
    summary="full_int8 with some layers in float32, if nothing else is within the budget",
)
"""The fallback of :mod:`export.quantization.ladder`, which users cannot ask for. Its name says it is not full int8."""


def get_recipe(name: str) -> Recipe:
    """Look up a recipe.

    Raises:
        UsageError: No such recipe; the message lists all recipes.
    """
    try:
        return RECIPES[name]
    except KeyError:
        known = "\n".join(f"  {r.name:<14} {r.summary}" for r in RECIPES.values())
        raise UsageError(f"There is no recipe '{name}'. The recipes are:\n{known}") from None


@dataclass(frozen=True)
class Budget:
    """How much int8 may lose against torch in float32, on images that it was not calibrated on.

    Upper limits of the means are held to it, see :func:`export.quantization.ladder.at_most`.

    Attributes:
        max_dice_drop: Maximum drop of the mean Dice, in points of 100.
        max_hc_shift_mm: Maximum mean absolute change of the head circumference, in mm.
        max_hc_shift_share: The same relative to the network's own mean absolute difference from the reference. The
            larger of the two limits counts: what a loose network loses below a tenth of its own error is not noticed.
    """

    max_dice_drop: float = 0.1
    max_hc_shift_mm: float = 0.3
    max_hc_shift_share: float = 0.1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value >= 0:  # NaN too
                raise UsageError(f"--{name.replace('_', '-')} is {value}; it must be at least 0 (inf: no limit).")

    def hc_shift_mm(self, own_difference_mm: float | None) -> float:
        """The limit of the mean absolute change of the head circumference, in mm.

        Args:
            own_difference_mm: The network's own mean absolute difference from the reference; None if it is not known.
        """
        if own_difference_mm is None:
            return self.max_hc_shift_mm
        return max(self.max_hc_shift_mm, self.max_hc_shift_share * own_difference_mm)

    def to_json(self) -> dict[str, float | None]:
        """The budget for a manifest. JSON has no infinity, so None stands for no limit."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


NO_LIMIT = Budget(math.inf, math.inf)
"""Accepts the plainest full int8, whatever it loses."""
