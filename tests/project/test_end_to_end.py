"""The real commands, in order, at toy size on the phantom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.places import Run


@pytest.mark.slow
def test_train_export_measure_bench_report(run: Run, phantom: Path, tmp_path: Path) -> None:
    checkpoints, artifacts = tmp_path / "checkpoints", tmp_path / "artifacts"

    def done(module: str, *args: object) -> str:
        result = run(module, *args)
        assert result.returncode == 0, f"{module} {args}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    toy = ("--image-size", 160, 240, "--epochs", 2, "--limit", 12, "--batch-size", 4, "--encoder-weights", "imagenet")
    done("train", "--strategy", "edge", "--data", phantom, "--out", checkpoints, *toy)
    recipes = ("--recipes", "float32", "full_int8")
    done("export", "--checkpoint", checkpoints / "edge", "--data", phantom, "--out", artifacts, *recipes)
    files = sorted(p.name for p in artifacts.rglob("*.tflite"))
    assert files == ["edge-float32.tflite", "edge-full_int8.tflite"]

    model = artifacts / "edge" / "edge-full_int8.tflite"
    images = sorted((phantom / "training_set").glob("00*_HC.png"))[:3]
    table = phantom / "training_set_pixel_size_and_HC.csv"
    lines = done("edge_runtime", "measure", *images, "--model", model, "--pixel-size-csv", table, "--json").splitlines()
    assert [json.loads(line)["image"] for line in lines] == [p.name for p in images]
    done("edge_runtime", "bench", "--model", model, "--frames", 3)

    result = tmp_path / "result.json"
    done("benchmarks", "run", artifacts, "--data", phantom, "--frames", 4, "--out", result)
    names = {r["artifact"] for r in json.loads(result.read_text())["results"]}
    assert names == {"edge-float32", "edge-full_int8"}
    done("benchmarks", "report", result, "--out", tmp_path / "report", "--data", phantom, "--artifacts", artifacts)
    assert (tmp_path / "report" / "report.md").exists()
    assert "<html" in (tmp_path / "report" / "report.html").read_text()
