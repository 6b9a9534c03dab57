"""The figures of parity, apart from how they are taken, so that result pages can read them without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parity:
    """How far an artifact differs from torch.

    Attributes:
        n_images: Number of images compared.
        n_clear: Number of clear images; see :mod:`export.verification.parity`.
        max_logit_difference: Maximum absolute difference of a logit, over all pixels of all images.
        mean_logit_difference: Mean absolute difference of the logits.
        sqnr_db: Variance of torch's logits divided by the mean squared difference, in dB, at most 200.
        mask_dice_mean: Mean Dice between torch's and the artifact's masks at the frames' size, over all images.
        mask_dice_worst: Minimum of these Dice values.
        clear_mask_dice_mean: Mean Dice over clear images; None if there are none.
        hc_shift_mean_mm: Mean absolute change of the head circumference in mm, over clear images; None if there are
            none. If only one of the two finds a head, its whole circumference counts.
        hc_shift_max_mm: Maximum absolute change of the head circumference in mm, likewise.
    """

    n_images: int
    n_clear: int
    max_logit_difference: float
    mean_logit_difference: float
    sqnr_db: float
    mask_dice_mean: float
    mask_dice_worst: float
    clear_mask_dice_mean: float | None
    hc_shift_mean_mm: float | None
    hc_shift_max_mm: float | None
