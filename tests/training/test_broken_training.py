"""Trainings that break: NaN, damaged states, other data, two runs into one folder, full disks."""

from __future__ import annotations

import math
import os
import pickle
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from edge_runtime.errors import FetalHeadError, ModelError, UsageError
from tests.helpers.places import ROOT, Run
from train import run as run_module
from train.checkpoint import load_checkpoint
from train.config import TrainConfig
from train.data.hc18 import Dataset, read_dataset
from train.divergence import DivergenceError, find_not_finite
from train.lock import LOCK, locked
from train.loop import train
from train.model import HeadNet
from train.run import Run as TrainingRun
from train.strategies import STRATEGIES

EDGE = STRATEGIES["edge"]
CPU = torch.device("cpu")
FILES = ["checkpoint.json", "model.safetensors"]


@pytest.fixture(scope="module")
def dataset(phantom: Path) -> Dataset:
    return read_dataset(phantom)


def go(folder: Path, dataset: Dataset, strategy: str = "edge", limit: int = 4, **options: Any) -> None:
    """A run of two epochs of two steps; ``options`` are settings, or ``resume`` and ``overwrite``."""
    ways = {key: options.pop(key) for key in ("resume", "overwrite") if key in options}
    settings = {"image_size": (64, 64), "encoder_weights": "random", "epochs": 2, "batch_size": 2, **options}
    train(STRATEGIES[strategy], TrainConfig(**settings), dataset, folder, device=CPU, limit=limit, **ways)


def content(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """A run that was interrupted after its first epoch; tests copy it."""
    folder = tmp_path_factory.mktemp("interrupted") / "edge"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingRun, "epoch", in_epoch(2, interrupt))
        with pytest.raises(KeyboardInterrupt):
            go(folder, dataset)
    assert content(folder) == ["resume.pt"]
    return folder


@pytest.fixture
def half(interrupted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(interrupted, tmp_path / "half" / "edge"))


def in_epoch(number: int, act: Callable[[TrainingRun], object]) -> Callable[..., float]:
    """``Run.epoch`` that acts on the run before one epoch."""
    original = TrainingRun.epoch

    def epoch(self: TrainingRun, *args: Any) -> float:
        if len(self.history) + 1 == number:
            act(self)
        return original(self, *args)

    return epoch


def interrupt(_: object) -> None:
    raise KeyboardInterrupt


# What is not finite


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
    command = ["--strategy", "edge", "--data", phantom, "--image-size", 64, 64, "--limit", 4, "--batch-size", 2]
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
        make_checkpoint(tmp_path / "edge")
    with pytest.raises(ModelError, match=r"the network itself answers NaN.*Train again"):
        load_checkpoint(tmp_path / "edge")


# States


