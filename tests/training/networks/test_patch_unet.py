"""The fast networks: their shapes, the weights they keep, and what their coarser logits learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from edge_runtime.head.mask import positive_at
from train.networks.losses import at_size
from train.networks.model import HeadNet, freeze, load_encoder
from train.networks.patch_shape import PatchShape
from train.strategies import get_strategy
from train.weights import find_encoder_weights

PATCH = get_strategy("edge-l")


RESIDUAL = PatchShape(((12, 4, 32),), "residual", blocks=(), stages=((32, 1), (48, 2), (64, 1)), shuffle=2)
SHAPES = {
    "deep": (PATCH.shape, (64, 48, 32), 4),
    "fewer decoder blocks": (PATCH.shape, (64, 48), 8),
    "shallow": (PatchShape(blocks=tuple(range(3, 14))), (48, 32), 4),
    "8x8 stem": (PatchShape(((8, 8, 32),), blocks=tuple(range(5, 14))), (48,), 8),
    "two 3x3 stems": (PatchShape(((3, 2, 16), (3, 2, 24)), separable=True, activation="relu"), (64, 48, 32), 4),
    "EfficientNet": (PatchShape(encoder="efficientnet_lite0", blocks=tuple(range(2, 11))), (48, 32), 4),
    "residual": (RESIDUAL, (48,), 4),
    "residual, fine": (replace(RESIDUAL, head_kernel=1), (48, 32), 2),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("size", [(160, 240), (128, 192), (64, 80)])
def test_logits_have_the_stride_that_the_shape_says(name: str, size: tuple[int, int]) -> None:
    shape, channels, stride = SHAPES[name]
    strategy = replace(PATCH, decoder_channels=channels, patch=shape)
    model = HeadNet(strategy).eval()
    assert strategy.logits_stride == stride
    with torch.inference_mode():
        assert model(torch.rand(2, 1, *size)).shape == (2, 1, size[0] // stride, size[1] // stride)
    assert set(model.parts()) == {*(f"decoder.{i}" for i in range(len(channels))), "encoder", "decoder", "head", "all"}
    one = HeadNet(replace(strategy, trainable=("decoder.0",)))
    freeze(one)
    learning = {name for name, parameter in one.named_parameters() if parameter.requires_grad}
    assert learning and all(name.startswith("net.decoder.0.") for name in learning)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"stem": ()}, "no convolution"),
        ({"blocks": (1, 2)}, "no block 1"),
        ({"blocks": (3, 7)}, "block 7 takes 32 channels, not 24"),
        ({"stem": ((8, 8, 40),)}, "block 3 takes 24 channels, not 40"),
        ({"encoder": "residual", "stages": ((32, 1),)}, "the stem's 24 channels"),
    ],
)
def test_a_shape_that_does_not_fit_together_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PatchShape(**values)


def test_more_decoder_blocks_than_skips_are_refused() -> None:
    with pytest.raises(ValueError, match="4 decoder blocks; this encoder allows 1 to 3"):
        replace(PATCH, decoder_channels=(64, 48, 32, 16))


def test_the_blocks_behind_the_stem_keep_their_imagenet_weights() -> None:
    model = HeadNet(PATCH)
    stem = model.net.encoder.stem[0].weight.clone()  # type: ignore[union-attr,index]
    tensors = find_encoder_weights("imagenet").tensors
    load_encoder(model, tensors)
    state = model.net.encoder.state_dict()  # type: ignore[union-attr]
    kept = [name for name in state if name in tensors]
    assert len(kept) > 200 and all(torch.equal(state[name], tensors[name]) for name in kept)
    assert torch.equal(state["stem.0.weight"], stem)
    assert {name for name in state if name not in tensors} == {n for n in state if n.startswith("stem.")}


def test_coarse_logits_are_judged_where_the_runtime_finds_the_outline() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, 60)).astype(np.float32)
    fine = at_size(torch.from_numpy(logits)[None, None], (160, 240))
    assert np.array_equal(fine[0, 0].numpy() > 0, positive_at(logits, (160, 240)))
    assert at_size(fine, (160, 240)) is fine
