"""The audit: what a .tflite file is, whatever its name says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.shipped import DEFAULT_MODEL
from export.__main__ import main
from export.tflite.audit import audit
from export.tflite.delegation import Delegation, Outside, delegation
from export.tflite.model import Model
from export.tflite.report import look, promised, report_text
from tests.helpers.places import Run
from tests.helpers.tiny_model import make_artifact

pytestmark = pytest.mark.slow
SIZE = (64, 96)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("audit")
    return {recipe: make_artifact(folder, recipe) for recipe in ("float32", "full_int8")}


def convert(
    change: Callable[[Any, Any], None], between: Callable[[Any, Any], Any] | None = None, top: float = 1.0
) -> bytes:
    """A network of two convolutions in full int8, calibrated on noise from 0 to ``top``.

    Args:
        change: Told TensorFlow and the converter, before it converts.
        between: Told TensorFlow and the map between the convolutions; gives what takes its place.
        top: Brightest pixel.
    """
    import tensorflow as tf

    rng = np.random.default_rng(0)
    first, second = (tf.constant(rng.normal(size=shape).astype(np.float32)) for shape in ((3, 3, 1, 32), (3, 3, 32, 8)))

    @tf.function(input_signature=[tf.TensorSpec((1, *SIZE, 1), tf.float32)])  # type: ignore[untyped-decorator]
    def network(x: Any) -> Any:
        y = tf.nn.relu(tf.nn.conv2d(x, first, 1, "SAME"))
        y = between(tf, y) if between else y
        return tf.reduce_mean(tf.nn.conv2d(y, second, 1, "SAME"), axis=3, keepdims=True)

    frames = rng.random((4, 1, *SIZE, 1)).astype(np.float32) * top
    frames[:, 0, 0, 0], frames[:, 0, 0, 1] = 0, top
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([frame] for frame in frames)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    change(tf, converter)
    return bytes(converter.convert())


def as_is(tf: Any, converter: Any) -> None:
    pass


def float_fallback(tf: Any, converter: Any) -> None:
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]


def float_edges(tf: Any, converter: Any) -> None:
    converter.inference_input_type = converter.inference_output_type = tf.float32


def a_scale_a_tensor(tf: Any, converter: Any) -> None:
    converter._experimental_disable_per_channel = True


def violations(data: bytes, recipe: str = "full_int8") -> str:
    return "; ".join(audit(Model(data), recipe).violations)


def test_what_is_as_promised_has_no_violation(tiny: dict[str, Path]) -> None:
    for recipe, path in tiny.items():
        assert violations(path.read_bytes(), recipe) == ""
    assert violations(convert(as_is)) == ""


def test_the_shipped_model_is_integer_and_one_partition() -> None:
    report = look(DEFAULT_MODEL, None, [])
    assert report.recipe == "full_int8" and not report.audit.violations
    assert set(report.audit.weights) == {"int8", "int32"}  # weights and biases
    assert report.audit.weights["int8"] > 0.98 * report.audit.n_parameters
    assert report.delegation.partitions == 1
    assert [(o.kind, o.count) for o in report.delegation.outside] == [("QUANTIZE", 2)]  # uint8 to int8 and back
    assert report.delegation.outside[0].share is not None and report.delegation.outside[0].share < 0.1
    assert "runs all operators but 2 QUANTIZE (" in report_text(report)


def test_float_called_int8_is_found(tiny: dict[str, Path]) -> None:
    text = violations(tiny["float32"].read_bytes())
    assert "tensors are floating-point" in text and "input 'serving" not in text and "is float32, not int8" in text


def test_int8_called_float_is_found(tiny: dict[str, Path]) -> None:
    data = tiny["full_int8"].read_bytes()
    for recipe in ("float32", "float16", "dynamic_int8"):
        assert "computed tensors are not float32" in violations(data, recipe)


def test_float_arithmetic_inside_is_found() -> None:
    text = violations(convert(float_fallback, lambda tf, x: tf.sin(x)))
    assert "tensors are floating-point" in text and "DEQUANTIZE inside the graph" in text


def test_float_edges_are_found() -> None:
    text = violations(convert(float_edges))
    assert "input" in text and "output" in text and "is float32, not int8 or uint8" in text


def test_another_normalisation_is_found() -> None:
    assert "another normalisation" in violations(convert(as_is, top=255.0))


def test_one_scale_for_all_channels_is_found() -> None:
    assert "lack a scale per channel" in violations(convert(a_scale_a_tensor))


def test_operators_outside_the_fast_path_are_named_with_their_share() -> None:
    data = convert(as_is, lambda tf, x: tf.image.resize(tf.image.resize(x, (32, 48), "nearest"), SIZE, "nearest"))
    found = delegation(Model(data))
    kinds = {outside.kind: outside for outside in found.outside}
    assert kinds["RESIZE_NEAREST_NEIGHBOR"].count == 2 and found.partitions >= 2
    share = kinds["RESIZE_NEAREST_NEIGHBOR"].share
    assert share is not None and 0 < share < 1
    assert all(outside.share is None for outside in delegation(Model(data), timed=False).outside)


def test_an_operator_alone_computes_what_it_does_in_the_graph() -> None:
    from ai_edge_litert.interpreter import Interpreter

    model = Model(convert(as_is))
    whole = Interpreter(model_content=model.data, experimental_preserve_all_tensors=True)
    whole.allocate_tensors()
    frame = np.random.default_rng(1).integers(0, 256, (1, *SIZE, 1), dtype=np.uint8)
    whole.set_tensor(model.inputs[0].index, frame)
    whole.invoke()
    for operator in model.operators:
        part = Interpreter(model_content=model.alone(operator))
        part.allocate_tensors()
        for details, tensor in zip(part.get_input_details(), model.computed_inputs(operator), strict=True):
            part.set_tensor(details["index"], whole.get_tensor(tensor.index))
        part.invoke()
        for details, index in zip(part.get_output_details(), operator.outputs, strict=True):
            expected = whole.get_tensor(index).astype(int)
            assert np.abs(part.get_tensor(details["index"]).astype(int) - expected).max() <= 1


def test_an_output_that_uses_few_levels_is_reported(tiny: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    black = np.zeros((40, 40), np.uint8)
    found = look(tiny["full_int8"], None, [black]).output_range
    assert found and found.levels < 128
    assert look(tiny["float32"], None, [black]).output_range is None


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("edge-l-full_int8", "full_int8"),
        ("model_full_integer_quant", "full_int8"),
        ("net_dynamic_range_quant", "dynamic_int8"),
        ("A_Float16", "float16"),
        ("model", None),
    ],
)
def test_names_promise(name: str, recipe: str | None) -> None:
    assert promised(Path(f"{name}.tflite")) == recipe


def test_the_command_tells_of_each_file_and_fails_where_one_is_not_what_it_says(
    run: Run, tiny: dict[str, Path], tmp_path: Path
) -> None:
    good = run("export", "audit", tiny["full_int8"].parent, "--data", "phantom", "--json")
    assert good.returncode == 0, good.stderr
    document = json.loads(good.stdout)
    assert len(document["files"]) == 2 and not document["errors"] and "2 files, 0 with violations" in good.stderr
    data = tiny["full_int8"].read_bytes()
    (tmp_path / "half.tflite").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.tflite").write_text("no model at all")
    (tmp_path / "fine-full_int8.tflite").write_bytes(data)
    (tmp_path / "wrong-full_int8.tflite").write_bytes(tiny["float32"].read_bytes())
    bad = run("export", "audit", tmp_path, "--data", "phantom")
    assert bad.returncode == 1 and "2 files, 1 with violations, 2 that cannot be read" in bad.stdout
    assert "cannot read the model" in bad.stdout and "not a .tflite file" in bad.stdout and "VIOLATION" in bad.stdout


def test_bad_calls_are_refused(tmp_path: Path, tiny: dict[str, Path]) -> None:
    from edge_runtime.errors import UsageError

    with pytest.raises(UsageError, match="holds no"):
        main(["audit", str(tmp_path)])
    with pytest.raises(ModelError, match="mark TFL3"):
        Model(b"x" * 100)


def test_a_file_cut_anywhere_is_refused(tiny: dict[str, Path]) -> None:
    data = tiny["full_int8"].read_bytes()
    for end in range(0, len(data), 97):
        with pytest.raises(ModelError):
            Model(data[:end])


def test_shares_of_more_than_the_whole_are_explained(tiny: dict[str, Path]) -> None:
    report = look(tiny["float32"], None, [], timed=False)
    for shares, explained in (((0.6, 0.7), True), ((0.2, None), False)):
        outside = tuple(Outside(f"KIND_{i}", 1, share, {}) for i, share in enumerate(shares))
        text = report_text(replace(report, delegation=Delegation(1, outside)))
        assert ("add up to more than 100%" in text) == explained
