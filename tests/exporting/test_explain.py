"""Where int8 loses: a layer that was spoiled on purpose is the one that is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.__main__ import main
from export.quantization.explain import _module
from tests.helpers.places import Run
from tests.helpers.spoiled import spoil


@pytest.mark.slow
def test_a_spoiled_layer_is_the_one_that_is_named(run_here: Run, phantom: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    call = ("--data", phantom, "--images", 2, "--calibration-images", 4, "--json")
    done = run_here("export", "explain", "--checkpoint", spoil(tmp_path / "spoiled"), *call, "--picture", picture)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    stages = found["stages"]
    assert list(stages) == ["ONNX", "TensorFlow", "float32", "full_int8"]
    assert min(stages[stage]["sqnr_db"] for stage in list(stages)[:3]) > 90 > stages["full_int8"]["sqnr_db"]
    # Its loud channel takes the whole range: the others are rounded away, and what reads them is noise.
    noisiest = min((layer for layer in found["layers"] if layer["kind"] == "CONV_2D"), key=lambda x: x["own_sqnr_db"])
    assert noisiest["name"] == "decoder.2.0"
    loud = next(layer for layer in found["layers"] if layer["name"] == "decoder.1.0")
    assert loud["channel_ratio"] > 100
    assert max(layer["channel_ratio"] or 0 for layer in found["layers"] if layer != loud) < 100
    assert "decoder.2.0" in done.stderr and "running variance under 1e-6" in done.stderr
    svg = picture.read_text()
    assert svg.startswith("<?xml") and "in the network" in svg


@pytest.mark.parametrize(
    ("node", "module"),
    [
        ("/net/encoder/features/features.2/conv/conv.0/conv.0.0/Conv", "encoder.features.2.conv.0.0"),
        ("/net/decoder/blocks.0/conv1/conv1.0/Conv", "decoder.blocks.0.conv1.0"),
        ("Conv_3", "Conv_3"),
    ],
)
def test_modules_are_named_as_torch_does(node: str, module: str) -> None:
    assert _module(node) == module


def test_bad_calls_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explain", "--images", "0"])
    assert "--images: 0 is not allowed" in capsys.readouterr().err
