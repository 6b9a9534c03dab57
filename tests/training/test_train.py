from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.errors import ModelError, UsageError
from edge_runtime.frame.geometry import LETTERBOX, RESIZE_RULES, STRETCH, ResizeRule
from edge_runtime.frame.preprocess import prepare
from tests.helpers.places import ROOT, Run
from train.augment import AUGMENTS
from train.checkpoint import load_checkpoint, stored_dtype
from train.config import PROTOCOLS, TrainConfig
from train.data.hc18 import read_dataset
from train.loop import load_arrays, train
from train.run import Run as TrainingRun
from train.run import learning_rate, segmentation_loss
from train.strategies import STRATEGIES

TOY = ("--image-size", 64, 96, "--limit", 6, "--batch-size", 3, "--encoder-weights", "random")


def test_training_writes_a_checkpoint_that_says_how_it_came_to_be(run: Run, phantom: Path, tmp_path: Path) -> None:
    done = run("train", "--strategy", "edge", "--data", phantom, "--epochs", 2, "--out", tmp_path, *TOY)
    assert done.returncode == 0, done.stderr
    assert "phantom" in done.stdout and "images/s" in done.stdout and "left" in done.stdout
    info = json.loads((tmp_path / "edge" / "checkpoint.json").read_text())
    assert info["schema_version"] == 1
    assert info["strategy"]["name"] == "edge"
    assert info["config"]["image_size"] == [64, 96] and info["config"]["epochs"] == 2
    assert len(info["history"]) == 2 and info["metrics"]["grouped"]["n_images"] == 2
    assert info["data"]["title"].startswith("procedural phantom")
    assert {"git_commit", "tools", "device", "trainable_parameters", "seconds"} <= set(info)
    assert sorted(p.name for p in (tmp_path / "edge").iterdir()) == ["checkpoint.json", "model.safetensors"]

    again = run("train", "--strategy", "edge", "--data", phantom, "--epochs", 2, "--out", tmp_path, *TOY)
    assert again.returncode == 2 and "--resume" in again.stderr and "--overwrite" in again.stderr
    resumed = run("train", "--strategy", "edge", "--data", phantom, "--out", tmp_path, "--resume", *TOY)
    assert resumed.returncode == 0 and "complete" in resumed.stdout


def config(**changes: object) -> TrainConfig:
    base = {"image_size": (64, 96), "encoder_weights": "random", "epochs": 3, "batch_size": 3}
    return TrainConfig(**{**base, **changes})  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder).model.net.state_dict()


