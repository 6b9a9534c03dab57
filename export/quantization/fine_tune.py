"""Train a network on with int8 arithmetic simulated, so that it answers as it did before once it is quantized.

Quantization-aware training (Jacob et al., 2018, arXiv 1712.05877) as distillation: what is learned is the network's own
answer in float32, not the reference, so that nothing else about it changes.
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
from train.model import HeadNet
from train.progress import Progress

BATCH = 8
LEARNING_RATE = 2e-5
MOMENTUM = 0.05
"""How fast the simulated ranges follow what is seen."""

_ACTIVATIONS = (nn.ReLU, nn.ReLU6)


def fine_tune(model: HeadNet, images: NDArray[np.uint8], epochs: int, seed: int = 0) -> HeadNet:
    """Train a network on in simulated int8.

    Args:
        model: In evaluation mode, on the CPU; it is not changed.
        images: uint8 (N, h, w), of the training part.
        epochs: Times each is seen, half of them mirrored.
        seed: Of their order and of the mirroring.

    Returns:
        The network, still in float32.

    Raises:
        DivergenceError: The loss is not finite.
    """
    torch.manual_seed(seed)
    student = copy.deepcopy(model).eval().requires_grad_(True)
    hooks = _simulate(student)
    optimizer = torch.optim.AdamW(student.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    say(f"  training on in simulated int8: {epochs} epochs of {len(images)} images")
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
                    f"Training on in simulated int8 diverged: the loss is {losses[-1]} in step {len(losses)} of epoch "
                    f"{epoch + 1}. Nothing was written. Export without --fine-tune-epochs, or train anew."
                )
            progress.step(len(batch), losses[-1])
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
    """Round weights, and what layers give, as int8 will."""
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
    """Symmetric int8 with a scale an output channel; gradients pass as if nothing were rounded.

    A batch norm behind it scales channels too, so that folding it in leaves the rounded weights where they are.
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
    """Asymmetric int8 with one scale; values out of the range seen so far are clipped and get no gradient."""

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
