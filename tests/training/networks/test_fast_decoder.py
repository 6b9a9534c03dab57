from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoderBlock
from torch import nn

from train.networks.fast_decoder import FastDecoderBlock, upsampled_convolution
from train.networks.model import HeadNet
from train.strategies import get_strategy


def block(skip: int) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    library = UnetDecoderBlock(8, skip, 4)
    fast = copy.deepcopy(library)
    fast.__class__ = FastDecoderBlock
    return library, fast


@settings(deadline=None)
@given(height=st.integers(1, 6), width=st.integers(1, 6), inputs=st.integers(1, 4), outputs=st.integers(1, 4))
def test_a_transposed_convolution_is_that_of_the_enlarged_map(
    height: int, width: int, inputs: int, outputs: int
) -> None:
    x = torch.randn(2, inputs, height, width, dtype=torch.float64)
    weight = torch.randn(outputs, inputs, 3, 3, dtype=torch.float64)
    enlarged = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
    torch.testing.assert_close(
        upsampled_convolution(x, weight), torch.nn.functional.conv2d(enlarged, weight, padding=1)
    )


@pytest.mark.parametrize("skip", [0, 3])
def test_the_fast_block_learns_exactly_as_the_librarys(skip: int) -> None:
    library, fast = block(skip)
    x = torch.randn(2, 8, 5, 7)
    other = torch.randn(2, skip, 10, 14) if skip else None
    grown = []
    for each in (library, fast):
        features = x.clone().requires_grad_()
        answer = each(features, 10, 14, other)
        answer.square().sum().backward()
        grown.append([answer, features.grad, *(p.grad for p in each.parameters()), *each.buffers()])
    for a, b in zip(*grown, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_under_autocast_the_fast_block_is_as_near_to_float32_as_the_librarys() -> None:
    library, fast = block(3)
    x, other = torch.randn(2, 8, 5, 7), torch.randn(2, 3, 10, 14)
    exact = library(x, 10, 14, other)

    def error(each: nn.Module) -> float:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            answer = each(x, 10, 14, other)
        assert answer.dtype == torch.bfloat16
        return (answer.float() - exact).square().mean().sqrt().item()

    assert 0 < error(fast) < 2 * error(library)


def test_sizes_that_do_not_double_and_evaluation_take_the_librarys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    library, fast = block(3)
    monkeypatch.setattr("train.networks.fast_decoder.upsampled_convolution", None)  # calling it would fail
    x, other = torch.randn(2, 8, 5, 7), torch.randn(2, 3, 9, 14)
    torch.testing.assert_close(fast(x, 9, 14, other), library(x, 9, 14, other))
    other = torch.randn(2, 3, 10, 14)
    torch.testing.assert_close(fast.eval()(x, 10, 14, other), library.eval()(x, 10, 14, other))


@pytest.mark.parametrize(("name", "fast"), [("decoder-all", True), ("edge", False)])
def test_networks_that_enlarge_by_nearest_neighbour_have_fast_blocks(name: str, fast: bool) -> None:
    blocks = list(HeadNet(get_strategy(name)).net.decoder.blocks)  # type: ignore[union-attr, arg-type]
    assert [isinstance(b, FastDecoderBlock) for b in blocks] == [fast] * 5