def change(path: Path, alter: Callable[[dict[str, Any]], object]) -> None:
    state = torch.load(path, weights_only=True)
    alter(state)
    torch.save(state, path)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "one bit": flip,
    "text": lambda path: path.write_text("not a state\n"),
    "zeros": lambda path: path.write_bytes(bytes(5000)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pickle": lambda path: path.write_bytes(pickle.dumps({"model": Evil()})),
    "code": lambda path: torch.save({"model": Evil()}, path),
    "a tensor": lambda path: torch.save(torch.zeros(3), path),
    "weights alone": lambda path: torch.save({"a": torch.zeros(3)}, path),
    "old": lambda path: change(path, lambda state: (state.pop("schema_version"), state.pop("data"))),
    "newer": lambda path: change(path, lambda state: state.update(schema_version=9)),
    "no history": lambda path: change(path, lambda state: state.update(history=7)),
    "epochs missing": lambda path: change(path, lambda state: state["history"][0].update(epoch=2)),
    "a weight missing": lambda path: change(path, lambda state: state["model"].popitem()),
    "another shape": lambda path: change(path, lambda s: s["best"].update({next(iter(s["best"])): torch.zeros(1)})),
    "optimizer": lambda path: change(path, lambda state: state["optimizer"]["state"][0].pop("exp_avg")),
    "moments": lambda path: change(path, lambda s: s["optimizer"]["state"][0].update(exp_avg=torch.zeros(2))),
    "groups": lambda path: change(path, lambda state: state["optimizer"]["param_groups"].clear()),
    "nan": lambda path: change(path, lambda state: next(iter(state["model"].values())).fill_(math.nan)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_state_is_one_clear_message(
    dataset: Dataset, half: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(half.parent)
    state = half / "resume.pt"
    DAMAGE[damage](state)
    with pytest.raises(ModelError) as caught:
        go(half, dataset, resume=True)
    assert str(state) in str(caught.value) and "--overwrite" in str(caught.value)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 1
    assert content(half) == ["resume.pt"] and not (half.parent / "executed").exists()


def test_a_damaged_state_is_replaced_with_overwrite(dataset: Dataset, half: Path) -> None:
    flip(half / "resume.pt")
    go(half, dataset, overwrite=True, epochs=1)
    assert content(half) == FILES


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": 5}, "data limit: 4, now 5"),
        ({"limit": None}, "data limit: 4, now None"),
        ({"train_images": 3}, "train_images: None, now 3"),
        ({"split": "paper"}, "split: grouped, now paper"),
        ({"seed": 1}, "seed: 0, now 1"),
        ({"strategy": "encoder-only"}, "strategy: edge, now encoder-only"),
    ],
)
def test_other_settings_are_refused(dataset: Dataset, half: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match="other settings or with other data") as caught:
        go(half, dataset, resume=True, **options)
    assert said in str(caught.value) and "--overwrite" in str(caught.value)


def test_other_data_is_refused(phantom: Path, half: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(phantom, tmp_path / "other"))
    images = sorted((other / "training_set").glob("*_HC.png"))
    shutil.copy(images[0], tmp_path / "first")
    for image in images:  # the same names, each with the next one's pixels
        following = images[(images.index(image) + 1) % len(images)]
        shutil.copy(following if following != images[0] else tmp_path / "first", image)
    with pytest.raises(UsageError, match="data sha256"):
        go(half, read_dataset(other), resume=True)


def test_overwrite_forgets_the_interrupted_run(dataset: Dataset, half: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainingRun, "epoch", in_epoch(1, interrupt))
    with pytest.raises(KeyboardInterrupt):
        go(half, dataset, overwrite=True)
    assert content(half) == []


def test_an_interrupted_overwriting_run_is_resumed(
    dataset: Dataset, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (half / "checkpoint.json").write_text("{}")  # that of the run that is being replaced
    (half / ".resume.pt.abc.tmp").touch()  # of a run that was killed while it wrote
    go(half, dataset, resume=True)
    assert content(half) == FILES
    assert len(load_checkpoint(half).info["history"]) == 2


# Locks


@pytest.mark.parametrize("way", [{}, {"resume": True}, {"overwrite": True}])
def test_a_second_run_into_a_folder_is_refused(dataset: Dataset, half: Path, way: dict[str, bool]) -> None:
    before = (half / "resume.pt").read_bytes()
    with locked(half), pytest.raises(UsageError, match=f"in use by another run .*{os.getpid()}"):
        go(half, dataset, **way)
    assert (half / "resume.pt").read_bytes() == before
    assert content(half) == ["resume.pt"]


def test_the_command_refuses_it_before_it_searches_for_data(run: Run, tmp_path: Path) -> None:
    with locked(tmp_path / "edge"):
        done = run("train", "--strategy", "edge", "--data", "no/such/folder", "--out", tmp_path, "--overwrite")
    assert done.returncode == 2 and "in use by another run" in done.stderr and "Traceback" not in done.stderr


def test_runs_of_two_strategies_share_a_folder(dataset: Dataset, tmp_path: Path) -> None:
    with locked(tmp_path / "edge"):
        go(tmp_path / "decoder-4", dataset, "decoder-4", epochs=1)
    assert content(tmp_path / "decoder-4") == FILES


def test_the_lock_of_a_killed_run_does_not_count(tmp_path: Path) -> None:
    program = "import os, sys, pathlib; from train.lock import locked\n"
    program += "with locked(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "edge")], cwd=ROOT, check=False)
    assert content(tmp_path / "edge") == [LOCK]
    with locked(tmp_path / "edge"), pytest.raises(UsageError), locked(tmp_path / "edge"):
        pass
    assert content(tmp_path / "edge") == []


def test_a_file_system_without_locks_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(tmp_path / "edge"):
        assert "warning" in capsys.readouterr().out
    assert not (tmp_path / "edge").exists()


# Full disks


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may be larger, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_for_the_state(dataset: Dataset, half: Path, tmp_path: Path) -> None:
    before = (half / "resume.pt").read_bytes()
    with room(20_000_000), pytest.raises(FetalHeadError, match="MB free") as caught:
        go(half, dataset, resume=True)
    assert caught.value.exit_code == 1
    assert str(half / "resume.pt") in str(caught.value) and "File too large" in str(caught.value)
    assert (half / "resume.pt").read_bytes() == before and content(half) == ["resume.pt"]

    with room(20_000_000), pytest.raises(FetalHeadError, match="nothing was kept") as caught:
        go(tmp_path / "new", dataset)
    assert "start the run again" in str(caught.value) and "--resume" not in str(caught.value)
    assert content(tmp_path / "new") == []


def test_no_room_for_the_checkpoint(dataset: Dataset, half: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train import loop

    original = loop.evaluate
    (half / "checkpoint.json").write_text("{}")
    (half / "model.safetensors").write_bytes(b"of the run that is being replaced")

    with monkeypatch.context() as patch, room(200_000_000):
        soft = resource.getrlimit(resource.RLIMIT_FSIZE)

        def fill(*args: Any) -> Any:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, soft[1]))
            return original(*args)

        patch.setattr(loop, "evaluate", fill)
        with pytest.raises(FetalHeadError, match="keeps the finished epochs") as caught:
            go(half, dataset, resume=True)
    assert caught.value.exit_code == 1 and "model.safetensors" in str(caught.value)
    assert content(half) == [*FILES, "resume.pt"] and (half / "checkpoint.json").read_text() == "{}"
    go(half, dataset, resume=True)
    assert content(half) == FILES and load_checkpoint(half).info["kept_epoch"] in (1, 2)


# What two runs share


def test_two_runs_draw_the_phantom_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train.data import phantom

    original = phantom._write

    def overtaken(folder: Path, count: int, note: str) -> None:
        original(folder, count, note)
        original(tmp_path / "phantom", count, note)  # the other run is done by now

    monkeypatch.setattr(phantom, "_write", overtaken)
    assert phantom.make_dataset(tmp_path / "phantom", 2) == tmp_path / "phantom"
    assert content(tmp_path) == ["phantom"]
