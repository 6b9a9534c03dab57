"""What a patch U-Net is made of: a record, free of torch. The network itself is in :mod:`train.networks.patch_unet`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Encoder = Literal["mobilenet_v2", "efficientnet_lite0", "residual"]


@dataclass(frozen=True)
class Block:
    """An inverted residual: 1x1 expansion, depthwise convolution, 1x1 projection.

    Attributes:
        inputs: Channels of its input.
        outputs: Channels of its output.
        stride: 1 or 2.
        expansion: Channels inside, relative to ``inputs``.
        kernel: Side of the depthwise kernel in pixels.
    """

    inputs: int
    outputs: int
    stride: int
    expansion: int = 6
    kernel: int = 3


def _blocks(first: int, inputs: int, *stages: tuple[int, int, int, int]) -> dict[int, Block]:
    """Blocks by index from stages of (blocks, channels, stride, kernel)."""
    found: dict[int, Block] = {}
    for count, outputs, stride, kernel in stages:
        for i in range(count):
            found[first + len(found)] = Block(inputs, outputs, 1 if i else stride, kernel=kernel)
            inputs = outputs
    return found


PRETRAINED: dict[str, dict[int, Block]] = {
    "mobilenet_v2": _blocks(
        2, 16, (2, 24, 2, 3), (3, 32, 2, 3), (4, 64, 2, 3), (3, 96, 1, 3), (3, 160, 2, 3), (1, 320, 1, 3)
    ),
    "efficientnet_lite0": _blocks(
        1, 16, (2, 24, 2, 3), (2, 40, 2, 5), (3, 80, 2, 3), (3, 112, 1, 5), (4, 192, 2, 5), (1, 320, 1, 3)
    ),
}
"""Blocks that have ImageNet weights, by their index in the full network: MobileNetV2 (Sandler 2018, table 2) and
EfficientNet-Lite0 (EfficientNet-B0 of Tan and Le 2019, table 1, without squeeze-and-excitation, with ReLU6). The first
stage, of half the input's resolution, is left out."""


@dataclass(frozen=True)
class PatchShape:
    """A stem, an encoder and the decoder's kind. How many decoder blocks there are, and how wide, a strategy says.

    Attributes:
        stem: First convolutions: (kernel, stride, channels) of each.
        encoder: ``mobilenet_v2`` or ``efficientnet_lite0``: their blocks, with ImageNet weights; or ``residual``: pairs
            of 3x3 convolutions, which start at random.
        blocks: Of a pretrained encoder, the indices of the blocks that are kept. They must fit each other: blocks that
            keep resolution and channels may be left out.
        stages: Of a residual encoder, (channels, pairs of convolutions) of each resolution, the stem's first.
        activation: ``relu6`` or ``relu``, in the blocks.
        separable: Decoder blocks are a depthwise and a 1x1 convolution in place of one 3x3 convolution.
        head_kernel: Side of the last convolution's kernel.
        shuffle: The last convolution gives the logits of so many places along each side at once (Shi et al. 2016,
            "Real-time single image and video super-resolution using an efficient sub-pixel convolutional network").
    """

    stem: tuple[tuple[int, int, int], ...] = ((6, 4, 24),)
    encoder: Encoder = "mobilenet_v2"
    blocks: tuple[int, ...] = tuple(range(3, 18))
    stages: tuple[tuple[int, int], ...] = ()
    activation: Literal["relu6", "relu"] = "relu6"
    separable: bool = False
    head_kernel: int = 3
    shuffle: int = 1

    def __post_init__(self) -> None:
        if not self.stem:
            raise ValueError("the stem has no convolution")
        channels = self.stem[-1][2]
        if self.encoder == "residual":
            if not self.stages or self.stages[0][0] != channels:
                raise ValueError(f"stages are {self.stages}; the first must have the stem's {channels} channels")
            return
        known = PRETRAINED[self.encoder]
        for index in self.blocks:
            if index not in known:
                raise ValueError(f"{self.encoder} has no block {index}; it has {min(known)} to {max(known)}")
            if known[index].inputs != channels:
                raise ValueError(f"block {index} takes {known[index].inputs} channels, not {channels}")
            channels = known[index].outputs

    @property
    def stem_stride(self) -> int:
        """Pixels of the input to one of the stem's output, along each side."""
        return math.prod(stride for _, stride, _ in self.stem)

    @property
    def levels(self) -> tuple[int, ...]:
        """Channels at the end of each resolution, finest first. Each is half of the one before it."""
        if self.encoder == "residual":
            return tuple(channels for channels, _ in self.stages)
        found = [self.stem[-1][2]]
        for index in self.blocks:
            block = PRETRAINED[self.encoder][index]
            if block.stride == 2:
                found.append(block.outputs)
            found[-1] = block.outputs
        return tuple(found)

    def logits_stride(self, decoder_blocks: int) -> int:
        """Pixels of the input to a logit, along each side, with so many decoder blocks.

        Raises:
            ValueError: There are more decoder blocks than resolutions to go back to.
        """
        skips = len(self.levels) - 1
        if not 0 < decoder_blocks <= skips:
            raise ValueError(f"there are {decoder_blocks} decoder blocks; this encoder allows 1 to {skips}")
        return int(self.stem_stride * 2 ** (skips - decoder_blocks)) // self.shuffle


def lean(*stages: tuple[int, int]) -> PatchShape:
    """A residual encoder without what takes time: overlapping 12x12 patches first, and logits of 2x2 places at once.

    Args:
        stages: (channels, pairs of 3x3 convolutions) at a quarter of the input, an eighth and so on.
    """
    return PatchShape(((12, 4, stages[0][0]),), "residual", blocks=(), stages=stages, shuffle=2)
