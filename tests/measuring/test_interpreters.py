"""Why another interpreter gives other bytes: what the page on int8 says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.artifact.golden import golden_frames
from edge_runtime.shipped import DEFAULT_MODEL, shipped_model
from export.tflite.model import Model
from tests.helpers.places import Run
from tests.helpers.tiny_model import make_artifact

litert: Any = pytest.importorskip("ai_edge_litert.interpreter")
OWN = {"experimental_op_resolver_type": litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
"""LiteRT's own kernels, not XNNPACK's."""


def ask(module: Any, data: bytes, inputs: list[Any], **options: Any) -> Any:
    interpreter = module.Interpreter(model_content=data, num_threads=1, **options)
    interpreter.allocate_tensors()
    for details, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]


def test_tflite_runtime_computes_int8_as_litert_does_without_xnnpack() -> None:
    older: Any = pytest.importorskip("tflite_runtime.interpreter", exc_type=ImportError)
    data = DEFAULT_MODEL.read_bytes()
    for frame in golden_frames():
        inputs = [frame[None, :, :, None]]
        (answer,) = ask(older, data, inputs)
        assert np.array_equal(answer, ask(litert, data, inputs, **OWN)[0])
        assert not np.array_equal(answer, ask(litert, data, inputs)[0])


def test_operator_by_operator_a_few_values_are_one_level_off_there() -> None:
    model = Model(shipped_model("edge-l").read_bytes())  # it has every kind of operator
    frame = golden_frames()[0][None, :, :, None]
    indices = [index for operator in model.operators for index in operator.outputs]
    values = dict(zip(indices, ask(litert, model.exposed(), [frame]), strict=True))
    off = dict.fromkeys((operator.kind for operator in model.operators), 0)
    for operator in model.operators:
        inputs = [values.get(tensor.index, frame) for tensor in model.computed_inputs(operator)]
        there = ask(litert, model.alone(operator), inputs, **OWN)[0].astype(int)
        differences = there - values[operator.outputs[0]].astype(int)
        assert np.abs(differences).max() <= 1 and np.mean(differences != 0) < 0.05, operator.kind
        assert differences.min() >= 0 or operator.kind == "RESIZE_BILINEAR", "convolutions round twice, and so upwards"
        off[operator.kind] += int(np.count_nonzero(differences))
    assert {kind for kind, count in off.items() if count} == {"CONV_2D", "DEPTHWISE_CONV_2D", "RESIZE_BILINEAR"}


def test_the_command_compares_them_on_images(run: Run, phantom: Path, tmp_path: Path) -> None:
    pytest.importorskip("tflite_runtime.interpreter", exc_type=ImportError)
    out = tmp_path / "interpreters.json"
    arguments = [DEFAULT_MODEL, "--data", phantom, "--images", 2, "--out", out]
    done = run("benchmarks", "interpreters", *arguments)
    assert done.returncode == 0 and done.stderr == ""
    (row,) = json.loads(out.read_text())["models"]
    assert row["name"] == DEFAULT_MODEL.stem and row["n_images"] == 2
    assert row["n_identical"] == 0 and 0 < row["differing"] < 0.6, "it rounds twice"
    assert row["mask_dice_mean"] >= 0.99 and row["golden_mask_dice"] >= 0.999
    assert DEFAULT_MODEL.stem in done.stdout


def test_the_command_wants_full_int8(run: Run, tmp_path: Path) -> None:
    make_artifact(tmp_path, "float32", name="edge")
    done = run("benchmarks", "interpreters", tmp_path)
    assert done.returncode == 1
    assert "no artifact in full or mixed int8" in done.stderr and "--recipes full_int8" in done.stderr
