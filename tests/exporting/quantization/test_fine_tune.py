"""Training on in simulated int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.images import load_images
from export.quantization.fine_tune import _RoundOutputs, _RoundWeights, _simulate, fine_tune
from tests.helpers.spoiled import spoil
from train.checkpoint import load_checkpoint
from train.data.hc18 import read_dataset
from train.data.splits import evenly_spaced, make_split
from train.networks.model import HeadNet


def answer(model: torch.nn.Module, frames: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.from_numpy(frames).unsqueeze(1).float() / 255)


@pytest.mark.slow
def test_it_brings_the_simulated_network_nearer_to_the_one_in_float(hc18: Path, tmp_path: Path) -> None:
    """Of a network that int8 spoils; the shipped one loses nothing that could be won back."""
    spoiled = spoil(tmp_path, times=85)  # 1,000 leaves nothing to start from
    model, rule = load_checkpoint(spoiled).model, load_checkpoint(spoiled).config.resize_rule
    dataset = read_dataset(hc18)
    split = make_split(dataset, "grouped")
    frames = load_images(evenly_spaced(dataset.select(split.train), 48), (160, 240), rule).inputs
    tuned = fine_tune(model, frames, epochs=8)
    assert not any(p.requires_grad for p in tuned.parameters())
    assert set(tuned.state_dict()) == set(model.state_dict()), "it is stored and exported as any other"
    fresh = load_images(evenly_spaced(dataset.select(split.val), 16), (160, 240), rule).inputs
    wanted = torch.sigmoid(answer(model, fresh))

    def simulated(network: HeadNet) -> float:
        _simulate(network)
        answer(network, frames[:8])  # sets its ranges
        return float((torch.sigmoid(answer(network, fresh)) - wanted).abs().mean())

    assert simulated(tuned) < simulated(load_checkpoint(spoiled).model)


def test_rounding_is_that_of_int8() -> None:
    weight = torch.tensor([[[[1.0, -0.5]]], [[[0.003, 0.1]]]])
    rounded = _RoundWeights(0)(weight)
    steps = rounded / (weight.abs().amax((1, 2, 3), keepdim=True) / 127)
    assert torch.allclose(steps, steps.round(), atol=1e-4) and steps.abs().max() <= 127.001
    outputs = _RoundOutputs()(torch.nn.Identity(), (), torch.linspace(-1, 3, 1000))
    assert len(outputs.unique()) <= 256 and 0.0 in outputs
    assert float((outputs - torch.linspace(-1, 3, 1000)).abs().max()) <= 4 / 255
