"""Trainings that break: damaged states, other data, two runs into one folder, full disks."""

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

from edge_runtime.common.lock import LOCK, locked
from edge_runtime.errors import FetalHeadError, ModelError, UsageError
from tests.helpers.places import ROOT, Run
from tests.helpers.short_run import FILES, content, go, in_epoch, interrupt
from train.checkpoint import load_checkpoint
from train.data.hc18 import Dataset, read_dataset
from train.run import Run as TrainingRun

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


def test_the_command_refuses_it_before_it_searches_for_data(run_here: Run, tmp_path: Path) -> None:
    with locked(tmp_path / "edge"):
        done = run_here("train", "--strategy", "edge", "--data", "no/such/folder", "--out", tmp_path, "--overwrite")
    assert done.returncode == 2 and "in use by another run" in done.stderr and "Traceback" not in done.stderr


def test_runs_of_two_strategies_share_a_folder(dataset: Dataset, tmp_path: Path) -> None:
    with locked(tmp_path / "edge"):
        go(tmp_path / "decoder-4", dataset, "decoder-4", epochs=1)
    assert content(tmp_path / "decoder-4") == FILES


def test_the_lock_of_a_killed_run_does_not_count(tmp_path: Path) -> None:
    program = "import os, sys, pathlib; from edge_runtime.common.lock import locked\n"
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
