"""The paper's baseline: a plain U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PlainUNet(nn.Module):
    """U-Net of Ronneberger et al. (2015) with padding and batch norm: 31,037,633 parameters with three channels in."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        widths = (64, 128, 256, 512, 1024)
        self.down = nn.ModuleList(_double(a, b) for a, b in zip((in_channels, *widths[:-1]), widths, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[-2::-1])
        self.merge = nn.ModuleList(_double(2 * w, w) for w in widths[-2::-1])
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, H, W) of images (N, C, H, W)."""
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, skips[-2::-1], strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))
        return self.head(x)  # type: ignore[no-any-return]


def _double(a: int, b: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, o in ((a, b), (b, b)):
        layers += [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
