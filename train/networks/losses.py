"""What a network is to make small: losses of logits against masks, in torch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.frames.pool import UNSURE

OUTLINE_WEIGHT, OUTLINE_WINDOW = 5.0, 31
"""How much more a pixel of the outline counts than one far from it, and the side in pixels of the square in which it is
looked for (Wei et al. 2020, F3Net)."""


def segmentation_loss(name: str, logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy of logits; with ``dice``, its sum with the soft Dice loss per image with a head.

    Args:
        name: ``bce``, ``bce_dice`` or ``bce_dice_outline``, whose cross-entropy counts pixels near the outline more.
        logits: (N, 1, H, W).
        masks: (N, 2, H, W) in [0, 1]: the head, and where nothing is to be learned.
    """
    target, sure = masks[:, :1], 1 - masks[:, 1:]
    weights = sure * near_outline(target * sure) if name == "bce_dice_outline" else sure
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, weights, reduction="sum")
    loss = loss / weights.sum().clamp(min=1)
    if name == "bce":
        return loss
    p, target = torch.sigmoid(logits) * sure, target * sure
    both, area = (p * target).sum(dim=(1, 2, 3)), target.sum(dim=(1, 2, 3))
    dice = 1 - (2 * both + 1) / (p.sum(dim=(1, 2, 3)) + area + 1)
    return loss + (dice * (area > 0)).mean()


def near_outline(target: Tensor) -> Tensor:
    """Weights (N, 1, H, W), from 1 far from the outline to about 1 + 5 / 2 on it (Wei et al. 2020, F3Net)."""
    mean = _means(target.shape[2]).to(target) @ target @ _means(target.shape[3]).to(target).T
    return 1 + OUTLINE_WEIGHT * (mean - target).abs()


@lru_cache(maxsize=8)  # a run needs one or two in every step
def _means(size: int) -> Tensor:
    """(size, size): row i times a column is the mean of the window around place i, cut at the edges.

    On a CPU a product of matrices takes a sixth of the time of pooling.
    """
    places = torch.arange(size)
    near = ((places[:, None] - places).abs() <= OUTLINE_WINDOW // 2).float()
    return near / near.sum(1, keepdim=True)


def at_size(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits (N, 1, h, w) at the size of the masks, (N, 1, H, W), float32.

    They are interpolated linearly, as the runtime does to find the outline between them. Only beside the content do the
    two differ: the runtime does not look beyond it.
    """
    logits = logits.float()
    if logits.shape[2:] == size:
        return logits
    return torch.nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def unpack(masks: NDArray[np.uint8], device: torch.device | str = "cpu") -> Tensor:
    """A pool's masks, uint8 (N, h, w), as float32 (N, 2, h, w): head, and where nothing is to be learned."""
    values = torch.from_numpy(masks).to(device)[:, None]
    unsure = values == UNSURE
    return torch.cat([(values.float() / (UNSURE - 1)).masked_fill(unsure, 0), unsure.float()], dim=1)
