"""The same weights in other engines: what is compared, what a failure costs, and what the command refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.peers.document import read_peers
from benchmarks.peers.environments import Environment, make
from benchmarks.peers.process import Ready
from benchmarks.peers.rounds import Plan, measure
from benchmarks.peers.rows import OURS, ROWS, rows_of
from benchmarks.peers.source import CALIBRATION, IMAGES, ONNX
from edge_runtime.errors import FetalHeadError, UsageError
from tests.helpers.places import Run
from tests.helpers.random_checkpoint import make_checkpoint

BY_NAME = {row.name: row for row in ROWS}


@pytest.mark.slow
def test_weights_are_compared_and_what_fails_costs_its_row(run: Run, phantom: Path, tmp_path: Path) -> None:
    checkpoint, out = make_checkpoint(tmp_path / "edge-s"), tmp_path / "peers.json"
    nowhere = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}  # so that the other engine cannot be installed
    done = run(
        "benchmarks", "peers", "--checkpoint", checkpoint, "--data", phantom, "--images", 2, "--rounds", 1,
        "--frames", 3, "--warmup", 1, "--threads", 1, "--engines", "litert-pinned", "ncnn",
        "--environments", tmp_path / "environments", "--out", out, env=nowhere,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done.stderr
    document = read_peers(out)
    (network,) = document.networks
    rows = {row.name: row for row in network.rows}
    assert set(rows) == {"litert-pinned-float32", OURS, "ncnn-float32", "ncnn-int8", "torch-float32"}
    assert (network.size, network.n_images, document.rounds) == ((64, 96), 2, 1)
    assert rows[OURS].latencies[0].times_ours == 1 and len(rows[OURS].latencies[0].rounds_ms) == 1
    assert rows["litert-pinned-float32"].mask_dice > 0.999 and rows["torch-float32"].mask_dice == 1
    for name in ("litert-pinned-float32", OURS, "torch-float32"):
        row = rows[name]
        assert row.error is None and row.latencies[0].median_ms > 0 and row.peak_memory_bytes > 20e6
        assert 10_000 < row.size_bytes < row.engine_bytes and row.dice.n == 2
    assert rows[OURS].size_bytes < rows["litert-pinned-float32"].size_bytes / 2
    for name in ("ncnn-float32", "ncnn-int8"):
        assert "could not be made" in rows[name].error and "ncnn==" in rows[name].error and not rows[name].latencies
    assert "torch eager" in done.stdout and "not measured: ncnn int8" in done.stdout
    assert str(tmp_path) not in out.read_text()


def test_a_process_that_fails_hangs_or_says_nothing_is_named(tmp_path: Path) -> None:
    ready = Ready(BY_NAME[OURS], Path(sys.executable), tmp_path, tmp_path)
    with pytest.raises(FetalHeadError, match="convert ended with exit code 1: FileNotFoundError"):
        ready.call("convert")
    for text, said in (("kill -9 $$", "killed by signal 9"), ("echo nothing", "no result"), ("echo 3", "no result")):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{text}\n")
        python.chmod(0o755)
        with pytest.raises(FetalHeadError, match=said):
            replace(ready, python=python).call("time")


def test_a_row_that_fails_while_timed_is_left_out_of_later_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def call(self: Ready, task: str, threads: int, **options: int) -> dict[str, list[float]]:
        calls.append(self.row.name)
        if self.row.name == "ncnn-float32":
            raise FetalHeadError("it crashed")
        return {"ms": [2.0, 2.0, 9.0] if self.row.name == OURS else [5.0, 4.0, 3.0]}

    monkeypatch.setattr(Ready, "call", call)
    ready = [Ready(BY_NAME[name], Path(), Path(), Path()) for name in (OURS, "ncnn-float32", "torch-float32")]
    found = measure(ready, Plan(rounds=2, frames=3, warmup=0, threads=(1, 2)))
    assert found["ncnn-float32"] == "it crashed" and calls.count("ncnn-float32") == 1
    one, two = found["torch-float32"]
    assert (one.threads, two.threads, one.median_ms, one.times_ours, one.rounds_ms) == (1, 2, 4, 2, (4, 4))
    assert measure(ready, Plan(0, 3, 0, (1,)))[OURS] == ()


def test_an_environment_is_made_once_and_not_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    _wheel(wheel)
    found = Environment("tiny", (str(wheel),), torch=True)
    python = make(found, tmp_path / "kept")
    said = subprocess.run([python, "-c", "import tiny, numpy; print(tiny.__file__)"], capture_output=True, text=True)
    assert str(tmp_path / "kept") in said.stdout, said.stderr
    wheel.unlink()
    assert make(found, tmp_path / "kept") == python
    for _ in range(2):  # what failed is tried again
        with pytest.raises(FetalHeadError, match="could not be made"):
            make(replace(found, packages=("no-such-package-here==1",)), tmp_path / "kept")


def _wheel(path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny.py", "")
        file.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        file.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("tiny-1.0.dist-info/RECORD", "")


def test_onnxruntime_answers_as_torch_does(tmp_path: Path) -> None:
    import torch

    from export.conversion.to_onnx import write_onnx
    from train.checkpoint import load_checkpoint
    from train.networks.model import single_channel

    model = load_checkpoint(make_checkpoint(tmp_path / "edge-s")).model
    write_onnx(model, (64, 96), tmp_path / ONNX)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 96), dtype=np.uint8)
    np.save(tmp_path / IMAGES, images)
    np.save(tmp_path / CALIBRATION, images)
    with torch.inference_mode():
        wanted = single_channel(model)(torch.from_numpy(images[:, None] / np.float32(255))).numpy()[:, 0]
    for name, tolerance in (("onnxruntime-float32", 1e-3), ("onnxruntime-int8", 0.5)):
        target = tmp_path / name
        target.mkdir()
        ready = Ready(BY_NAME[name], Path(sys.executable), tmp_path, target)
        assert 0 < ready.call("convert")["size_bytes"] < 40e6
        answers = ready.call("answer")
        logits = np.fromfile(target.with_suffix(".f32"), np.float32).reshape(-1, *answers["shape"])
        assert np.abs(logits - wanted).mean() < tolerance * wanted.std()
        assert len(ready.call("time", frames=4, warmup=1)["ms"]) == 4


def test_bad_calls_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    for call, said in (
        (("--engines", "tvm"), "no engine 'tvm'. There are: litert-pinned"),
        (("--rounds", "-1"), "--rounds: -1"),
        (("--threads", "9999"), "--threads"),
        (("--model", "edge-xl"), "edge-xl"),
        (("--model", "edge-m", "--checkpoint", "checkpoints/edge-m"), "not allowed with"),
        (("--environments", tmp_path / "file"), "--environments"),
        (("--out", tmp_path / "file"), "already exists"),
    ):
        try:
            pytest.fail(f"{call} ended with {main(['peers', *map(str, call)])}")
        except UsageError as error:
            assert said in str(error)
        except SystemExit as error:
            assert error.code == 2 and said in capsys.readouterr().err
    with pytest.raises(UsageError):
        rows_of(["no-such"])
    assert {row.name for row in rows_of(["ncnn"])} == {OURS, "ncnn-float32", "ncnn-int8", "torch-float32"}


def test_the_table_has_the_fastest_first(tmp_path: Path) -> None:
    from benchmarks.common.result_files import RESULTS
    from benchmarks.peers.table import body, failures, header

    for path in sorted((RESULTS / "peers").glob("*.json")):
        for network in read_peers(path).networks:
            rows, missing = body(network), failures(network)
            assert len(rows) + len(missing) == len(network.rows) and all(len(r) == len(header(network)) for r in rows)
            assert json.dumps(rows).isascii()
