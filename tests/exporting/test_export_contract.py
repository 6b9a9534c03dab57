"""The contract: every network, trained a little, exports in every recipe, verified, offline, and runs.

Strategies that differ only in what is trained share their network, and the first of them is exported.
"""

from __future__ import annotations

import json
import math
import os
import socket
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime import Segmenter
from export.job import Job, Options
from export.pipeline import export_checkpoint
from export.quantization.int8 import Int8, make_int8
from export.quantization.settings import Settings
from export.recipes import MIXED_INT8, RECIPES, Budget
from export.tflite.model import Model
from export.verification.figures import Parity
from export.verification.parity import ParityError, no_tighter_than
from tests.helpers.places import HC18, ROOT, Run
from train.checkpoint import load_checkpoint
from train.data.hc18 import Dataset, read_dataset
from train.data.splits import make_split
from train.strategies import STRATEGIES, Strategy

SIZE = (64, 96)


def network_of(strategy: Strategy) -> Strategy:
    """A strategy without what changes nothing in an export."""
    return replace(strategy, name="", summary="", trainable=("all",), paper_row=None)


NETWORKS = list({network_of(strategy): name for name, strategy in reversed(STRATEGIES.items())}.values())
CASES = [(strategy, recipe) for strategy in NETWORKS for recipe in RECIPES]

# Python runs sitecustomize at its start, in every process: whatever tries to leave the machine fails and leaves a note.
OFFLINE = """
import os, socket
connect = socket.socket.connect
def refuse(self, address):
    if self.family == socket.AF_UNIX:
        return connect(self, address)
    with open(os.environ["TRIED"], "a") as file:
        file.write(f"{address}\\n")
    raise OSError("this test is offline")
socket.socket.connect = refuse
"""


@dataclass(frozen=True)
class Exported:
    """Where everything lies, and what the command printed."""

    data: Path
    checkpoints: Path
    out: Path
    document: dict[str, Any]
    text: str
    tried: Path
    temporary: Path

    @cached_property
    def dataset(self) -> Dataset:
        return read_dataset(self.data)

    @cached_property
    def frame(self) -> NDArray[np.uint8]:
        return next(iter(self.dataset.samples.values())).frame()

    @cached_property
    def checkpoint_sha256(self) -> dict[str, str]:
        return {strategy: load_checkpoint(self.checkpoints / strategy).sha256 for strategy in NETWORKS}


@pytest.fixture(scope="module")
def exported(run: Run, phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("contract")
    data = HC18 if HC18.exists() else phantom
    checkpoints, out, tried = folder / "checkpoints", folder / "artifacts", folder / "tried.txt"
    temporary = folder / "tmp"
    for made in (temporary, folder / "offline"):
        made.mkdir()
    (folder / "offline" / "sitecustomize.py").write_text(OFFLINE)
    environment = {
        "PYTHONPATH": f"{folder / 'offline'}{os.pathsep}{ROOT}",
        "TRIED": str(tried),
        "TMPDIR": str(temporary),
    }
    toy = ("--epochs", 1, "--limit", 6, "--image-size", *SIZE)
    trained = run("train", "--strategy", "all", "--protocol", "leak-free", "--data", data, "--out", checkpoints, *toy)
    assert trained.returncode == 0, trained.stderr
    networks = [checkpoints / name for name in NETWORKS]
    few = ("--calibration-images", 6, "--verify-images", 4, "--accuracy-images", 3)
    call = ("--checkpoint", *networks, "--data", data, "--out", out, "--json", "--jobs", 1, *few)
    result = run("export", *call, env=environment, timeout=1200)
    assert result.returncode == 0, result.stderr
    return Exported(data, checkpoints, out, json.loads(result.stdout), result.stderr, tried, temporary)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "recipe"), CASES)
