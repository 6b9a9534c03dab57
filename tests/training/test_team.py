"""Two processes that train one network: the result of one, and what a killed one costs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from edge_runtime.errors import UsageError
from tests.helpers.places import ROOT, Run
from train.team import joined

TOY = ("--protocol", "leak-free", "--image-size", 64, 96, "--limit", 11, "--batch-size", 4)
TOGETHER = ("torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "train")


def train(run: Run, out: Path, data: Path, *how: object, options: tuple[object, ...] = ()) -> dict[str, Any]:
    """What ``checkpoint.json`` says after a run to its end."""
    call = ("--strategy", "edge-s", "--data", data, "--out", out, *TOY, "--epochs", 2, *options)
    done = run(*how, *call, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    return json.loads((out / "edge-s" / "checkpoint.json").read_text())  # type: ignore[no-any-return]


def weights(out: Path) -> Any:
    return load_file(out / "edge-s" / "model.safetensors")


@pytest.fixture(scope="module")
def alone(run: Run, tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("alone")
    return out, train(run, out, phantom, "train")


def test_two_processes_give_the_result_of_one(
    run: Run, alone: tuple[Path, dict[str, Any]], phantom: Path, tmp_path: Path
) -> None:
    folder, expected = alone
    found = train(run, tmp_path, phantom, *TOGETHER)
    assert found["device"]["processes"] == 2 and "processes" not in expected["device"]
    losses = [[epoch["loss"] for epoch in record["history"]] for record in (expected, found)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    one, two = weights(folder), weights(tmp_path)
    assert all((one[name].float() - two[name].float()).abs().max() < 5e-3 for name in one)


def test_without_synced_batch_norm_it_differs(
    run: Run, alone: tuple[Path, dict[str, Any]], phantom: Path, tmp_path: Path
) -> None:
    _, expected = alone
    found = train(run, tmp_path, phantom, *TOGETHER, options=("--set", "batch_norm=local"))
    assert found["config"]["batch_norm"] == "local"
    assert found["history"][0]["loss"] != pytest.approx(expected["history"][0]["loss"], rel=1e-3)


def start(*call: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, call)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_an_epoch(out: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 200
    while not (out / "edge-s" / "resume.pt").exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)


def test_a_killed_process_costs_the_epoch_at_most(phantom: Path, tmp_path: Path) -> None:
    call = ("--strategy", "edge-s", "--data", phantom, "--out", tmp_path, *TOY, "--epochs", 20, "--resume")
    process = start(TOGETHER[0], "--max-restarts", 1, *TOGETHER[1:], *call)
    wait_for_an_epoch(tmp_path, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    said, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    assert "resumed after epoch" in said
    assert "train/__main__.py" not in complaints, "no traceback of ours"
    record = json.loads((tmp_path / "edge-s" / "checkpoint.json").read_text())
    assert [epoch["epoch"] for epoch in record["history"]] == list(range(1, 21))


def test_the_process_that_is_left_says_so(phantom: Path, tmp_path: Path) -> None:
    """Without torchrun, which may end it before it has noticed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    call = ("train", "--strategy", "edge-s", "--data", phantom, "--out", tmp_path, *TOY, "--epochs", 500)
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    leading, other = (start(*call, RANK=str(rank), LOCAL_RANK=str(rank), **shared) for rank in range(2))
    wait_for_an_epoch(tmp_path, leading)
    other.kill()
    _, complaints = leading.communicate(timeout=300)
    other.communicate()
    assert leading.returncode == 1
    assert "error: Another process of this training has ended" in complaints
    assert "train/__main__.py" not in complaints, "no traceback of ours"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"WORLD_SIZE": "2"}, "it is set and RANK and LOCAL_RANK and MASTER_ADDR and MASTER_PORT are not"),
        ({"WORLD_SIZE": "x", "RANK": "0"}, "it is 'x', and RANK '0'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "it is '2', and RANK '2'"),
    ],
)
def test_half_of_torchruns_variables_are_named(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = {} if len(variables) == 1 else {"LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in {**variables, **rest}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=said), joined(torch.device("cpu")):
        pass
