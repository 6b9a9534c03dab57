from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save as safetensors_bytes

from edge_runtime.common.files import write_bytes
from edge_runtime.errors import UsageError
from train import weights
from train.networks.model import (
    HeadNet,
    check_image_size,
    count_trainable,
    freeze,
    load_encoder,
    set_train_mode,
    single_channel,
)
from train.strategies import STRATEGIES, get_strategy
from train.weights import find_encoder_weights, rename_key

TRAINABLE = {
    "unet-scratch": 31_037_633,
    "decoder-all": 4_405_073,
    "encoder-only": 2_223_872,
    "decoder-0": 3_761_152,
    "decoder-0-1": 4_240_896,
    "decoder-0-2": 4_365_568,
    "decoder-2-4": 164_032,
    "decoder-4": 6_976,
    "decoder-all-random": 4_405_073,
    "encoder-only-random": 2_223_872,
    "full": 6_628_945,
    "edge": 3_117_321,
    "edge-s": 379_332,
    "edge-m": 601_156,
    "edge-l": 2_108_065,
}


@pytest.mark.parametrize("name", TRAINABLE)
def test_trainable_parameters_are_exactly_the_papers_and_ours(name: str) -> None:
    model = HeadNet(STRATEGIES[name])
    freeze(model)
    assert count_trainable(model) == TRAINABLE[name]


def test_there_are_these_and_a_wrong_name_lists_them() -> None:
    assert set(STRATEGIES) == set(TRAINABLE)
    with pytest.raises(UsageError) as error:
        get_strategy("decoder-9")
    assert "decoder-9" in str(error.value)
    assert all(name in str(error.value) for name in STRATEGIES)


@pytest.mark.parametrize("name", ["decoder-all", "unet-scratch", "edge"])
def test_one_channel_gives_what_three_equal_channels_give(name: str) -> None:
    torch.manual_seed(0)
    model = HeadNet(STRATEGIES[name]).eval()
    x = torch.rand(1, 1, 64, 96)
    with torch.inference_mode():
        assert torch.allclose(single_channel(model)(x), model(x), atol=1e-5)


@pytest.mark.parametrize(("policy", "moves"), [("track", True), ("fixed", False)])
def test_what_frozen_batch_norm_does_is_the_strategys_setting(policy: str, moves: bool) -> None:
    from dataclasses import replace

    model = HeadNet(replace(STRATEGIES["decoder-all"], frozen_batch_norm=policy))
    freeze(model)
    set_train_mode(model)
    encoder, decoder = model.parts()["encoder"], model.parts()["decoder"]
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    first = next(m for m in decoder.modules() if isinstance(m, torch.nn.BatchNorm2d))
    mean = first.running_mean.clone()
    model(torch.rand(2, 1, 64, 64))
    changed = [k for k, v in encoder.state_dict().items() if not torch.equal(v, before[k])]
    assert bool(changed) == moves
    assert all("running_" in k or "num_batches" in k for k in changed)
    assert not torch.equal(first.running_mean, mean)


def test_a_one_channel_encoder_gets_the_sum_over_colours() -> None:
    torch.manual_seed(0)
    rgb = HeadNet(STRATEGIES["full"])
    state = rgb.net.encoder.state_dict()
    grey = HeadNet(STRATEGIES["edge"])
    load_encoder(grey, state)
    loaded = grey.net.encoder.state_dict()["features.0.0.weight"]
    assert torch.equal(loaded, state["features.0.0.weight"].sum(dim=1, keepdim=True))
    with pytest.raises(UsageError, match=r"train\.weights"):
        load_encoder(grey, {"no.such.key": torch.zeros(1)})


def test_keys_of_the_packages_weights_are_renamed_to_the_encoders() -> None:
    wanted = set(HeadNet(STRATEGIES["full"]).net.encoder.state_dict())
    assert rename_key("features.1.conv.4.weight") == "features.1.conv.2.weight"
    assert rename_key("features.17.conv.7.bias") == "features.17.conv.3.bias"
    assert rename_key("features.18.0.weight") == "features.18.0.weight"
    assert {rename_key(k) for k in ("features.5.conv.0.weight", "features.5.conv.4.running_var")} <= wanted


@pytest.mark.parametrize("source", ["imagenet", "imagenet-tonylins"])
def test_weights_of_both_trainings_fit_the_encoder(source: str) -> None:
    wanted = {k: v.shape for k, v in HeadNet(STRATEGIES["full"]).net.encoder.state_dict().items()}  # type: ignore[union-attr]
    found = find_encoder_weights(source)
    assert {k: v.shape for k, v in found.tensors.items()} == wanted and len(found.sha256) == 64


def test_missing_weights_are_made_from_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(package: weights.Package, out: Path) -> None:
        write_bytes(out, safetensors_bytes({"features.0.0.weight": torch.ones(1)}))

    monkeypatch.setattr(weights, "FOLDERS", (tmp_path / "made", tmp_path))
    monkeypatch.setattr(weights, "make_from_package", make)
    found = find_encoder_weights("imagenet")
    assert found.file == "mobilenet_v2_torchvision_encoder.safetensors" and (tmp_path / "made" / found.file).exists()
    monkeypatch.setattr(weights, "make_from_package", None)
    assert find_encoder_weights("imagenet").sha256 == found.sha256, "and only once"


def test_a_training_that_an_encoder_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="no weights 'imagenet-tonylins' of efficientnet_lite0; there are: imagenet"):
        find_encoder_weights("imagenet-tonylins", "efficientnet_lite0")


def test_missing_weights_file_is_an_error_with_its_name() -> None:
    with pytest.raises(UsageError, match=r"nowhere\.safetensors"):
        find_encoder_weights("nowhere.safetensors")


@pytest.mark.parametrize("size", [(100, 160), (0, 160), (160, 2048)])
def test_sizes_no_network_takes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="multiple of 16"):
        check_image_size(size)