def test_every_network_runs_in_every_recipe(exported: Exported, strategy: str, recipe: str) -> None:
    segmenter = Segmenter.load(exported.out / strategy / f"{strategy}-{recipe}.tflite")
    manifest = segmenter.manifest
    assert (manifest.strategy, manifest.recipe, segmenter.size) == (strategy, recipe, SIZE)
    frame = exported.frame
    logits = segmenter.logits(frame)
    assert logits.shape == manifest.output_size and np.isfinite(logits).all()
    stride = 4 if STRATEGIES[strategy].architecture == "patch-unet" else 1
    assert manifest.output_size == (SIZE[0] // stride, SIZE[1] // stride)
    assert segmenter.segment(frame).shape == frame.shape
    assert manifest.parity["n_images"] == len(manifest.parity["images"]) > 0
    assert manifest.parity["tolerance"]["mask_dice"] == RECIPES[recipe].tolerance.mask_dice
    part = next(iter(manifest.accuracy["parts"].values()))
    assert part["degradation"]["against"] == f"{strategy}-float32"
    assert manifest.checkpoint["sha256"] == exported.checkpoint_sha256[strategy]
    assert manifest.tools["onnx2tf"]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", NETWORKS)
def test_full_int8_takes_a_frames_bytes(exported: Exported, strategy: str) -> None:
    manifest = Segmenter.load(exported.out / strategy / f"{strategy}-full_int8.tflite").manifest
    assert (manifest.input.dtype, manifest.output.dtype) == ("uint8", "uint8")
    assert manifest.input.scale == pytest.approx(1 / 255, rel=1e-6)
    assert manifest.input.zero_point == 0
    dataset = exported.dataset
    calibration = manifest.calibration
    assert calibration["title"] == dataset.title
    assert set(calibration["sha256"]) <= set(make_split(dataset, "grouped").train)
    assert calibration["count"] == len(calibration["sha256"]) == 6


@pytest.mark.slow
def test_the_command_reports_what_it_did(exported: Exported) -> None:
    title = exported.dataset.title
    assert f"data: {title}" in exported.text
    assert exported.document["failures"] == []
    assert len(exported.document["artifacts"]) == len(CASES)
    assert f"verified artifacts: {len(CASES)}, in {exported.out}" in exported.text
    assert all(Path(entry["path"]).is_file() for entry in exported.document["artifacts"])
    written = [p.name for p in exported.out.rglob("*") if p.is_file()]
    assert sorted(written) == sorted(f"{s}-{r}{end}" for s, r in CASES for end in (".tflite", ".json"))
    assert [p for p in exported.temporary.iterdir() if not p.name.startswith("torchinductor")] == []  # torch's cache


@pytest.mark.slow
def test_nothing_tried_to_leave_the_machine(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not exported.tried.exists()
    monkeypatch.setenv("TRIED", str(tmp_path / "tried.txt"))
    monkeypatch.setattr(socket.socket, "connect", socket.socket.connect)  # put back afterwards
    exec(OFFLINE, {})
    with socket.socket(socket.AF_INET) as probe, pytest.raises(OSError, match="offline"):
        probe.connect(("127.0.0.1", 9))
    assert (tmp_path / "tried.txt").exists()


@pytest.mark.slow
def test_what_is_up_to_date_is_left_alone(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, dataset = load_checkpoint(exported.checkpoints / "edge-s"), exported.dataset
    options = Options((RECIPES["dynamic_int8"],), tmp_path, verify_images=2, accuracy_images=1)
    (path,) = export_checkpoint(checkpoint, dataset, options)
    first = path.stat().st_mtime_ns
    assert list(export_checkpoint(checkpoint, dataset, options)) == [path]
    assert "up to date" in capsys.readouterr().out
    assert path.stat().st_mtime_ns == first
    monkeypatch.setattr("export.job.source_sha256", lambda: "other source")
    export_checkpoint(checkpoint, dataset, options)
    assert "replaces them" in capsys.readouterr().out
    assert path.stat().st_mtime_ns > first


@pytest.mark.slow
def test_a_mixed_file_is_up_to_date_and_a_full_one_of_an_earlier_export_is_named(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, dataset = load_checkpoint(exported.checkpoints / "edge-s"), exported.dataset
    options = Options((RECIPES["full_int8"],), tmp_path, 4, 2, 1, budget=Budget(math.inf, math.inf))
    (full,) = export_checkpoint(checkpoint, dataset, replace(options, calibration_images=3))
    assert full.name == "edge-s-full_int8.tflite"

    def beyond_budget(job: Job, plain: Model, fine_tune: object) -> Int8:
        made = make_int8(job, plain)
        first = tuple(operator.index for operator in plain.operators[:4])
        settings = replace(Settings.from_json(made.quantization["settings"]), in_float=first)
        return replace(made, data=settings.apply(plain), recipe=MIXED_INT8)

    monkeypatch.setattr("export.pipeline.make_int8", beyond_budget)
    (mixed,) = export_checkpoint(checkpoint, dataset, options)
    assert mixed.name == "edge-s-mixed_int8.tflite"
    assert f"{full} is of the earlier export, and stays" in capsys.readouterr().out and full.exists()
    first = mixed.stat().st_mtime_ns
    assert list(export_checkpoint(checkpoint, dataset, options)) == [mixed]
    assert "up to date" in capsys.readouterr().out and mixed.stat().st_mtime_ns == first


@pytest.mark.slow
def test_a_recipe_that_loses_too_much_is_not_written_and_the_others_are(exported: Exported, tmp_path: Path) -> None:
    checkpoint, dataset = load_checkpoint(exported.checkpoints / "edge-s"), exported.dataset
    impossible = replace(RECIPES["dynamic_int8"], tolerance=replace(RECIPES["dynamic_int8"].tolerance, sqnr_db=1000.0))
    options = Options((impossible, RECIPES["float16"]), tmp_path, verify_images=2, accuracy_images=1)
    failures: list[ParityError] = []
    (path,) = export_checkpoint(checkpoint, dataset, options, failures.append)
    assert path.name == "edge-s-float16.tflite" and not list(tmp_path.rglob("*dynamic*"))
    assert len(failures) == 1 and "edge-s-dynamic_int8" in str(failures[0]) and "SQNR" in str(failures[0])
    measured = failures[0].manifest
    assert (
        measured
        and measured.recipe == "dynamic_int8"
        and all(p["n_images"] for p in measured.accuracy["parts"].values())
    )
    with pytest.raises(ParityError):
        export_checkpoint(checkpoint, dataset, replace(options, force=True))


@pytest.mark.slow
def test_a_recipe_is_written_whose_loss_is_below_that_of_noise(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, dataset = load_checkpoint(exported.checkpoints / "edge-s"), exported.dataset
    strict = replace(RECIPES["dynamic_int8"], tolerance=replace(RECIPES["dynamic_int8"].tolerance, sqnr_db=1000.0))
    noise = Parity(2, 2, 9.0, 9.0, -9.0, 0.5, 0.5, 0.5, 9.0, 9.0)
    monkeypatch.setattr("export.pipeline.under_noise", lambda predict, answers: noise)
    made = export_checkpoint(checkpoint, dataset, Options((strict,), tmp_path, verify_images=2, accuracy_images=1))
    (manifest,) = made.values()
    assert manifest.parity["tolerance"] == asdict(no_tighter_than(noise, strict.tolerance))
    assert "edge-s-dynamic_int8: differs from torch by more than usual, but by less than" in capsys.readouterr().out
