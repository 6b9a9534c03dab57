"""Continue to train a network in simulated int8, so that quantizing it changes its answers less.

This is quantization-aware training (Jacob et al., 2018, arXiv 1712.05877) as distillation: the target is the network's
own answer in float32, not the annotation. So the training compensates for rounding and teaches nothing else.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edge_runtime.common.cli import say
from train.divergence import DivergenceError
from train.networks.model import HeadNet
from train.progress import Progress

BATCH = 8
LEARNING_RATE = 2e-5
MOMENTUM = 0.05
"""Weight of each new batch in the moving average of the simulated ranges."""

_ACTIVATIONS = (nn.ReLU, nn.ReLU6)


def fine_tune(model: HeadNet, images: NDArray[np.uint8], epochs: int, seed: int = 0) -> HeadNet:
    """Continue to train a network in simulated int8.

    Args:
        model: Network in evaluation mode, on the CPU. It is not changed.
        images: uint8 (N, h, w), from the training part.
        epochs: Number of passes over the images. Half of the batches are mirrored.
        seed: Seed for the order and the mirroring.

    Returns:
        The trained network, still in float32.

    Raises:
        DivergenceError: The loss is not finite.
    """
    torch.manual_seed(seed)
    student = copy.deepcopy(model).eval().requires_grad_(True)
    hooks = _simulate(student)
    optimizer = torch.optim.AdamW(student.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    say(f"  fine-tuning in simulated int8: {epochs} epochs of {len(images)} images")
    progress = Progress(epochs, len(images))
    for epoch in range(epochs):
        losses = []
        for batch in torch.split(torch.randperm(len(images)), BATCH):
            x = torch.from_numpy(images[batch.numpy()]).unsqueeze(1).float() / 255
            if torch.rand(()) < 0.5:
                x = x.flip(-1)
            with torch.no_grad():
                wanted = torch.sigmoid(model(x))
            loss = nn.functional.binary_cross_entropy_with_logits(student(x), wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise DivergenceError(
                    f"Fine-tuning in simulated int8 diverged: the loss is {losses[-1]} in step {len(losses)} of epoch "
                    f"{epoch + 1}. It is left out."
                )
            progress.step(len(batch), float(np.mean(losses)))
        progress.epoch(float(np.mean(losses)))
    for hook in hooks:
        hook.remove()
    for module in student.modules():
        if parametrize.is_parametrized(module):
            simulated: Any = module.parametrizations
            simulated["weight"][0].enabled = False
            parametrize.remove_parametrizations(module, "weight")
    return student.requires_grad_(False)


def _simulate(model: nn.Module) -> list[torch.utils.hooks.RemovableHandle]:
    """Round weights and the outputs of layers, as int8 does. Returns the hooks that round outputs."""
    hooks = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            axis = 1 if isinstance(module, nn.ConvTranspose2d) else 0
            parametrize.register_parametrization(module, "weight", _RoundWeights(axis))
            if module.bias is not None:  # no batch norm follows: the head, or an upsampling
                hooks.append(module.register_forward_hook(_RoundOutputs()))
        elif isinstance(module, _ACTIVATIONS):
            hooks.append(module.register_forward_hook(_RoundOutputs()))
        elif isinstance(module, nn.Sequential):
            layers = list(module.children())
            if layers and isinstance(layers[-1], nn.BatchNorm2d):
                hooks.append(layers[-1].register_forward_hook(_RoundOutputs()))
    return hooks


class _RoundWeights(nn.Module):
    """Symmetric int8 with one scale per output channel. Gradients pass as if nothing were rounded.

    The weights are rounded before batch norm is folded in. That is equivalent: batch norm scales whole output channels,
    and with them their int8 scales.
    """

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.others = [i for i in range(4) if i != axis]
        self.enabled = True

    def forward(self, weight: Tensor) -> Tensor:
        if not self.enabled:
            return weight
        scale = weight.detach().abs().amax(self.others, keepdim=True).clamp_min(1e-12) / 127
        return weight + ((weight / scale).round() * scale - weight).detach()


class _RoundOutputs:
    """Asymmetric int8 with one scale. Values outside the range seen so far are clipped and get no gradient."""

    def __init__(self) -> None:
        self.low = self.high = 0.0

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        low, high = float(output.detach().amin().clamp_max(0)), float(output.detach().amax().clamp_min(0))
        rate = MOMENTUM if self.high > self.low else 1.0
        self.low += rate * (low - self.low)
        self.high += rate * (high - self.high)
        scale = max(self.high - self.low, 1e-6) / 255
        zero = min(127, max(-128, round(-128 - self.low / scale)))
        return torch.fake_quantize_per_tensor_affine(output, scale, zero, -128, 127)
