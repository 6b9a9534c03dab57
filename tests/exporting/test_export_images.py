"""Which images the export calibrates on, compares on and tests on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UsageError
from edge_runtime.frame.geometry import RESIZE_RULES, ResizeRule
from edge_runtime.frame.preprocess import prepare
from export.images import (
    accuracy_parts,
    calibration_record,
    calibration_samples,
    load_images,
    parity_samples,
    split_of,
)
from tests.helpers.random_checkpoint import make_checkpoint
from train.checkpoint import load_checkpoint
from train.config import TrainConfig
from train.data.hc18 import read_dataset
from train.data.splits import SPLITS, evenly_spaced, make_split
from train.frames.pool import make_pool

SIZE = (64, 96)


@pytest.mark.parametrize("name", SPLITS)
def test_calibration_is_from_training_images_alone(hc18: Path, name: str) -> None:
    dataset = read_dataset(hc18)
    split = make_split(dataset, name)  # type: ignore[arg-type]
    chosen = {s.name for s in calibration_samples(dataset, split, 100)}
    tested = set((hc18 / "splits" / "paper_test.txt").read_text().split())
    assert len(chosen) == 100
    assert not chosen & tested
    assert not chosen & {*split.val, *split.test}


def test_calibration_is_deterministic_and_spans_the_circumferences(phantom: Path) -> None:
    dataset = read_dataset(phantom)
    split = make_split(dataset, "grouped")
    chosen = calibration_samples(dataset, split, 5)
    assert chosen == calibration_samples(dataset, split, 5)
    sizes = [s.hc_mm for s in dataset.select(split.train)]
    assert (chosen[0].hc_mm, chosen[-1].hc_mm) == (min(sizes), max(sizes))
    assert evenly_spaced(chosen, 99) == chosen


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_images_are_prepared_as_in_training(phantom: Path, rule: ResizeRule) -> None:
    dataset = read_dataset(phantom)
    samples = calibration_samples(dataset, make_split(dataset, "grouped"), 3)
    images = load_images(samples, SIZE, rule)
    settings = TrainConfig(image_size=SIZE, encoder_weights="random", resize_rule=rule, looks=0, negatives=0.0)
    assert images.inputs.dtype == np.uint8
    assert np.array_equal(images.inputs, make_pool(samples, [], settings).images)
    assert [one.geometry for one in images.prepared] == [prepare(s.frame(), SIZE, rule=rule).geometry for s in samples]


def test_every_calibration_file_is_hashed(phantom: Path) -> None:
    dataset = read_dataset(phantom)
    split = make_split(dataset, "grouped")
    samples = calibration_samples(dataset, split, 3)
    record = calibration_record(dataset, split, samples)
    assert record["title"].startswith("procedural phantom")
    assert record["count"] == 3
    for sample in samples:
        assert record["sha256"][sample.name] == hashlib.sha256(sample.path.read_bytes()).hexdigest()


def test_parity_is_on_validation_images_where_there_are_any(phantom: Path) -> None:
    dataset = read_dataset(phantom)
    grouped, paper = (make_split(dataset, name) for name in ("grouped", "paper"))
    assert {s.name for s in parity_samples(dataset, grouped, [], 99)} == set(grouped.val)
    assert {s.name for s in parity_samples(dataset, paper, [], 99)} == set(paper.train)
    calibration = calibration_samples(dataset, paper, 5)
    known = {sample.name for sample in calibration}
    assert {s.name for s in parity_samples(dataset, paper, calibration, 99)} == set(paper.train) - known
    everything = calibration_samples(dataset, paper, 99)
    assert {s.name for s in parity_samples(dataset, paper, everything, 99)} == set(paper.train), "there are no others"


def test_accuracy_is_on_both_published_lists(hc18: Path) -> None:
    dataset = read_dataset(hc18)
    parts = accuracy_parts(dataset, make_split(dataset, "grouped"), None)
    assert {part: len(samples) for part, samples in parts.items()} == {"grouped_test": 69, "paper_test": 131}
    assert len(accuracy_parts(dataset, make_split(dataset, "paper"), 7)["paper_test"]) == 7


def test_no_accuracy_on_images_a_random_split_has_trained_on(phantom: Path) -> None:
    dataset = read_dataset(phantom)
    for name in SPLITS:
        split = make_split(dataset, name)
        for samples in accuracy_parts(dataset, split, None).values():
            assert not {s.name for s in samples} & {*split.train, *split.val}


def test_the_files_a_checkpoint_names_are_its_split(phantom: Path, tmp_path: Path) -> None:
    dataset = read_dataset(phantom)
    checkpoint = load_checkpoint(make_checkpoint(tmp_path / "edge-s"))
    names = list(dataset.samples)
    files = {"train": names[:6], "val": [names[6]], "test": names[7:9]}
    info = {**checkpoint.info, "data": {"title": dataset.title, "files": files}}
    split = split_of(replace(checkpoint, info=info), dataset)
    assert (split.train, split.val, split.test) == (tuple(names[:6]), (names[6],), tuple(names[7:9]))
    info["data"]["files"] = {**files, "train": ["not_here_HC.png", names[0]]}
    assert split_of(replace(checkpoint, info=info), dataset).train == (names[0],)
    assert split_of(checkpoint, dataset) == make_split(dataset, "grouped"), "one that names none"
    info["data"]["files"] = {**files, "train": ["not_here_HC.png"]}
    with pytest.raises(UsageError, match="has none of the 1 images"):
        split_of(replace(checkpoint, info=info), dataset)
