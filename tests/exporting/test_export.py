"""What ``python -m export`` takes and refuses, before and while it converts."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime import Segmenter
from edge_runtime.artifact.manifest import load_manifest, write_manifest
from edge_runtime.errors import UsageError
from export.artifact import ship
from export.commands.export import find_checkpoints, pick_recipes
from export.recipes import RECIPES, get_recipe
from tests.helpers.places import ROOT, Run
from tests.helpers.random_checkpoint import make_checkpoint
from tests.helpers.tiny_model import make_artifact


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def test_recipes_are_those_of_the_design() -> None:
    assert list(RECIPES) == ["float32", "float16", "dynamic_int8", "full_int8"]
    assert [r.name for r in RECIPES.values() if r.calibrated] == ["full_int8"]
    assert {r.name: r.edges for r in RECIPES.values()}["full_int8"] == "uint8"


def test_unknown_recipe_lists_the_known() -> None:
    with pytest.raises(UsageError, match="float16") as caught:
        get_recipe("int4")
    assert caught.value.exit_code == 2
    assert all(name in str(caught.value) for name in RECIPES)


def test_recipes_by_comma_or_space_in_their_own_order() -> None:
    assert [r.name for r in pick_recipes(["full_int8,float32", "float32"])] == ["float32", "full_int8"]
    assert [r.name for r in pick_recipes(["all"])] == list(RECIPES)


def test_no_recipe_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="float16"):
        pick_recipes([","])


def test_checkpoints_are_found_below_a_folder(tmp_path: Path) -> None:
    for name in ("edge", "full"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.json").write_text("{}")
    assert [p.name for p in find_checkpoints([str(tmp_path)])] == ["edge", "full"]
    assert find_checkpoints([str(tmp_path / "full"), str(tmp_path)])[0].name == "full"


def test_wrong_calls_end_with_2_and_no_traceback(run: Run, phantom: Path, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "edge-s")
    blocked = tmp_path / "file"
    blocked.write_text("a file, so no folder can be made below it")
    calls = {
        ("--recipes", "int4"): "dynamic_int8",
        ("--checkpoint", tmp_path / "nowhere"): "holds no checkpoint",
        ("--out", blocked / "artifacts"): "cannot be written",
        ("--recipes", "float32", "--ship"): "full_int8",
    }
    for call, expected in calls.items():
        result = run("export", "--checkpoint", checkpoint, "--data", phantom, "--out", tmp_path / "out", *call)
        assert result.returncode == 2, (call, result.stderr)
        assert expected in result.stderr
        assert "Traceback" not in result.stderr
    assert files_in(tmp_path / "out") == []


@pytest.mark.parametrize("damage", ["schema", "weights"])
def test_unusable_checkpoint_ends_with_1(run_here: Run, phantom: Path, tmp_path: Path, damage: str) -> None:
    checkpoint = make_checkpoint(tmp_path / "edge-s")
    if damage == "schema":
        info = json.loads((checkpoint / "checkpoint.json").read_text())
        (checkpoint / "checkpoint.json").write_text(json.dumps({**info, "schema_version": 99}))
    else:
        (checkpoint / "model.safetensors").write_bytes(b"not weights")
    result = run_here("export", "--checkpoint", checkpoint, "--data", phantom, "--out", tmp_path / "out")
    assert result.returncode == 1
    assert ("schema version 99" if damage == "schema" else "sha256") in result.stderr
    assert "Traceback" not in result.stderr


def test_failed_conversion_shows_the_log_and_leaves_nothing(run: Run, phantom: Path, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "edge-s")
    fake, temporary, out = tmp_path / "fake", tmp_path / "tmp", tmp_path / "out"
    for folder in (fake, temporary):
        folder.mkdir()
    (fake / "onnx2tf.py").write_text("def convert(**_):\n    raise SystemExit('the converter gave up')\n")
    environment = {"PYTHONPATH": f"{fake}{os.pathsep}{ROOT}", "TMPDIR": str(temporary)}
    call = ("--checkpoint", checkpoint, "--data", phantom, "--out", out, "--recipes", "float32")
    result = run("export", *call, env=environment)
    assert result.returncode == 1
    assert "the converter gave up" in result.stderr
    assert not result.stderr.startswith("Traceback")
    assert files_in(out) == []
    assert [p for p in temporary.iterdir() if not p.name.startswith("torchinductor")] == []  # torch's own cache


def test_ship_copies_what_was_calibrated_on_hc18_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    small, large, other = (
        make_artifact(tmp_path / "artifacts", "full_int8", name=name) for name in ("edge-s", "edge-l", "edge")
    )
    with pytest.raises(UsageError, match="calibrated on HC18"):
        ship([small], folder)
    for none in ([], [other]):
        with pytest.raises(UsageError, match=r"shipped models are edge-s.*none was exported"):
            ship(none, folder)
    for source in (small, large):
        write_manifest(source, replace(load_manifest(source), calibration={"title": "HC18"}))
    with pytest.raises(UsageError, match="calibrated on HC18"):
        ship([small, make_artifact(tmp_path / "phantoms", "full_int8", name="edge-m")], folder)
    assert files_in(folder) == []
    assert ship([small, other, large], folder) == [folder / small.name, folder / large.name]
    assert Segmenter.load(folder / small.name).manifest.name == "edge-s-full_int8"
