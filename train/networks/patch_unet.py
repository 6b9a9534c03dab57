"""The fast networks: one convolution makes the first patches, a pretrained encoder goes on, and logits stay coarse.

The first two stages of a MobileNetV2 are most of its time, because they run at half of the input's resolution. Here one
6x6 convolution of stride 4 replaces them, and the blocks after them keep their ImageNet weights. The decoder stops at a
quarter of the input: the outline is found between the logits. :class:`PatchShape` describes this and its variations.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from train.networks.patch_shape import PRETRAINED, Block, PatchShape

EPSILON = {"mobilenet_v2": 1e-5, "efficientnet_lite0": 1e-3, "residual": 1e-5}
"""What batch norm adds to the variance, as the ImageNet weights were trained."""


class InvertedResidual(nn.Module):
    """A :class:`Block`. Its tensors have the names that torchvision gives them in MobileNetV2."""

    def __init__(self, block: Block, activation: type[nn.Module], epsilon: float) -> None:
        super().__init__()
        inside = block.inputs * block.expansion
        self.conv = nn.Sequential(
            _convolution(block.inputs, inside, 1, activation=activation, epsilon=epsilon),
            _convolution(inside, inside, block.kernel, block.stride, inside, activation, epsilon),
            nn.Conv2d(inside, block.outputs, 1, bias=False),
            nn.BatchNorm2d(block.outputs, epsilon),
        )
        self.adds = block.stride == 1 and block.inputs == block.outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return x + self.conv(x) if self.adds else self.conv(x)  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Two 3x3 convolutions, the second linear; their sum with the input where resolution and channels stay."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride, activation=activation)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        found = self.second(self.first(x))
        return x + found if self.adds else found  # type: ignore[no-any-return]


class PatchEncoder(nn.Module):
    """The stem and the blocks after it.

    Attributes:
        stem: The first convolutions.
        features: Blocks under the indices of the full network, so that its weights fit by name.
    """

    def __init__(self, in_channels: int, shape: PatchShape) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for kernel, stride, channels in shape.stem:
            layers += _convolution(in_channels, channels, kernel, stride)
            in_channels = channels
        self.stem = nn.Sequential(*layers)
        activation = nn.ReLU6 if shape.activation == "relu6" else nn.ReLU
        self.features = nn.ModuleDict()
        self._halving: set[str] = set()
        if shape.encoder == "residual":
            for level, (channels, pairs) in enumerate(shape.stages):
                for i in range(pairs):
                    halves = level > 0 and i == 0
                    self._add(f"{level}-{i}", Residual(in_channels, channels, 1 + halves, activation), halves)
                    in_channels = channels
        else:
            for index in shape.blocks:
                block = PRETRAINED[shape.encoder][index]
                made = InvertedResidual(block, activation, EPSILON[shape.encoder])
                self._add(str(index), made, block.stride == 2)

    def _add(self, name: str, block: nn.Module, halves: bool) -> None:
        self.features[name] = block
        if halves:
            self._halving.add(name)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The last features of each resolution, finest first."""
        found = []
        x = self.stem(x)
        for name, block in self.features.items():
            if name in self._halving:
                found.append(x)
            x = block(x)
        return [*found, x]


class PatchUNet(nn.Module):
    """A U-Net on a :class:`PatchEncoder`. Each decoder block enlarges its map, joins the skip and has one convolution.

    Args:
        in_channels: Channels of the images.
        decoder_channels: Channels of the decoder blocks, deepest first. With fewer blocks than the encoder has
            halvings, the finest skips are not used and logits are coarser.
        shape: Everything else.
    """

    def __init__(self, in_channels: int, decoder_channels: tuple[int, ...], shape: PatchShape) -> None:
        super().__init__()
        self.encoder = PatchEncoder(in_channels, shape)
        deepest, *skips = reversed(shape.levels)
        inputs = (deepest, *decoder_channels)
        self.decoder = nn.ModuleList(
            _decoder_block(before + skip, after, shape.separable)
            for (before, after), skip in zip(pairwise(inputs), skips, strict=False)
        )
        kernel = shape.head_kernel
        self.head = nn.Conv2d(decoder_channels[-1], shape.shuffle**2, kernel, padding=kernel // 2)
        self.shuffle = shape.shuffle

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, H / s, W / s) of images (N, C, H, W), with the shape's ``logits_stride`` s."""
        *skips, x = self.encoder(x)
        for block, skip in zip(self.decoder, reversed(skips), strict=False):
            x = nn.functional.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skip], dim=1))
        x = self.head(x)
        return nn.functional.pixel_shuffle(x, self.shuffle) if self.shuffle > 1 else x


def _decoder_block(inputs: int, outputs: int, separable: bool) -> nn.Sequential:
    if not separable:
        return _convolution(inputs, outputs, 3)
    return nn.Sequential(*_convolution(inputs, inputs, 3, groups=inputs), *_convolution(inputs, outputs, 1))


def _convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] = nn.ReLU,
    epsilon: float = 1e-5,
) -> nn.Sequential:
    """Convolution, batch norm, activation. It is padded so that the output is the input's size by the stride."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, (kernel - stride + 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, epsilon),
        activation(inplace=True),
    )
