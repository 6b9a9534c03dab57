"""What conversion is given and cannot take: each is named, and what would be right is said.

NaN weights and operators without an int8 form are in test_quantize.py, damaged .tflite files in test_audit.py and
test_manifest.py, a normalisation that is not the contract's in test_audit.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_runtime.errors import UsageError
from export.conversion.contract import PROXY_SIZE
from export.conversion.process import ConversionError, run_apart
from export.quantization.ranges import observe
from export.tflite.model import Model
from tests.helpers.places import Run
from tests.helpers.random_checkpoint import make_checkpoint
from tests.helpers.tiny_model import make_artifact

FIXED = [1, 1, *PROXY_SIZE]


def convert(tmp_path: Path, given: list[int | str], operator: str = "Relu", domain: str = "") -> str:
    """The error of converting a network of one operator."""
    frame, logits = (helper.make_tensor_value_info(name, TensorProto.FLOAT, given) for name in ("frame", "logits"))
    node = helper.make_node(operator, ["frame"], ["logits"], domain=domain)
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("of.our.own", 1)]
    network = helper.make_model(helper.make_graph([node], "net", [frame], [logits]), opset_imports=versions)
    network.ir_version = 8
    path = tmp_path / "net.onnx"
    onnx.save(network, path)
    with pytest.raises(ConversionError) as caught:
        run_apart("onnx_to_graph", str(path), str(tmp_path / "graph.pb"), log=tmp_path / "log.txt")
    assert not (tmp_path / "graph.pb").exists()
    return str(caught.value)


def test_an_operator_that_onnx2tf_lacks_is_named(tmp_path: Path) -> None:
    assert "Mystery" in convert(tmp_path, FIXED, "Mystery", "of.our.own")


@pytest.mark.parametrize("size", [["batch", 1, *PROXY_SIZE], [1, 1, "height", "width"]])
def test_a_size_that_is_not_fixed_is_refused(tmp_path: Path, size: list[int | str]) -> None:
    error = convert(tmp_path, size)
    assert f"input is frame {size}" in error and "one grey image of the fixed shape" in error


@pytest.mark.parametrize("size", [[1, 3, *PROXY_SIZE], [2, 1, *PROXY_SIZE], [1, *PROXY_SIZE, 1]])
def test_another_input_contract_is_refused(tmp_path: Path, size: list[int | str]) -> None:
    error = convert(tmp_path, size)
    assert f"input is frame {size}" in error and str(FIXED) in error


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.full((2, 32, 48), 255.0, np.float32), "float32 (2, 32, 48) from 255 to 255"),
        (np.linspace(0, 1, 32 * 48).reshape(1, 32, 48), "float64 (1, 32, 48) from 0 to 1"),
        (np.zeros((1, 32, 48, 3), np.uint8), "uint8 (1, 32, 48, 3)"),
        (np.zeros((0, 32, 48), np.uint8), "uint8 (0, 32, 48)"),
    ],
)
def test_calibration_images_of_another_range_or_shape_are_refused(
    tmp_path: Path, images: np.ndarray, found: str
) -> None:
    model = Model(make_artifact(tmp_path, "float32").read_bytes())
    with pytest.raises(UsageError, match="grey levels 0 to 255") as caught:
        observe(model, images)
    assert found in str(caught.value)


def test_an_empty_calibration_folder(run_here: Run, phantom: Path, tmp_path: Path) -> None:
    checkpoint, out = make_checkpoint(tmp_path / "edge-s"), tmp_path / "out"
    empty, no_images = tmp_path / "empty", tmp_path / "no-images"
    empty.mkdir()
    shutil.copytree(phantom, no_images, ignore=shutil.ignore_patterns("*.png"))
    for folder, code, said in ((empty, 2, "is empty"), (no_images, 1, "holds no images")):
        done = run_here("export", "--checkpoint", checkpoint, "--data", folder, "--out", out, "--recipes", "full_int8")
        assert done.returncode == code, done.stderr
        assert str(folder) in done.stderr and said in done.stderr and "Traceback" not in done.stderr
    assert not out.exists()
