"""The paper's protocol: how its program reads images, and how it judges its networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.errors import UsageError
from edge_runtime.frame.geometry import LINEAR
from edge_runtime.frame.preprocess import prepare
from tests.helpers.short_run import go
from train.__main__ import build_parser, make_config
from train.config import PROTOCOLS, TrainConfig
from train.data.hc18 import read_dataset
from train.data.score import place_mask
from train.device import pick_precision
from train.frames.pool import UNSURE, make_pool
from train.strategies import STRATEGIES

CPU = torch.device("cpu")


def test_frames_shrink_linearly_and_masks_to_the_nearest_pixel(phantom: Path) -> None:
    sample = read_dataset(phantom).samples["000_HC.png"]
    frame, mask = sample.frame(), sample.mask("contour")
    prepared = prepare(frame, (256, 256), rule=LINEAR)
    down, across = ((np.arange(256) + 0.5) * side / 256 - 0.5 for side in frame.shape)
    top, left = np.floor(down).astype(int), np.floor(across).astype(int)
    fy, fx = (down - top)[:, None], across - left
    rows = [frame[top + k][:, left] * (1 - fx) + frame[top + k][:, left + 1] * fx for k in (0, 1)]
    assert np.abs(prepared.image - (rows[0] * (1 - fy) + rows[1] * fy)).max() <= 0.501
    near = mask[np.arange(256) * frame.shape[0] // 256][:, np.arange(256) * frame.shape[1] // 256]
    assert np.array_equal(place_mask(mask, prepared.geometry), near)
    pool = make_pool([sample], [], TrainConfig((256, 256), looks=0, negatives=0, resize_rule=LINEAR, mask="contour"))
    assert np.array_equal(pool.masks[0], near * np.uint8(UNSURE - 1))


def test_every_epoch_is_judged_with_and_without_augmentation(phantom: Path, tmp_path: Path) -> None:
    settings = PROTOCOLS["paper"] | {"batch_size": 2, "epochs": 2}
    for name in ("edge", "again/edge"):
        go(tmp_path / name, read_dataset(phantom), protocol="paper", **settings)
    infos = [json.loads((tmp_path / name / "checkpoint.json").read_text()) for name in ("edge", "again/edge")]
    history = infos[0]["history"]
    figures = {"paper_pixel_accuracy", "paper_dice", "paper_miou", "paper_dice_per_image", "paper_dice_in_order"}
    for epoch in history:
        assert set(epoch["paper_augmented"]) == set(epoch["paper_plain"]) == figures
        assert "val_dice" not in epoch and epoch["paper_augmented"] != epoch["paper_plain"]
    stored = infos[0]["metrics"]["paper_pooled"]
    assert history[-1]["paper_plain"] == pytest.approx(stored, abs=2e-3), "but for the rounding of the weights"
    judged = [[(e["paper_augmented"], e["paper_plain"]) for e in info["history"]] for info in infos]
    assert judged[0] == judged[1]


def test_the_first_reading_stays_and_old_checkpoints_are_of_it() -> None:
    first = TrainConfig((256, 256), protocol="paper-first", **PROTOCOLS["paper-first"])
    assert (first.augment, first.resize_rule, first.judge_as_paper) == ("paper", "area-stretch", False)
    values = first.to_json() | {"protocol": "paper"}
    for name in ("resize_rule", "looks", "negatives", "calm", "judge_as_paper", "start_sha256"):
        del values[name]
    assert TrainConfig.from_json(values) == first


def test_the_paper_computes_in_float16_where_there_is_cuda() -> None:
    cuda = torch.device("cuda")
    assert (pick_precision("auto", cuda, as_paper=True), pick_precision("auto", CPU, as_paper=True)) == (
        "float16",
        "float32",
    )
    args = build_parser().parse_args(["--strategy", "decoder-all", "--protocol", "paper"])
    assert make_config(args, STRATEGIES["decoder-all"], CPU).precision == "float32"
    with pytest.raises(UsageError, match="--precision float16 needs CUDA; this run is on 'cpu'"):
        pick_precision("float16", CPU)
