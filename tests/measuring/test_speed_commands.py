"""Where the time goes, and how others do with the same weights: that the commands count and compare rightly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.roofline.operators import count_macs
from edge_runtime.shipped import shipped_model
from export.tflite.model import Model
from tests.helpers.places import Run
from tests.helpers.random_checkpoint import make_checkpoint
from tests.helpers.rich_model import SIZE, convert

SHIPPED = shipped_model("edge-l")
"""Of the shipped models the one with depthwise convolutions."""


def test_multiplications_are_counted() -> None:
    model = Model(convert())
    h, w = SIZE
    half = h * w // 4  # pixels of a tensor of half the height and width
    counted = [(o.kind, count_macs(model, o)) for o in model.operators]
    assert [found for found in counted if "CONV" in found[0]] == [
        ("CONV_2D", half * 8 * (3 * 3 * 1)),
        ("DEPTHWISE_CONV_2D", half * 8 * (3 * 3)),
        ("CONV_2D", half * 8 * (1 * 1 * 8)),
        ("TRANSPOSE_CONV", half // 4 * 8 * (2 * 2 * 8)),
        ("CONV_2D", half * 8 * (3 * 3 * 16)),
        ("CONV_2D", h * w * 1 * (1 * 1 * 8)),
    ]
    assert {macs for kind, macs in counted if "CONV" not in kind} == {0}


@pytest.mark.slow
def test_operators_are_timed_and_sum_to_the_model(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "operators.json"
    done = run("benchmarks", "operators", SHIPPED, "--runs", 3, "--most", 4, "--out", out)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert 0.25 < found["gmac"] < 0.35 and found["arithmetic"] == "int8" and found["share_of_peak"] > 0
    kinds = [operator["kind"] for operator in found["operators"]]
    assert "+".join(kinds).replace(" ", "").split("+") == [o.kind for o in Model(SHIPPED.read_bytes()).operators]
    assert "DEPTHWISE_CONV_2D" in kinds and "PAD" not in kinds
    assert "GMAC/s" in done.stdout and "conv_2d" in done.stdout


@pytest.mark.slow
def test_the_cost_of_an_export_is_taken(run: Run, phantom: Path, tmp_path: Path) -> None:
    out = tmp_path / "cost.json"
    done = run("benchmarks", "export-cost", make_checkpoint(tmp_path / "edge-s"), "--data", phantom, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and len(done.stdout.splitlines()) <= 3, "the export's own output is not this command's"
    (cost,) = json.loads(out.read_text())["costs"]
    assert 1 < cost["again_s"] < cost["seconds"] and 500 < cost["peak_mb"] < 10_000
    failed = run("benchmarks", "export-cost", tmp_path / "missing", "--data", phantom)
    assert failed.returncode == 2 and "holds no checkpoint" in failed.stderr and "Traceback" not in failed.stderr


def test_a_missing_model_is_named(run: Run) -> None:
    done = run("benchmarks", "operators", "missing.tflite")
    assert done.returncode == 2 and "no model file" in done.stderr and "Traceback" not in done.stderr
