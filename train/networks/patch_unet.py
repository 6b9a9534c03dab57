"""The fast networks: one convolution makes the first patches, MobileNetV2 goes on, and logits come at a quarter.

The first two stages of a MobileNetV2 are most of its time, because they run at half of the input's resolution. Here one
6x6 convolution of stride 4 replaces them, and the blocks after them keep their ImageNet weights. The decoder stops at a
quarter of the input: the outline is found between the logits.
"""

from __future__ import annotations

from itertools import pairwise

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

FIRST = 3
"""Index of the first MobileNetV2 block that is kept: the first of those at a quarter of the input with 24 channels."""

_STAGE_ENDS = {3: 24, 6: 32, 13: 96, 17: 320}
"""Last block of the stages at a quarter, 8th, 16th and 32nd of the input, and the channels there."""


class PatchEncoder(nn.Module):
    """The stem and MobileNetV2's blocks from a quarter of the input on.

    Attributes:
        stem: One convolution: 6x6 pixels, every 4 pixels.
        features: MobileNetV2's blocks under the indices of its full network, so that its weights fit by name.
    """

    def __init__(self, in_channels: int, stages: int) -> None:
        super().__init__()
        ends = list(_STAGE_ENDS.items())[:stages]
        blocks = smp.encoders.get_encoder("mobilenet_v2", weights=None).features
        self.stem = _convolution(in_channels, ends[0][1], kernel=6, stride=4, padding=1)
        self.features = nn.ModuleDict({str(i): blocks[i] for i in range(FIRST, ends[-1][0] + 1)})
        self.channels = tuple(channels for _, channels in ends)
        self._ends = {str(end) for end, _ in ends}

    def forward(self, x: Tensor) -> list[Tensor]:
        """The last features of each stage, finest first."""
        found = []
        x = self.stem(x)
        for name, block in self.features.items():
            x = block(x)
            if name in self._ends:
                found.append(x)
        return found


class PatchUNet(nn.Module):
    """A U-Net on a :class:`PatchEncoder`. Each decoder block enlarges its map, joins the skip and has one convolution.

    Args:
        in_channels: Channels of the images.
        decoder_channels: Channels of the decoder blocks, deepest first. Two blocks start at a 16th of the input, three
            at a 32nd.
    """

    def __init__(self, in_channels: int, decoder_channels: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = PatchEncoder(in_channels, len(decoder_channels) + 1)
        deepest, *skips = reversed(self.encoder.channels)
        inputs = (deepest, *decoder_channels)
        self.decoder = nn.ModuleList(
            _convolution(before + skip, after, kernel=3, stride=1, padding=1)
            for (before, after), skip in zip(pairwise(inputs), skips, strict=True)
        )
        self.head = nn.Conv2d(decoder_channels[-1], 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, H / 4, W / 4) of images (N, C, H, W)."""
        *skips, x = self.encoder(x)
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = nn.functional.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skip], dim=1))
        return self.head(x)  # type: ignore[no-any-return]


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
