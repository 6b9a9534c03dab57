"""A faster decoder block for training on a CPU: same function and gradients, a third fewer multiplications."""

from __future__ import annotations

import torch
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoderBlock
from torch import Tensor

_EXPAND = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
"""Taps of a 4-kernel of stride 2 (rows) from those of a flipped 3-kernel: each tap covers two pixels."""


class FastDecoderBlock(UnetDecoderBlock):  # type: ignore[misc]  # segmentation-models-pytorch has no types
    """A decoder block that avoids the upsampled and the concatenated map when it is trained on a CPU.

    A 3x3 convolution of the 2x nearest-upsampled map concatenated with the skip equals a 4x4 transposed convolution of
    the map, with stride 2, plus a 3x3 convolution of the skip. In evaluation, in export, on other devices and for sizes
    that do not double, it is the block of segmentation-models-pytorch.
    """

    def forward(
        self, feature_map: Tensor, target_height: int, target_width: int, skip_connection: Tensor | None = None
    ) -> Tensor:
        """Features (N, C', target_height, target_width) from the map (N, C, h, w) and a skip of the target's size."""
        doubles = (target_height, target_width) == (2 * feature_map.shape[2], 2 * feature_map.shape[3])
        if not (self.training and doubles and feature_map.device.type == "cpu"):
            return super().forward(feature_map, target_height, target_width, skip_connection)  # type: ignore[no-any-return]
        convolution, *rest = self.conv1
        channels = feature_map.shape[1]
        x = upsampled_convolution(feature_map, convolution.weight[:, :channels])
        if skip_connection is not None:
            x = x + torch.nn.functional.conv2d(skip_connection, convolution.weight[:, channels:], padding=1)
        for layer in (*rest, self.conv2):
            x = layer(x)
        return x


def upsampled_convolution(x: Tensor, weight: Tensor) -> Tensor:
    """3x3 convolution, padded by 1, of ``x`` enlarged twofold by nearest neighbour.

    Args:
        x: (N, C, h, w).
        weight: (O, C, 3, 3). Its taps are summed in its own dtype, and autocast rounds only the sums.

    Returns:
        (N, O, 2h, 2w).
    """
    outputs, inputs = weight.shape[:2]
    with torch.autocast(x.device.type, enabled=False):
        expanded = torch.einsum("ua,vb->abuv", _EXPAND, _EXPAND).reshape(9, 16).to(weight)
        flipped = weight.flip(2, 3).transpose(0, 1).reshape(inputs * outputs, 9)
        kernel = (flipped @ expanded).view(inputs, outputs, 4, 4)
    return torch.nn.functional.conv_transpose2d(x, kernel, stride=2, padding=1)
