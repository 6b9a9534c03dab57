from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from edge_runtime.errors import ModelError, UsageError
from edge_runtime.frame.geometry import LINEAR, RESIZE_RULES, SAMPLED, STRETCH, ResizeRule
from edge_runtime.frame.preprocess import prepare
from edge_runtime.shipped import DEFAULT_SIZE
from tests.helpers.places import ROOT, Run
from tests.helpers.short_run import go
from train.__main__ import main
from train.checkpoint import load_checkpoint, stored_dtype
from train.config import PROTOCOLS, TrainConfig
from train.data.hc18 import read_dataset
from train.data.phantom import make_dataset
from train.frames.no_frames import clouds
from train.frames.pool import UNSURE, make_pool
from train.loop import train
from train.run import Run as TrainingRun
from train.run import augmentation, learning_rate
from train.state import STATE, save_state, stored_precision
from train.strategies import STRATEGIES
from train.weights import find_encoder_weights

TOY = ("--image-size", 64, 96, "--limit", 6, "--batch-size", 3, "--encoder-weights", "random")


def test_training_writes_a_checkpoint_that_says_how_it_came_to_be(
    run: Run, run_here: Run, phantom: Path, tmp_path: Path
) -> None:
    done = run("train", "--strategy", "edge", "--data", phantom, "--epochs", 2, "--out", tmp_path, *TOY)
    assert done.returncode == 0, done.stderr
    assert "phantom" in done.stdout and "images/s" in done.stdout and "left" in done.stdout
    info = json.loads((tmp_path / "edge" / "checkpoint.json").read_text())
    assert info["schema_version"] == 1
    assert info["strategy"]["name"] == "edge"
    assert info["config"]["image_size"] == [64, 96] and info["config"]["epochs"] == 2
    assert info["encoder_weights"] is None, "it started at random"
    assert len(info["history"]) == 2 and info["metrics"]["grouped"]["n_images"] == 2
    assert info["data"]["title"].startswith("procedural phantom")
    assert {"git_commit", "tools", "device", "trainable_parameters", "seconds"} <= set(info)
    assert sorted(p.name for p in (tmp_path / "edge").iterdir()) == ["checkpoint.json", "model.safetensors"]

    again = run_here("train", "--strategy", "edge", "--data", phantom, "--epochs", 2, "--out", tmp_path, *TOY)
    assert again.returncode == 2 and "--resume" in again.stderr and "--overwrite" in again.stderr
    call = ("train", "--strategy", "edge", "--data", phantom, "--out", tmp_path, "--resume")
    resumed = run_here(*call, "--epochs", 2, *TOY)
    assert resumed.returncode == 0 and "complete; nothing to resume" in resumed.stdout
    written = (tmp_path / "edge" / "checkpoint.json").stat().st_mtime_ns
    others = make_dataset(tmp_path / "others", 30)
    for options, said in (
        (("--epochs", 3, *TOY), "epochs: 2, now 3"),
        (("--epochs", 2, *TOY, "--limit", 3), "data limit: "),
        (("--epochs", 2, *TOY, "--data", others), "data sha256: "),
    ):
        refused = run_here(*call, *options)
        assert refused.returncode == 2 and "complete run of something else" in refused.stderr and said in refused.stderr
    assert (tmp_path / "edge" / "checkpoint.json").stat().st_mtime_ns == written


def config(**changes: object) -> TrainConfig:
    base = {"image_size": (64, 96), "encoder_weights": "random", "epochs": 3, "batch_size": 3}
    return TrainConfig(**{**base, "looks": 0, "negatives": 0, **changes})  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder).model.net.state_dict()


@pytest.mark.parametrize("asked", [(), ("--precision", "float32")])
def test_a_run_goes_on_in_its_precision_on_a_cpu_that_would_choose_another(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    def stopped(*arguments: Any) -> None:
        save_state(*arguments)
        raise KeyboardInterrupt

    call = [*map(str, ("--strategy", "edge", "--data", phantom, "--out", tmp_path, "--epochs", 2, *TOY))]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("train.run.save_state", stopped)
        main([*call, "--precision", "float32"])
    assert stored_precision(tmp_path / "edge" / STATE) == "float32"
    monkeypatch.setattr("train.device.pick_precision", lambda name, *_: "bfloat16" if name == "auto" else name)
    assert main([*call, "--resume", *asked]) == 0
    found = load_checkpoint(tmp_path / "edge")
    assert found.config.precision == "float32" and len(found.info["history"]) == 2
    assert stored_precision(tmp_path / "edge" / STATE) is None


@pytest.mark.parametrize("more", [{}, {"looks": 1, "negatives": 0.5}], ids=["alone", "with looks and other frames"])
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, float]
) -> None:
    dataset, cpu, edge = read_dataset(phantom), torch.device("cpu"), STRATEGIES["edge"]
    train(edge, config(**more), dataset, tmp_path / "whole", device=cpu, limit=6)

    original = TrainingRun.epoch

    def interrupted(self: TrainingRun, *args: object) -> float:
        if len(self.history) == 1:
            raise KeyboardInterrupt
        return original(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(TrainingRun, "epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(edge, config(**more), dataset, tmp_path / "cut", device=cpu, limit=6)
    monkeypatch.setattr(TrainingRun, "epoch", original)
    with pytest.raises(UsageError, match="other settings"):
        train(edge, config(**more, lr=1e-2), dataset, tmp_path / "cut", device=cpu, limit=6, resume=True)
    train(edge, config(**more), dataset, tmp_path / "cut", device=cpu, limit=6, resume=True)

    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[k], cut[k]) for k in whole)


