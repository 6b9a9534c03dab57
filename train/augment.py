"""Random changes of a batch of images and masks, in torch, from a seeded generator, on the device where they are."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from train.config import AugmentName

Augment = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]


def _uniform(n: int, low: float, high: float, generator: Generator) -> Tensor:
    return torch.rand(n, generator=generator, device=generator.device) * (high - low) + low


def _sign(n: int, share: float, generator: Generator) -> Tensor:
    """-1 with the given probability, else 1."""
    return 1 - 2 * (_uniform(n, 0, 1, generator) < share).float()


def _warp(
    images: Tensor, masks: Tensor, angle: Tensor, scale: Tensor, shift: Tensor, flip_x: Tensor, flip_y: Tensor
) -> tuple[Tensor, Tensor]:
    """Rotate (radians), scale, shift (in half sides) and flip images and masks (N, C, H, W) alike; zeros fill in."""
    both = torch.cat([images, masks], dim=1)
    theta = _matrix(angle, scale, shift, flip_x, flip_y, images.shape[2] / images.shape[3])
    grid = torch.nn.functional.affine_grid(theta, list(both.shape), align_corners=False)
    both = torch.nn.functional.grid_sample(both, grid, mode="bilinear", align_corners=False)
    return both[:, :1], both[:, 1:]


def _matrix(angle: Tensor, scale: Tensor, shift: Tensor, flip_x: Tensor, flip_y: Tensor, aspect: float) -> Tensor:
    """From places in the result to those in the image, (N, 2, 3); the aspect is the height over the width."""
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    return torch.stack(
        [
            torch.stack([cos * flip_x, -sin * aspect * flip_x, shift[:, 0]], dim=1),
            torch.stack([sin / aspect * flip_y, cos * flip_y, shift[:, 1]], dim=1),
        ],
        dim=1,
    )


def _none(images: Tensor, masks: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    return images, masks


def _paper(images: Tensor, masks: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Always rotate, by up to 25 degrees; flip horizontally with probability 0.5, vertically with 0.1."""
    images, masks = _warp(images, masks, *_papers_turns(len(images), generator))
    return images, (masks > 0.5).float()


def _papers_turns(n: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Angle, scale, shift and flips, as :func:`_warp` takes them."""
    angle = _uniform(n, -math.radians(25), math.radians(25), generator)
    unmoved = torch.ones_like(angle), angle.new_zeros(n, 2)
    return angle, *unmoved, _sign(n, 0.5, generator), _sign(n, 0.1, generator)


def _reflected(images: Tensor, masks: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """As ``paper``, but the corners hold the image's reflection, and masks are taken from the nearest pixel.

    The paper's program does so: its rotation is albumentations' of 2023, whose border is OpenCV's BORDER_REFLECT_101.
    """
    height, width = images.shape[2:]
    aspect = (height - 1) / (width - 1)  # places are relative to the centres of the outermost pixels
    theta = _matrix(*_papers_turns(len(images), generator), aspect)
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=True)
    images = torch.nn.functional.grid_sample(images, grid, "bilinear", "reflection", align_corners=True)
    return images, torch.nn.functional.grid_sample(masks, grid, "nearest", "reflection", align_corners=True)


def _ours(images: Tensor, masks: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Rotate, scale, shift and flip; change gain and gamma; add noise that grows with the signal, as speckle does."""
    n = len(images)
    angle = _uniform(n, -math.radians(30), math.radians(30), generator)
    scale = torch.exp(_uniform(n, math.log(0.8), math.log(1.2), generator))
    shift = _uniform(2 * n, -0.12, 0.12, generator).view(n, 2)
    flip_x, flip_y = _sign(n, 0.5, generator), _sign(n, 0.2, generator)
    images, masks = _warp(images, masks, angle, scale, shift, flip_x, flip_y)
    gamma = torch.exp(_uniform(n, math.log(0.65), math.log(1.5), generator)).view(n, 1, 1, 1)
    gain = _uniform(n, 0.75, 1.3, generator).view(n, 1, 1, 1)
    speckle = _uniform(n, 0.0, 0.12, generator).view(n, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    images = gain * images.clamp(0, 1) ** gamma * (1 + speckle * noise)
    return images.clamp(0, 1), masks


WHOLE = 0.85
"""Share of a head that must stay in the image. Less is not learned from: it is neither a whole head nor none."""


def _turned(images: Tensor, masks: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """As ``ours``, but half of the images are turned by any angle, and scales go further."""
    n = len(images)
    angle = _uniform(n, -math.pi, math.pi, generator)
    angle = torch.where(_uniform(n, 0, 1, generator) < 0.5, angle / 6, angle)
    scale = torch.exp(_uniform(n, math.log(0.6), math.log(1.2), generator))
    shift = _uniform(2 * n, -0.12, 0.12, generator).view(n, 2)
    flip_x, flip_y = _sign(n, 0.5, generator), _sign(n, 0.2, generator)
    area = masks[:, :1].sum(dim=(1, 2, 3))
    images, masks = _warp(images, masks, angle, scale, shift, flip_x, flip_y)
    whole = masks[:, :1].sum(dim=(1, 2, 3)) >= WHOLE * area * scale**2
    masks = torch.cat([masks[:, :1], masks[:, 1:].maximum(1 - whole.float().view(n, 1, 1, 1))], dim=1)
    gamma = torch.exp(_uniform(n, math.log(0.7), math.log(1.4), generator)).view(n, 1, 1, 1)
    gain = _uniform(n, 0.75, 1.3, generator).view(n, 1, 1, 1)
    speckle = _uniform(n, 0.0, 0.1, generator).view(n, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    images = gain * images.clamp(0, 1) ** gamma * (1 + speckle * noise)
    return images.clamp(0, 1), masks


AUGMENTS: dict[AugmentName, Augment] = {
    "none": _none,
    "paper": _paper,
    "reflected": _reflected,
    "ours": _ours,
    "turned": _turned,
}
"""Each takes images (N, 1, H, W) and masks (N, 2, H, W), float32 in [0, 1], and a generator, and returns new ones. The
first channel of a mask is the head, the second where nothing is to be learned."""
