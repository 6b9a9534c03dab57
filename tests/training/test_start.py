"""Training that begins with a checkpoint's weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from edge_runtime.errors import UsageError
from edge_runtime.shipped import DEFAULT_SIZE
from tests.helpers.places import ROOT
from tests.helpers.short_run import go
from train.__main__ import main
from train.checkpoint import load_checkpoint
from train.data.hc18 import read_dataset
from train.data.splits import make_split
from train.start import read_start
from train.strategies import STRATEGIES

SHIPPED = ROOT / "checkpoints" / DEFAULT_SIZE


@pytest.fixture(scope="module")
def first(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of two epochs."""
    folder = tmp_path_factory.mktemp("first") / "edge"
    go(folder, read_dataset(phantom), split="fold-1")
    return folder


def test_training_goes_on_from_the_weights(phantom: Path, first: Path, tmp_path: Path) -> None:
    start = read_start(first, STRATEGIES["edge"])
    go(tmp_path / "still", read_dataset(phantom), start=start, epochs=1, lr=1e-12, split="fold-1")
    before, after = load_checkpoint(first), load_checkpoint(tmp_path / "still")
    for name, parameter in before.model.net.named_parameters():
        assert torch.allclose(parameter, after.model.net.get_parameter(name), atol=1e-6), name
    record = after.info["started_from"]
    assert after.config.start_sha256 == record["sha256"] == before.sha256 and before.info["started_from"] is None
    assert (record["strategy"], record["epochs"]) == ("edge", 2)


def test_what_the_first_networks_saw_is_remembered(phantom: Path, first: Path, tmp_path: Path) -> None:
    dataset = read_dataset(phantom)
    go(tmp_path / "second", dataset, limit=2, start=read_start(first, STRATEGIES["edge"]), epochs=1, split="fold-1")
    record = read_start(tmp_path / "second", STRATEGIES["edge"]).record
    assert record["epochs"] == 3 and len(record["trained_on"][dataset.title]) == 4
    seen = record["trained_on"][dataset.title][3]
    split = next(name for name in ("fold-2", "fold-3", "fold-4", "fold-5") if seen in make_split(dataset, name).test)
    with pytest.raises(UsageError, match=r"second was trained on \d images? of the parts that judge"):
        go(tmp_path / "third", dataset, start=read_start(tmp_path / "second", STRATEGIES["edge"]), split=split)


def test_images_of_another_data_set_are_not_taken_for_seen(phantom: Path, first: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(first, tmp_path / "elsewhere"))
    info = json.loads((copy / "checkpoint.json").read_text())
    info["data"] |= {"title": "HC18", "files": {"train": list(make_split(read_dataset(phantom), "fold-1").test)}}
    (copy / "checkpoint.json").write_text(json.dumps(info))
    go(tmp_path / "edge", read_dataset(phantom), start=read_start(copy, STRATEGIES["edge"]), epochs=1, split="fold-1")


def test_another_network_is_refused(first: Path) -> None:
    with pytest.raises(UsageError, match=rf"the network of edge, which is not that of {DEFAULT_SIZE}: .*Start from"):
        read_start(first, STRATEGIES[DEFAULT_SIZE])


def test_a_run_does_not_go_on_from_other_weights(phantom: Path, first: Path, half: Path) -> None:
    with pytest.raises(UsageError, match="start_sha256: None, now "):
        go(half, read_dataset(phantom), resume=True, start=read_start(first, STRATEGIES["edge"]))


def test_the_shipped_network_is_trained_further_on_ones_own_images(phantom: Path, tmp_path: Path) -> None:
    brief = ["--epochs", "1", "--limit", "2", "--lr", "1e-5", "--image-size", "64", "96"]
    given = ["--data", str(phantom), "--start-from", str(SHIPPED), "--out", str(tmp_path)]
    assert main(["--strategy", DEFAULT_SIZE, *brief, *given]) == 0
    info = load_checkpoint(tmp_path / DEFAULT_SIZE).info
    assert info["started_from"]["strategy"] == DEFAULT_SIZE and info["encoder_weights"] is None
