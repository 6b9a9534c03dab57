"""Networks: built from a strategy, frozen as it says, folded to the one-channel input contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_runtime.common.optional import require
from edge_runtime.errors import UsageError
from edge_runtime.frame.preprocess import to_unit
from train.data.score import Predict
from train.networks.patch_unet import PatchUNet
from train.networks.plain_unet import PlainUNet
from train.strategies import Strategy

IMAGE_SIZE_STEP = 16
"""Each side of an input is a multiple of this many pixels, because the plain U-Net halves it four times. The U-Net of
segmentation-models-pytorch halves five times, but its decoder resizes to the size of each skip: 240 / 32 = 7.5 will
do."""


class HeadNet(nn.Module):
    """A network behind the project's contract: one grey channel in [0, 1] in, logits on a regular grid out.

    Attributes:
        strategy: The strategy it was built from.
        net: The network itself, with ``strategy.in_channels`` inputs. With three, each gets the grey channel.
    """

    def __init__(self, strategy: Strategy) -> None:
        super().__init__()
        self.strategy = strategy
        self.net: nn.Module
        if strategy.architecture == "plain-unet":
            self.net = PlainUNet(strategy.in_channels)
        elif strategy.architecture == "patch-unet":
            self.net = PatchUNet(strategy.in_channels, strategy.decoder_channels, strategy.shape)
        else:
            self.net = _mobilenet_unet(strategy)

    def forward(self, x: Tensor) -> Tensor:
        """Logits float32 (N, 1, H / s, W / s) of grey images (N, 1, H, W) in [0, 1]; s is the logits_stride."""
        if self.strategy.in_channels != 1:
            x = x.expand(-1, self.strategy.in_channels, -1, -1)
        return self.net(x)  # type: ignore[no-any-return]

    def parts(self) -> dict[str, nn.Module]:
        """The modules that a strategy can name as trainable."""
        if isinstance(self.net, PlainUNet):
            return {"all": self.net}
        net: Any = self.net
        patch = isinstance(net, PatchUNet)
        decoder, head = (net.decoder, net.head) if patch else (net.decoder.blocks, net.segmentation_head)
        blocks = list(decoder.children())
        if len(blocks) != len(self.strategy.decoder_channels):
            expected = len(self.strategy.decoder_channels)
            raise RuntimeError(f"there are {len(blocks)} decoder blocks where {expected} are expected")
        named: dict[str, nn.Module] = {f"decoder.{i}": block for i, block in enumerate(blocks)}
        return named | {"encoder": net.encoder, "decoder": net.decoder, "head": head, "all": net}


def _mobilenet_unet(strategy: Strategy) -> nn.Module:
    # imported for these networks alone: with what it brings, it takes as long as torch itself
    smp = require("segmentation_models_pytorch")
    from train.networks.fast_decoder import FastDecoderBlock

    unet = smp.Unet(
        "mobilenet_v2",
        encoder_weights=None,
        decoder_channels=strategy.decoder_channels,
        decoder_interpolation=strategy.upsampling,
        in_channels=strategy.in_channels,
    )
    if strategy.upsampling == "nearest":
        for block in unet.decoder.blocks:
            block.__class__ = FastDecoderBlock  # same weights, same function; only the speed differs
    return unet  # type: ignore[no-any-return]


def load_encoder(model: HeadNet, tensors: dict[str, Tensor]) -> None:
    """Load encoder weights trained for RGB; a one-channel encoder gets the sum over the three colours.

    The sum makes a grey image give exactly what the RGB network gives for three equal channels. Of a patch U-Net, the
    stem keeps its random weights.

    Args:
        model: A network whose strategy names a pretrained encoder.
        tensors: State of that encoder with three input channels.

    Raises:
        UsageError: The tensors are not those of this encoder.
    """
    state = dict(tensors)
    first = "features.0.0.weight"
    if model.strategy.in_channels == 1 and first in state:
        state[first] = state[first].sum(dim=1, keepdim=True)
    if isinstance(model.net, PatchUNet):  # its stem is its own, and it ends earlier
        own = model.net.encoder.state_dict()
        state = {k: state.get(k, v) for k, v in own.items() if k in state or k.startswith("stem.")}
    try:
        model.net.encoder.load_state_dict(state)  # type: ignore[union-attr]
    except RuntimeError as error:
        detail = str(error).splitlines()[1].strip()
        raise UsageError(
            f"These are not weights of a {model.strategy.encoder} encoder: {detail} "
            "Make a fitting file with: python -m train.weights --help"
        ) from error


def freeze(model: HeadNet) -> None:
    """Let only the parts its strategy names learn (sets ``requires_grad``)."""
    model.requires_grad_(False)
    parts = model.parts()
    for name in model.strategy.trainable:
        parts[name].requires_grad_(True)


def set_train_mode(model: HeadNet) -> None:
    """Switch to training; batch norm of frozen parts follows the strategy's ``frozen_batch_norm``."""
    model.train()
    if model.strategy.frozen_batch_norm == "fixed":
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
                module.eval()


def count_trainable(model: nn.Module) -> int:
    """Number of parameters that learn."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def single_channel(model: HeadNet) -> HeadNet:
    """The same function with a one-channel first convolution: its weights summed over the three equal channels.

    Exact up to the order of float32 additions. ``model`` is not changed.
    """
    if model.strategy.in_channels == 1:
        return model
    state = dict(model.net.state_dict())
    first = next(iter(state))  # both networks register their input convolution first; loading checks the shapes
    state[first] = state[first].sum(dim=1, keepdim=True)
    folded = HeadNet(replace(model.strategy, in_channels=1))
    folded.net.load_state_dict(state)
    return folded.train(model.training)


def check_image_size(size: tuple[int, int]) -> tuple[int, int]:
    """Check a network input size.

    Raises:
        UsageError: A side is not a multiple of 16 between 64 and 1024.
    """
    if any(side % IMAGE_SIZE_STEP or not 64 <= side <= 1024 for side in size):
        raise UsageError(
            f"The image size is {size[0]} {size[1]} (height, width); each side must be a multiple of {IMAGE_SIZE_STEP} "
            "between 64 and 1024. 160 240 and 192 288 have about the aspect of HC18's frames (540 x 800)."
        )
    return size


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """Read tensors from a safetensors file.

    Raises:
        UsageError: The file is missing or is not a safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path} cannot be read as safetensors weights: {error}") from error


def make_predictor(model: HeadNet, device: torch.device) -> Predict:
    """A function from a prepared frame uint8 (h, w) to logits float32 (h, w)."""

    def predict(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        x = torch.from_numpy(to_unit(frame))[None, None].to(device)
        with torch.inference_mode():
            return np.asarray(model(x)[0, 0].float().cpu().numpy())

    return predict