def test_a_resumed_run_ends_as_an_uninterrupted_one(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, cpu, edge = read_dataset(phantom), torch.device("cpu"), STRATEGIES["edge"]
    train(edge, config(), dataset, tmp_path / "whole", device=cpu, limit=6)

    original = TrainingRun.epoch

    def interrupted(self: TrainingRun, *args: object) -> float:
        if len(self.history) == 1:
            raise KeyboardInterrupt
        return original(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(TrainingRun, "epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(edge, config(), dataset, tmp_path / "cut", device=cpu, limit=6)
    monkeypatch.setattr(TrainingRun, "epoch", original)
    with pytest.raises(UsageError, match="other settings"):
        train(edge, config(lr=1e-2), dataset, tmp_path / "cut", device=cpu, limit=6, resume=True)
    train(edge, config(), dataset, tmp_path / "cut", device=cpu, limit=6, resume=True)

    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[k], cut[k]) for k in whole)


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_epochs(phantom: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "train", "--strategy", "edge", "--data", str(phantom), "--epochs", "400"]
    command += ["--out", str(tmp_path), *map(str, TOY)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    state = tmp_path / "edge" / "resume.pt"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in stderr
    assert len(torch.load(state, weights_only=True)["history"]) >= 1


def test_frozen_parts_keep_their_weights(phantom: Path, tmp_path: Path) -> None:
    dataset, strategy = read_dataset(phantom), STRATEGIES["decoder-4"]
    settings = config(epochs=2, keep="last", lr=0.01)
    torch.manual_seed(settings.seed)
    from train.model import HeadNet

    start = HeadNet(strategy).net.state_dict()
    train(strategy, settings, dataset, tmp_path, device=torch.device("cpu"), limit=4)
    moved = {
        k.rsplit(".", 1)[0]
        for k, v in weights(tmp_path).items()
        if "running_" not in k and "num_batches" not in k and not torch.equal(v, stored_dtype(start[k]).float())
    }
    assert moved and all("blocks" in k and "4" in k.split(".") for k in moved), moved


def test_the_paper_protocol_is_the_papers() -> None:
    paper = TrainConfig(image_size=(512, 512), **PROTOCOLS["paper"])
    assert (paper.lr, paper.batch_size, paper.epochs, paper.loss) == (1e-4, 10, 20, "bce")
    assert (paper.mask, paper.split, paper.keep, paper.optimizer) == ("contour", "paper", "last", "adam")
    assert paper.resize_rule == STRETCH
    assert learning_rate(paper, 0.0) == learning_rate(paper, 0.9) == 1e-4


def test_one_cycle_rises_and_falls() -> None:
    rates = [learning_rate(config(lr=1.0), p) for p in (0.0, 0.3, 0.65, 1.0)]
    assert rates == pytest.approx([1 / 25, 1.0, 0.5, 1e-4], abs=1e-3)


def test_losses_are_low_for_the_right_answer_and_high_for_the_wrong_one() -> None:
    target = torch.zeros(2, 1, 8, 8)
    target[:, :, 2:6] = 1
    for name in ("bce", "bce_dice"):
        right = segmentation_loss(name, (target * 2 - 1) * 20, target)
        wrong = segmentation_loss(name, (1 - target * 2) * 20, target)
        assert right < 0.02 < 1 < wrong


@pytest.mark.parametrize("name", ["paper", "ours"])
def test_augmentation_moves_image_and_mask_together_and_is_seeded(name: str, phantom: Path) -> None:
    samples = read_dataset(phantom).select([f"{i:03d}_HC.png" for i in range(6)])
    _, masks = load_arrays(samples, config(image_size=(128, 192)))
    mask = torch.from_numpy(masks)[:, None].float() / 255
    first = AUGMENTS[name](mask, mask, torch.Generator().manual_seed(1))
    second = AUGMENTS[name](mask, mask, torch.Generator().manual_seed(1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    image, target = first
    assert image.shape == target.shape == mask.shape
    assert ((image > 0.5) == (target > 0.5)).float().mean() > 0.93  # noise and gain alter grey levels, not places
    assert not torch.equal(target, mask)


def test_rotation_keeps_areas_in_pixels_on_wide_images() -> None:
    mask = torch.zeros(16, 1, 96, 192)
    mask[:, :, 30:66, 60:132] = 1
    _, turned = AUGMENTS["paper"](mask, mask, torch.Generator().manual_seed(0))
    assert torch.allclose(turned.sum(dim=(1, 2, 3)), mask.sum(dim=(1, 2, 3)), rtol=0.03)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--strategy", "nope"), "decoder-all"),
        (("--strategy", "edge"), "There is no folder no/such/folder"),
        (("--strategy", "edge", "--epochs", 0), "--epochs: 0 is not allowed"),
        (("--strategy", "edge", "--lr", -1), "--lr: -1 is not allowed"),
        (("--strategy", "edge", "--lr", "nan"), "--lr: nan is not allowed"),
        (("--strategy", "edge", "--lr", 11), "--lr: 11 is not allowed"),
        (("--strategy", "edge", "--batch-size", 0), "--batch-size: 0 is not allowed"),
        (("--strategy", "edge", "--batch-size", 5000), "--batch-size: 5000 is not allowed"),
        (("--strategy", "edge", "--limit", 0), "--limit: 0 is not allowed"),
        (("--strategy", "edge", "--train-images", 1), "--train-images: 1 is not allowed"),
        (("--strategy", "edge", "--seed", -1), "--seed: -1 is not allowed"),
        (("--strategy", "edge", "--image-size", 100, 100), "must be a multiple of 16 between 64 and 1024"),
        (("--strategy", "edge", "--encoder-weights", "no.safetensors"), "no.safetensors"),
        (("--strategy", "edge", "--out", "README.md/below"), "cannot be written"),
        (("--strategy", "all", "--out", "checkpoints"), "already holds a run of"),
    ],
)
def test_a_wrong_call_exits_with_2_before_data_is_searched(
    run: Run, tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    out = () if "--out" in arguments else ("--out", tmp_path)
    done = run("train", *arguments, "--data", "no/such/folder", *out)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_make_train_trains_something() -> None:
    done = subprocess.run(
        ["make", "-n", "--no-print-directory", "train"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].split()[1:] == [
        *("-m", "train", "--strategy", "edge", "--out"),
        *('"runs"', "--resume"),
    ]


def test_damaged_or_foreign_checkpoints_are_refused(phantom: Path, tmp_path: Path) -> None:
    train(STRATEGIES["edge"], config(epochs=1), read_dataset(phantom), tmp_path, device=torch.device("cpu"), limit=3)
    info, data = (tmp_path / "checkpoint.json").read_text(), (tmp_path / "model.safetensors").read_bytes()

    (tmp_path / "checkpoint.json").write_text(info.replace('"schema_version": 1', '"schema_version": 7'))
    with pytest.raises(ModelError, match="schema version 7"):
        load_checkpoint(tmp_path)
    (tmp_path / "checkpoint.json").write_text(info[: len(info) // 2])
    with pytest.raises(ModelError, match="not a usable checkpoint"):
        load_checkpoint(tmp_path)
    (tmp_path / "checkpoint.json").write_text(info)
    (tmp_path / "model.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelError, match="sha256"):
        load_checkpoint(tmp_path)
    with pytest.raises(UsageError, match="no checkpoint"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_training_arrays_hold_the_runtimes_bytes_and_the_masks_coverage(phantom: Path, rule: ResizeRule) -> None:
    sample = read_dataset(phantom).samples["000_HC.png"]
    images, masks = load_arrays([sample], config(resize_rule=rule))
    prepared = prepare(sample.frame(), (64, 96), rule=rule)
    assert np.array_equal(images[0], prepared.image)
    covered = masks[0].sum() / 255 * math.prod(prepared.geometry.scale)
    assert covered == pytest.approx(sample.mask().sum(), rel=2e-3)


def test_settings_that_do_not_name_a_resize_rule_stretch() -> None:
    """Those of checkpoints from before there were two."""
    values = config().to_json()
    assert values.pop("resize_rule") == LETTERBOX
    assert TrainConfig.from_json(values) == config(resize_rule=STRETCH)
