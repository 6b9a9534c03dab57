"""The fast networks: their shapes, the weights they keep, and what their coarser logits learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from edge_runtime.head.mask import positive_at
from train.networks.model import HeadNet, freeze, load_encoder
from train.run import at_size
from train.strategies import get_strategy
from train.weights import find_encoder_weights

PATCH = get_strategy("edge-l")


@pytest.mark.parametrize("channels", [(64, 48, 32), (48, 32)])
@pytest.mark.parametrize("size", [(160, 240), (128, 192), (64, 80)])
def test_there_is_a_logit_for_each_4x4_pixels(channels: tuple[int, ...], size: tuple[int, int]) -> None:
    model = HeadNet(replace(PATCH, decoder_channels=channels)).eval()
    with torch.inference_mode():
        assert model(torch.rand(2, 1, *size)).shape == (2, 1, size[0] // 4, size[1] // 4)
    assert set(model.parts()) == {*(f"decoder.{i}" for i in range(len(channels))), "encoder", "decoder", "head", "all"}
    one = HeadNet(replace(PATCH, decoder_channels=channels, trainable=("decoder.1",)))
    freeze(one)
    learning = {name for name, parameter in one.named_parameters() if parameter.requires_grad}
    assert learning and all(name.startswith("net.decoder.1.") for name in learning)


def test_the_blocks_behind_the_stem_keep_their_imagenet_weights() -> None:
    model = HeadNet(PATCH)
    stem = model.net.encoder.stem[0].weight.clone()  # type: ignore[union-attr,index]
    tensors = find_encoder_weights("imagenet")
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
