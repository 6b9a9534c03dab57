"""Augmentation: image and mask move together, from a seed, and a head that leaves the image is not learned from."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from train.augment import AUGMENTS, WHOLE
from train.config import TrainConfig
from train.data.hc18 import read_dataset
from train.frames.pool import make_pool
from train.networks.losses import unpack

MOVING = ("paper", "reflected", "ours", "turned")


@pytest.fixture(scope="module")
def masks(phantom: Path) -> torch.Tensor:
    """Of six phantoms, float32 (6, 2, 128, 192)."""
    samples = read_dataset(phantom).select([f"{i:03d}_HC.png" for i in range(6)])
    return unpack(make_pool(samples, [], TrainConfig((128, 192), looks=0, negatives=0)).masks)


@pytest.mark.parametrize("name", MOVING)
def test_image_and_mask_move_together_and_are_seeded(name: str, masks: torch.Tensor) -> None:
    first, second = (
        AUGMENTS[name](masks[:, :1], masks, torch.Generator().manual_seed(1))  # type: ignore[index]
        for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    image, target = first
    assert image.shape == (6, 1, 128, 192) and target.shape == masks.shape
    # noise and gain alter grey levels, not places
    assert ((image > 0.5) == (target[:, :1] > 0.5)).float().mean() > 0.93
    assert not torch.equal(target, masks) and target.min() >= 0 and target.max() <= 1


def test_rotation_keeps_areas_in_pixels_on_wide_images() -> None:
    mask = torch.zeros(16, 2, 96, 192)
    mask[:, 0, 30:66, 60:132] = 1
    _, turned = AUGMENTS["paper"](mask[:, :1], mask, torch.Generator().manual_seed(0))
    assert torch.allclose(turned[:, 0].sum(dim=(1, 2)), mask[:, 0].sum(dim=(1, 2)), rtol=0.03)


def test_reflected_corners_are_opencvs(masks: torch.Tensor) -> None:
    """Beside an image lie the pixels before its last row and column, in reverse order: no black, no pixel twice."""
    ramp = torch.arange(9.0)[:, None] * 10 + torch.arange(9.0)
    image = ramp[None, None].repeat(4, 1, 1, 1)
    turned, target = AUGMENTS["reflected"](image, image.repeat(1, 2, 1, 1), torch.Generator().manual_seed(5))
    padded = torch.nn.functional.pad(image[:1], (6, 6, 6, 6), mode="reflect")[0, 0]
    generator = torch.Generator().manual_seed(5)
    angles = (torch.rand(4, generator=generator) * 2 - 1) * math.radians(25)
    flips = [1 - 2 * (torch.rand(4, generator=generator) < share).float() for share in (0.5, 0.1)]
    y, x = torch.meshgrid(torch.arange(9.0) - 4, torch.arange(9.0) - 4, indexing="ij")
    for i, angle in enumerate(angles):
        across = (x * torch.cos(angle) - y * torch.sin(angle)) * flips[0][i] + 10
        down = (x * torch.sin(angle) + y * torch.cos(angle)) * flips[1][i] + 10
        near = padded[down.round().long(), across.round().long()]
        left, top = across.floor().long(), down.floor().long()
        fx, fy = across - left, down - top
        rows = [padded[top + k, left] * (1 - fx) + padded[top + k, left + 1] * fx for k in (0, 1)]
        assert torch.allclose(turned[i, 0], rows[0] * (1 - fy) + rows[1] * fy, atol=1e-3)
        assert torch.allclose(target[i, 0], near) and torch.equal(target[i, 0], target[i, 1])
    image, target = AUGMENTS["reflected"](torch.ones(6, 1, 128, 192), masks, torch.Generator().manual_seed(1))
    assert torch.allclose(image, torch.ones(()), atol=1e-5), "no black corner"


def test_heads_are_turned_by_any_angle() -> None:
    bar = torch.zeros(64, 2, 120, 120)
    bar[:, 0, 50:70, 30:90] = 1  # three times as wide as high
    _, moved = AUGMENTS["turned"](bar[:, :1], bar, torch.Generator().manual_seed(0))
    extent = [(mask > 0.5).nonzero().float().std(dim=0) for mask in moved[:, 0]]
    upright = sum(bool(down > across) for down, across in extent)
    assert 0.15 * 64 < upright < 0.5 * 64, "half of them by any angle, a half of these upright"


def test_a_head_that_mostly_leaves_the_image_is_unsure_everywhere() -> None:
    whole, corner = torch.zeros(2, 1, 96, 144), torch.zeros(2, 1, 96, 144)
    whole[:, :, 36:60, 54:90] = 1
    corner[:, :, :24, :36] = 1  # any shift cuts it
    masks = torch.cat([torch.cat([whole, corner]), torch.zeros(4, 1, 96, 144)], dim=1)
    cut = 0
    for seed in range(20):
        image, moved = AUGMENTS["turned"](masks[:, :1], masks, torch.Generator().manual_seed(seed))
        assert not moved[:2, 1].any(), "this head never leaves the image"
        for head, unsure in zip(moved[2:, 0], moved[2:, 1], strict=True):
            assert unsure.min() == unsure.max(), "a whole image, or none of it"
            # scales are at least 0.6: a head that kept its share has at least this area
            assert unsure.all() or head.sum() >= 0.9 * WHOLE * 0.6**2 * 24 * 36
            cut += bool(unsure.all())
        assert image.shape == (4, 1, 96, 144)
    assert cut > 10


def test_an_empty_mask_stays_certain_and_an_unsure_band_moves_along() -> None:
    masks = torch.zeros(8, 2, 96, 144)
    masks[4:, 0, 36:60, 54:90] = 1
    masks[4:, 1, 36:60, 86:94] = 1
    _, moved = AUGMENTS["turned"](masks[:, :1], masks, torch.Generator().manual_seed(3))
    assert not moved[:4].any(), "no head, and certainly none"
    for mask in moved[4:]:
        band, head = (mask[1] > 0.5).nonzero().float().mean(dim=0), (mask[0] > 0.5).nonzero().float().mean(dim=0)
        assert 8 < float((band - head).norm()) < 25  # 18 pixels beside the middle, at scales of 0.6 to 1.2
