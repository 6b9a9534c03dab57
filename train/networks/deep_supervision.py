"""Judge the levels of a patch U-Net's encoder, not its logits alone (Lee et al. 2015)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from train.networks.losses import at_size, segmentation_loss
from train.networks.model import HeadNet
from train.networks.patch_unet import PatchUNet

WEIGHT = 0.4
"""Of the mean of their losses, relative to that of the logits."""


class DeepSupervision(nn.Module):
    """A 1x1 convolution to a logit on each level but the finest; none of them is part of the network.

    Args:
        model: A patch U-Net.
    """

    def __init__(self, model: HeadNet) -> None:
        super().__init__()
        net = cast(PatchUNet, model.net)
        self.heads = nn.ModuleList(nn.Conv2d(c, 1, 1) for c in model.strategy.shape.levels[1:])
        self.seen: list[Tensor] = []
        net.encoder.register_forward_hook(self._see)

    def _see(self, module: nn.Module, given: tuple[Tensor, ...], found: list[Tensor]) -> None:
        self.seen = found[1:]

    def loss(self, name: str, masks: Tensor) -> Tensor:
        """Of the levels of the last forward pass against masks (N, 2, H, W)."""
        size = masks.shape[2], masks.shape[3]
        losses = [
            segmentation_loss(name, at_size(head(x.float()), size), masks)
            for head, x in zip(self.heads, self.seen, strict=True)
        ]
        return WEIGHT * torch.stack(losses).mean()
