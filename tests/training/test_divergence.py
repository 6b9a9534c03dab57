"""Trainings whose loss, weights or answers are not finite."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from edge_runtime.errors import ModelError
from tests.helpers.places import Run
from tests.helpers.short_run import content, go, in_epoch
from train import run as run_module
from train.checkpoint import load_checkpoint
from train.data.hc18 import Dataset
from train.divergence import DivergenceError, find_not_finite
from train.networks.model import HeadNet
from train.run import Run as TrainingRun
from train.strategies import STRATEGIES


def bad_loss(patch: pytest.MonkeyPatch) -> None:
    step = iter(range(100))
    original = run_module.segmentation_loss
    patch.setattr(
        run_module,
        "segmentation_loss",
        lambda *args: (
            original(*args) * (math.nan if next(step) in (3, 5) else 1)
        ),  # the last step; that of a resumption
    )


def bad_gradient(patch: pytest.MonkeyPatch) -> None:
    step = iter(range(100))
    original = run_module.segmentation_loss

    def loss(name: str, logits: Tensor, target: Tensor) -> Tensor:
        if next(step) in (3, 5):
            logits.register_hook(lambda gradient: gradient * math.inf)
        return original(name, logits, target)

    patch.setattr(run_module, "segmentation_loss", loss)


def bad_variance(patch: pytest.MonkeyPatch) -> None:
    def spoil(run: TrainingRun) -> None:
        next(v for k, v in run.model.state_dict().items() if k.endswith("running_var")).fill_(math.inf)

    patch.setattr(TrainingRun, "epoch", in_epoch(2, spoil))


def bad_answer(patch: pytest.MonkeyPatch) -> None:
    original = run_module.make_predictor
    calls = iter(range(100))

    def predictor(*args: Any) -> Any:
        predict, factor = original(*args), math.nan if next(calls) >= 1 else 1.0
        return lambda frame: predict(frame) * factor

    patch.setattr(run_module, "make_predictor", predictor)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (bad_loss, "epoch 2 of 2, step 2 of 2, learning rate .*: the loss is nan"),
        (bad_gradient, "epoch 2 of 2, after step 2 of 2, learning rate .* holds NaN"),
        (bad_variance, "epoch 2 of 2, after step 2 of 2, learning rate .*running_var holds inf"),
        (bad_answer, "epoch 2 of 2, validation: the network answers NaN"),
    ],
)
def test_what_is_not_finite_stops_the_run_and_is_not_saved(
    dataset: Dataset, tmp_path: Path, spoil: Callable[[pytest.MonkeyPatch], None], said: str
) -> None:
    folder = tmp_path / "edge"
    with pytest.MonkeyPatch.context() as patch:
        spoil(patch)
        with pytest.raises(DivergenceError, match=said) as caught:
            go(folder, dataset)
    assert caught.value.exit_code == 1
    assert all(word in str(caught.value) for word in ("--lr 0.00015", "--overwrite", "after epoch 1"))
    assert content(folder) == ["resume.pt"]
    state = torch.load(folder / "resume.pt", weights_only=True)
    assert len(state["history"]) == 1 and find_not_finite(state["model"]) is None


def test_a_resumed_run_breaks_at_the_same_place_with_the_same_message(
    dataset: Dataset, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_variance(monkeypatch)
    before = (half / "resume.pt").read_bytes()
    for _ in range(2):
        with pytest.raises(DivergenceError, match="epoch 2 of 2, after step 2 of 2"):
            go(half, dataset, resume=True)
    assert (half / "resume.pt").read_bytes() == before


def test_weights_beyond_float16_write_no_checkpoint(
    dataset: Dataset, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(run: TrainingRun) -> None:
        with torch.no_grad():
            next(p for p in run.model.parameters() if p.ndim == 4)[0] = (
                1e6  # batch norm behind it: the loss stays as it is
            )

    monkeypatch.setattr(TrainingRun, "epoch", in_epoch(2, spoil))
    monkeypatch.setattr(TrainingRun, "validate", keep_last)
    with pytest.raises(DivergenceError, match="float16, whose largest value is 65504") as caught:
        go(half, dataset, resume=True)
    assert "the network of epoch 2" in str(caught.value)
    assert content(half) == ["resume.pt"]


def keep_last(run: TrainingRun, *_: object) -> dict[str, Any]:
    run.best = {k: v.clone() for k, v in run.model.state_dict().items()}
    return {"val_dice": 1.0, "val_hc_absolute_difference_mm": None, "val_hc_refused": 0}


def test_bad_initial_weights_are_named(run: Run, phantom: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder: Any = HeadNet(STRATEGIES["full"]).net.encoder
    save_file(encoder.state_dict(), tmp_path / "weights.safetensors")
    tensors = load_file(tmp_path / "weights.safetensors")
    tensors["features.12.conv.1.0.weight"].view(-1)[0] = math.inf
    save_file(tensors, tmp_path / "weights.safetensors")
    command = ["--strategy", "edge", "--protocol", "leak-free", "--data", phantom]
    command += ["--image-size", 64, 64, "--limit", 4, "--batch-size", 2]
    done = run("train", *command, "--encoder-weights", tmp_path / "weights.safetensors", "--out", tmp_path / "out")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "epoch 1 of 30, step 1 of 2, learning rate 6e-05" in done.stderr
    assert "features.12.conv.1.0.weight holds inf" in done.stderr and "--encoder-weights" in done.stderr
    assert content(tmp_path / "out" / "edge") == []


def test_a_network_that_finds_no_head_is_said_so(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go(tmp_path / "edge", dataset, lr=10.0, epochs=1, precision="float32")
    said = capsys.readouterr().out
    assert "warning: edge measured no head in any of the 2 test images" in said and "--lr" in said


def test_a_checkpoint_that_is_not_finite_is_named_as_diverged(dataset: Dataset, tmp_path: Path) -> None:
    from tests.helpers.random_checkpoint import make_checkpoint

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.checkpoint.stored_dtype", lambda tensor: tensor * math.nan if tensor.ndim == 4 else tensor)
        make_checkpoint(tmp_path / "edge-s")
    with pytest.raises(ModelError, match=r"the network itself answers NaN.*Train again"):
        load_checkpoint(tmp_path / "edge-s")
