"""Our int8 against TensorFlow's, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import Model as Schema
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_runtime.artifact.network import load_backend
from edge_runtime.errors import ModelError
from edge_runtime.frame.preprocess import to_unit
from export.quantization.bias_correction import bias_shifts
from export.quantization.causes import Causes, only_values, only_weights
from export.quantization.equalize import equalize
from export.quantization.ranges import INPUT_RANGE, METHODS, Range, choose, observe, same_scale
from export.quantization.settings import Settings
from export.quantization.side_by_side import logits, pair
from export.quantization.stretches import LAYERS, divide, stretch_costs, with_more_in_float
from export.quantization.to_int8 import quantize, scale_and_zero
from export.tflite.audit import audit
from export.tflite.model import WEIGHTED, Model
from export.verification.parity import sqnr_db
from tests.helpers.rich_model import convert, frames


@pytest.fixture(scope="module")
def plain() -> Model:
    return Model(convert())


@pytest.fixture(scope="module")
def theirs() -> Model:
    """As TensorFlow's converter quantizes it."""
    return Model(convert(quantized=True))


def answers(data: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (N, h, w) of a network in float32 or with uint8 edges."""
    interpreter = load_backend()[1].Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = []
    for image in images:
        frame = image if source["dtype"] == np.uint8 else to_unit(image)
        interpreter.set_tensor(source["index"], frame[None, :, :, None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(target["index"])[0, :, :, 0].astype(np.float32))
    scale, zero = target["quantization"]
    return (np.stack(found) - zero) * scale if scale else np.stack(found)


def inner(model: Model) -> list[int]:
    """Output tensors of all operators but those at the edges."""
    return [o.outputs[0] for o in model.operators if o.kind != "QUANTIZE"]


def test_with_tensorflows_ranges_it_is_tensorflows_network(plain: Model, theirs: Model) -> None:
    ranges: dict[str, Range] = {}
    for ours, other in zip(inner(plain), inner(theirs), strict=True):
        tensor = theirs.tensors[other]
        scale, zero = tensor.scales[0], tensor.zero_points[0]
        ranges[plain.tensors[ours].name] = (-128 - zero) * scale, (127 - zero) * scale
    ours = Model(quantize(plain, ranges))
    assert [o.kind for o in ours.operators] == [o.kind for o in theirs.operators]
    assert {o.kind for o in ours.operators} >= {
        "TRANSPOSE_CONV",
        "MAX_POOL_2D",
        "CONCATENATION",
        "RESIZE_BILINEAR",
        "PAD",
        "ADD",
    }
    for a, b in zip(ours.operators, theirs.operators, strict=True):
        mine, other = ours.tensors[a.outputs[0]], theirs.tensors[b.outputs[0]]
        assert (mine.dtype, mine.zero_points) == (other.dtype, other.zero_points)
        assert mine.scales == pytest.approx(other.scales, rel=1e-6)
        if a.kind in WEIGHTED:
            assert ours.weights(a).scales == pytest.approx(theirs.weights(b).scales, rel=1e-6)
            steps = ours.values(ours.weights(a)).astype(int) - theirs.values(theirs.weights(b))
            assert np.abs(steps).max() <= 1 and np.mean(steps != 0) < 0.01
            bias, other_bias = ours.bias(a), theirs.bias(b)
            assert bias and other_bias
            assert np.abs(ours.values(bias).astype(int) - theirs.values(other_bias)).max() <= 1
    fresh = frames(seed=5)
    step = theirs.outputs[0].scales[0]
    difference = np.abs(answers(ours.data, fresh) - answers(theirs.data, fresh)) / step
    assert difference.max() <= 2 and difference.mean() < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_it_is_full_int8_and_near_the_float_network(plain: Model, method: str) -> None:
    seen = observe(plain, frames())
    data = quantize(plain, choose(plain, seen, method))
    assert audit(Model(data), "full_int8").violations == ()
    assert sqnr_db(answers(plain.data, frames(1)), answers(data, frames(1))) > 25
    assert quantize(plain, choose(plain, seen, method)) == data, "the same ranges give the same bytes"


def test_stored_numbers_lie_where_arm_can_read_them(plain: Model) -> None:
    data = quantize(plain, choose(plain, observe(plain, frames()), "min-max"))
    model, start = Schema.GetRootAs(data, 0), np.frombuffer(data, np.uint8).ctypes.data
    places = [model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength())]
    found = [values.ctypes.data - start for values in places if isinstance(values, np.ndarray) and len(values)]
    assert len(found) > 10 and all(place % 16 == 0 for place in found)


def test_a_stretch_can_stay_in_float(plain: Model) -> None:
    ranges = choose(plain, observe(plain, frames()), "min-max")
    full = quantize(plain, ranges)
    costs = stretch_costs(plain, Settings(ranges), frames())
    mixed = quantize(plain, ranges, in_float=divide(plain)[int(np.argmax(costs))])
    assert audit(Model(mixed), "mixed_int8").violations == ()
    assert any("float" in violation for violation in audit(Model(mixed), "full_int8").violations)
    assert "0 of" in audit(Model(full), "mixed_int8").violations[0]
    wanted = answers(plain.data, frames(2))
    assert sqnr_db(wanted, answers(mixed, frames(2))) > sqnr_db(wanted, answers(full, frames(2)))


def test_stretches_cover_the_network_once_and_at_most_half_of_its_layers_stay_in_float(plain: Model) -> None:
    layers = {operator.index for operator in plain.operators if operator.kind in WEIGHTED}
    found = divide(plain)
    assert [index for stretch in found for index in stretch] == [operator.index for operator in plain.operators]
    assert {len(layers & set(stretch)) for stretch in found[:-1]} == {LAYERS}
    settings = Settings(choose(plain, observe(plain, frames()), "min-max"))
    costs = stretch_costs(plain, settings, frames())
    assert len(costs) == len(found) and min(costs) > 0
    steps = list(with_more_in_float(plain, settings, costs))
    assert set(steps[0][1].in_float) == set(found[int(np.argmax(costs))])
    counts = [len(layers & set(step.in_float)) for _, step in steps]
    assert counts == [count for count, _ in steps] and counts == sorted(set(counts)) and counts[-1] <= len(layers) / 2


def test_the_loss_is_divided_into_that_of_the_weights_and_that_of_the_values(plain: Model) -> None:
    settings = Settings(choose(plain, observe(plain, frames()), "min-max"))
    full, weights, values = Model(settings.apply(plain)), only_weights(plain, settings), only_values(plain, settings)
    for layer, operator in pair(plain, full):
        if layer.kind in WEIGHTED:
            stored, scales = full.values(full.weights(operator)), full.weights(operator).scales
            per_channel = np.reshape(scales, [-1 if i == WEIGHTED[layer.kind] else 1 for i in range(4)])
            assert np.allclose(weights.values(weights.weights(weights.operators[layer.index])), stored * per_channel)
    assert not any(tensor.scales for tensor in weights.tensors), "all values are in float32"
    kinds = [operator.kind for operator in values.operators]
    assert kinds.count("QUANTIZE") == len(plain.operators) + 2 and kinds.count("DEQUANTIZE") > 0
    assert all(values.weights(o).dtype == "float32" for o in values.operators if o.kind in WEIGHTED)
    wanted = answers(plain.data, frames(2))
    alone = [sqnr_db(wanted, answers(network.data, frames(2))) for network in (weights, values)]
    assert min(alone) > sqnr_db(wanted, answers(full.data, frames(2)))
    assert np.allclose(logits(values, frames(2)), answers(values.data, frames(2)))


def test_the_causes_are_told_in_words() -> None:
    found = Causes("min-max", 0.25, None, 9, (0.1, 0.7, 0.2)).lines()
    assert found == [
        "HC shift with min-max: 0.250 mm if only the weights are rounded",
        "of 9 layers, these change the probabilities most (with their share): 5 to 8 (70%), 9 (20%), 1 to 4 (10%)",
    ]


def test_equalizing_keeps_the_function_and_corrected_biases_the_mean(plain: Model) -> None:
    level = Model(equalize(plain, {name: seen.loudness for name, seen in observe(plain, frames()).items()}))
    assert level.data != plain.data
    assert sqnr_db(answers(plain.data, frames()), answers(level.data, frames())) > 90
    ranges = choose(level, observe(level, frames()), "min-max")
    data = quantize(level, ranges)
    shifts = bias_shifts(level, Model(data), frames())
    wanted = answers(plain.data, frames(3))
    before, after = answers(data, frames(3)), answers(quantize(level, ranges, bias_shift=shifts), frames(3))
    assert abs(np.mean(after - wanted)) < abs(np.mean(before - wanted))


def test_joined_tensors_share_a_scale(plain: Model) -> None:
    groups = same_scale(plain)
    kinds = {plain.tensors[o.outputs[0]].name: o.kind for o in plain.operators}
    (joined,) = [group for group in groups if any(kinds.get(name) == "CONCATENATION" for name in group)]
    assert {kinds.get(name) for name in joined} == {"CONCATENATION", "TRANSPOSE_CONV", "CONV_2D"}
    padded = next(group for group in groups if plain.inputs[0].name in group)
    ranges = choose(plain, observe(plain, frames() // 2), "min-max")
    assert all(ranges[name] == INPUT_RANGE for name in padded if name in ranges), "whatever was seen of it"


@pytest.mark.parametrize("bounds", [None, (float("nan"), 1.0), (0.0, float("inf")), (1.0, -1.0)])
def test_a_missing_or_impossible_range_is_refused(plain: Model, bounds: Range | None) -> None:
    ranges = choose(plain, observe(plain, frames()), "min-max")
    name = list(ranges)[3]
    spoiled = {k: v for k, v in ranges.items() if k != name} | ({} if bounds is None else {name: bounds})
    with pytest.raises(ModelError, match=r"has range .*; a finite minimum and maximum are needed"):
        quantize(plain, spoiled)


def test_nan_weights_are_refused() -> None:
    with pytest.raises(ModelError, match=r"not finite on the calibration images: .*NaN"):
        observe(Model(convert(break_weights=True)), frames())


def test_an_operator_without_int8_form_is_refused() -> None:
    import tensorflow as tf

    made = tf.function(tf.sin, input_signature=[tf.TensorSpec((1, 32, 48, 1), tf.float32)])
    model = Model(tf.lite.TFLiteConverter.from_concrete_functions([made.get_concrete_function()]).convert())
    with pytest.raises(ModelError, match=r"uses SIN, which has no int8 form here; ADD, .*float16 or dynamic_int8"):
        quantize(model, {})


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_zero_is_exact_and_the_range_is_held(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    scale, zero = scale_and_zero((low, high))
    assert scale > 0 and -128 <= zero <= 127
    if high - low > 1e-6:
        assert (-128 - zero) * scale <= min(low, 0) + 0.51 * scale
        assert (127 - zero) * scale >= max(high, 0) - 0.51 * scale
