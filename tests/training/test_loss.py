"""The loss: that of heads as before, nothing where nothing is to be learned, no Dice without a head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from train.frames.pool import UNSURE
from train.networks.losses import near_outline, segmentation_loss, unpack

NAMES = ("bce", "bce_dice")
ALL = (*NAMES, "bce_dice_outline")


def masks(head: torch.Tensor, unsure: torch.Tensor | None = None) -> torch.Tensor:
    """(N, 1, H, W) twice to (N, 2, H, W)."""
    return torch.cat([head, torch.zeros_like(head) if unsure is None else unsure], dim=1)


@pytest.fixture
def heads() -> torch.Tensor:
    target = torch.zeros(2, 1, 8, 8)
    target[:, :, 2:6] = 1
    target[:, :, 6] = 0.4  # a pixel that is partly head
    return target


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_the_loss_is_low_for_the_right_answer_and_high_for_the_wrong_one(heads: torch.Tensor) -> None:
    whole = (heads > 0.5).float()
    for name in ALL:
        right = segmentation_loss(name, (whole * 2 - 1) * 20, masks(whole))
        wrong = segmentation_loss(name, (1 - whole * 2) * 20, masks(whole))
        assert right < 0.02 < 1 < wrong


def test_where_all_is_sure_it_is_the_formula_of_before(heads: torch.Tensor, logits: torch.Tensor) -> None:
    bce = binary_cross_entropy_with_logits(logits, heads)
    assert segmentation_loss("bce", logits, masks(heads)) == pytest.approx(float(bce))
    p = torch.sigmoid(logits)
    both = (p * heads).sum(dim=(1, 2, 3))
    dice = 1 - (2 * both + 1) / (p.sum(dim=(1, 2, 3)) + heads.sum(dim=(1, 2, 3)) + 1)
    assert segmentation_loss("bce_dice", logits, masks(heads)) == pytest.approx(float(bce + dice.mean()))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_learned_where_nobody_is_sure(name: str, heads: torch.Tensor, logits: torch.Tensor) -> None:
    unsure = torch.zeros_like(heads)
    unsure[:, :, 5:7] = 1
    given = logits.clone().requires_grad_()
    loss = segmentation_loss(name, given, masks(heads, unsure))
    loss.backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    assert not given.grad[:, :, 5:7].any() and given.grad[:, :, :5].all()
    other = torch.where(unsure > 0, torch.full_like(logits, 30.0), logits)
    turned = torch.where(unsure > 0, 1 - heads, heads)
    assert segmentation_loss(name, other, masks(turned, unsure)).item() == pytest.approx(loss.item())
    # the same as on the other pixels alone
    keep = [0, 1, 2, 3, 4, 7]
    alone = segmentation_loss(name, logits[:, :, keep], masks(heads[:, :, keep]))
    assert loss.item() == pytest.approx(alone.item())


def test_a_frame_without_a_head_has_no_dice(heads: torch.Tensor, logits: torch.Tensor) -> None:
    empty = torch.zeros_like(heads)
    assert segmentation_loss("bce_dice", logits, masks(empty)) == segmentation_loss("bce", logits, masks(empty))
    both = torch.cat([heads, empty])
    mixed = segmentation_loss("bce_dice", logits.repeat(2, 1, 1, 1), masks(both))
    bce = segmentation_loss("bce", logits.repeat(2, 1, 1, 1), masks(both))
    dice = segmentation_loss("bce_dice", logits, masks(heads)) - segmentation_loss("bce", logits, masks(heads))
    assert float(mixed - bce) == pytest.approx(float(dice) / 2), "the mean is over all frames"


def test_pixels_near_the_outline_count_more(logits: torch.Tensor) -> None:
    target = torch.zeros(1, 1, 128, 192)
    target[..., 30:100, 40:150] = 1
    weights = near_outline(target)
    assert weights[0, 0, 64, [90, 190]].tolist() == pytest.approx([1, 1], abs=1e-5), "far from it"
    assert weights[..., 64, 40] == pytest.approx(1 + 5 * 15 / 31) and weights[..., 64, 39] > weights[..., 64, 30] > 1
    wrong = torch.where(target > 0, 5.0, -5.0)
    at_outline, inside = wrong.clone(), wrong.clone()
    at_outline[..., 60:64, 40:44] *= -1
    inside[..., 60:64, 90:94] *= -1
    losses = [float(segmentation_loss("bce_dice_outline", x, masks(target))) for x in (at_outline, inside)]
    assert losses[0] > 1.1 * losses[1]
    # where nobody is sure, neither the answer nor the mask counts
    unsure = torch.zeros_like(target)
    unsure[..., 95:105, :] = 1
    turned = torch.where(unsure > 0, 1 - target, target)
    answers = [torch.where(unsure > 0, x, wrong) for x in (torch.full_like(wrong, 9.0), torch.full_like(wrong, -9.0))]
    found = [segmentation_loss("bce_dice_outline", a, masks(m, unsure)) for a in answers for m in (target, turned)]
    assert float(max(found)) == pytest.approx(float(min(found)))


@pytest.mark.parametrize("name", ALL)
def test_a_batch_of_which_nothing_is_sure_gives_no_gradient(
    name: str, heads: torch.Tensor, logits: torch.Tensor
) -> None:
    given = logits.clone().requires_grad_()
    loss = segmentation_loss(name, given, masks(heads, torch.ones_like(heads)))
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss) and given.grad is not None and not given.grad.any()


def test_masks_are_unpacked_to_head_and_unsure() -> None:
    packed = np.array([[[0, 127, UNSURE - 1, UNSURE]]], dtype=np.uint8)
    found = unpack(packed)
    assert found.shape == (1, 2, 1, 4) and found.dtype == torch.float32
    assert found[0, 0, 0].tolist() == pytest.approx([0, 0.5, 1, 0]) and found[0, 1, 0].tolist() == [0, 0, 0, 1]