def test_frames_from_elsewhere_are_used_and_recorded(run_here: Run, phantom: Path, tmp_path: Path) -> None:
    for name, seed in (("lung/a", 0), ("lung/b", 1), ("heart/a", 2)):
        path = tmp_path / "others" / "not_heads" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(clouds((80, 120), np.random.default_rng(seed))).save(path)
    call = ("train", "--strategy", "edge", "--data", phantom, "--epochs", 1, *TOY, "--others", tmp_path / "others")
    done = run_here(*call, "--leave-out", "not_heads/heart", "--out", tmp_path / "one")
    assert done.returncode == 0, done.stderr
    assert "from elsewhere: 2 of not_heads/lung" in done.stdout and "frames prepared" in done.stdout
    info = json.loads((tmp_path / "one" / "edge" / "checkpoint.json").read_text())
    assert info["data"]["others"] == {"not_heads/lung": 2} and len(info["data"]["others_sha256"]) == 64
    assert (info["config"]["protocol"], info["config"]["looks"], info["config"]["negatives"]) == ("any-scanner", 8, 0.6)
    plain = run_here(*call, "--protocol", "leak-free", "--out", tmp_path / "two")
    assert plain.returncode == 0 and "from elsewhere:" not in plain.stdout
    info = json.loads((tmp_path / "two" / "edge" / "checkpoint.json").read_text())
    assert info["data"]["others"] == {} and info["data"]["others_sha256"] is None
    assert (info["config"]["looks"], info["config"]["negatives"], info["config"]["resize_rule"]) == (0, 0, STRETCH)
    wrong = run_here(*call, "--leave-out", "not_heads/breast", "--out", tmp_path / "three")
    assert wrong.returncode == 2 and "There are: not_heads/heart, not_heads/lung" in wrong.stderr


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
    from train.networks.model import HeadNet

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
    assert (paper.resize_rule, paper.augment, paper.judge_as_paper) == (LINEAR, "reflected", True)
    assert learning_rate(paper, 0.0) == learning_rate(paper, 0.9) == 1e-4


def test_the_protocols_add_to_one_another() -> None:
    default, hc18_alone = (TrainConfig((64, 64), **PROTOCOLS[name]) for name in ("any-scanner", "leak-free"))
    assert default == TrainConfig((64, 64)) and default.protocol == "any-scanner"
    assert (default.resize_rule, default.augment, default.looks, default.negatives) == (SAMPLED, "turned", 8, 0.6)
    assert (hc18_alone.resize_rule, hc18_alone.augment, hc18_alone.looks, hc18_alone.negatives) == (
        STRETCH, "ours", 0, 0,
    )  # fmt: skip
    assert (hc18_alone.split, hc18_alone.keep, hc18_alone.epochs) == ("grouped", "best", 30)
    old = hc18_alone.to_json()
    for name in ("looks", "negatives", "resize_rule"):  # a checkpoint of version 0.1
        old.pop(name)
    assert TrainConfig.from_json(old) == hc18_alone
    for wrong in ({"looks": 51}, {"negatives": -0.1}, {"looks": -1}):
        with pytest.raises(UsageError, match="must be between 0 and"):
            config(**wrong)


def test_turning_calms_down_for_the_last_epochs() -> None:
    names = [augmentation(config(augment="turned", calm=0.25, epochs=8), epoch) for epoch in range(8)]
    assert names == ["turned"] * 6 + ["ours"] * 2
    assert augmentation(config(augment="turned", calm=0.0, epochs=8), 7) == "turned"
    assert augmentation(config(augment="paper", calm=0.25, epochs=8), 7) == "paper"


def test_one_cycle_rises_and_falls() -> None:
    rates = [learning_rate(config(lr=1.0), p) for p in (0.0, 0.3, 0.65, 1.0)]
    assert rates == pytest.approx([1 / 25, 1.0, 0.5, 1e-4], abs=1e-3)


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
    run_here: Run, tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    out = () if "--out" in arguments else ("--out", tmp_path)
    done = run_here("train", *arguments, "--data", "no/such/folder", *out)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_make_train_trains_something() -> None:
    done = subprocess.run(
        ["make", "-n", "--no-print-directory", "train"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].split()[1:] == [
        *("-m", "train", "--strategy", DEFAULT_SIZE, "--out"),
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
def test_training_frames_hold_the_runtimes_bytes_and_the_masks_coverage(phantom: Path, rule: ResizeRule) -> None:
    sample = read_dataset(phantom).samples["000_HC.png"]
    pool = make_pool([sample], [], config(resize_rule=rule))
    prepared = prepare(sample.frame(), (64, 96), rule=rule)
    assert np.array_equal(pool.images[0], prepared.image)
    covered = pool.masks[0].sum() / (UNSURE - 1) * math.prod(prepared.geometry.window().step)
    nearest = 2e-2  # the share of whole pixels
    assert covered == pytest.approx(sample.mask().sum(), rel=nearest if rule == LINEAR else 2e-3)


def test_settings_that_do_not_name_a_resize_rule_stretch() -> None:
    """Those of checkpoints from before there were two."""
    values = config().to_json()
    assert values.pop("resize_rule") == SAMPLED
    assert TrainConfig.from_json(values) == config(resize_rule=STRETCH)


def test_a_checkpoint_names_the_weights_its_encoder_started_from(phantom: Path, tmp_path: Path) -> None:
    go(tmp_path / "edge", read_dataset(phantom), epochs=1, limit=2, encoder_weights="imagenet")
    found = find_encoder_weights("imagenet")
    info = json.loads((tmp_path / "edge" / "checkpoint.json").read_text())
    assert info["encoder_weights"] == {"file": found.file, "sha256": found.sha256}
