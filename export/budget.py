"""What quantization may cost."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from edge_runtime.errors import UsageError


@dataclass(frozen=True)
class Budget:
    """What int8 may cost against torch in float32, on the validation part.

    Attributes:
        max_dice_drop: Largest drop of the mean Dice, in points of 100.
        max_hc_shift_mm: Largest mean absolute change of the head circumference, in mm.
    """

    max_dice_drop: float = 0.1
    max_hc_shift_mm: float = 0.3

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value >= 0:  # NaN too
                raise UsageError(f"--{name.replace('_', '-')} is {value}; 0 or more is needed (inf allows anything).")

    def to_json(self) -> dict[str, float | None]:
        """For a manifest; None where anything is allowed, which JSON has no number for."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


NO_LIMIT = Budget(math.inf, math.inf)
"""Full int8 as plain as can be, whatever it costs."""
