"""Weights rounded together: what int8 holds, what it loses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.preprocess import to_unit
from export.quantization.fit_weights import _round, fit_weights
from export.quantization.ranges import choose, observe
from export.quantization.side_by_side import run_all
from export.quantization.to_int8 import quantize
from export.tflite.model import WEIGHTED, Model, Operator
from tests.helpers.rich_model import convert, frames


def layers(model: Model) -> list[Operator]:
    return [operator for operator in model.operators if operator.kind in WEIGHTED]


def answers(model: Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    last = model.operators[-1]
    return np.concatenate(run_all(model, [last], [to_unit(image) for image in images])[last.outputs[0]])


def rounded_in_float(model: Model, ranges: dict[str, tuple[float, float]]) -> Model:
    """The network in float32 with the weights and biases that its int8 form stores: nothing else is rounded."""
    quantized = Model(quantize(model, ranges))
    stored = {}
    for plain, operator in zip(layers(model), layers(quantized), strict=True):
        weights, bias = quantized.weights(operator), quantized.bias(operator)
        assert bias is not None
        along = [-1 if axis == WEIGHTED[operator.kind] else 1 for axis in range(4)]
        real = quantized.values(weights) * np.reshape(weights.scales, along)
        stored[plain.index] = real.astype(np.float32), (quantized.values(bias) * bias.scales).astype(np.float32)
    return Model(model.with_layers(stored))


def test_a_network_with_fitted_weights_loses_less_and_int8_keeps_them() -> None:
    plain, images = Model(convert()), frames()
    ranges = choose(plain, observe(plain, images), "percentile")
    fitted = fit_weights(plain, ranges, images)
    exact = answers(plain, images)
    lost = [np.abs(answers(rounded_in_float(each, ranges), images) - exact).mean() for each in (plain, fitted)]
    assert lost[1] < 0.6 * lost[0], "than with each weight rounded to the nearest step"
    stored = rounded_in_float(fitted, ranges)
    for layer in layers(fitted):
        if layer.kind != "TRANSPOSE_CONV":  # left alone
            weights, kept = (model.values(model.weights(layer)) for model in (fitted, stored))
            assert np.allclose(weights, kept, atol=1e-6)
            assert not np.array_equal(weights, plain.values(plain.weights(layer)))


def test_errors_cancel_where_inputs_vary_together() -> None:
    """Two inputs that are always equal: only the sum of their weights matters, and it is kept to half a step."""
    rows = np.array([[127, 63.6, 38.6]])  # in steps
    found = _round(rows, np.ones(1), np.array([[1.0, 0, 0], [0, 1, 1], [0, 1, 1]]))
    assert np.array_equal(found, found.round()) and found[0, 0] == 127
    assert found[0, 1:].sum() == 102, "102.2 is wanted; each by itself, they are 64 and 39"


def test_rows_keep_their_largest_weight() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 12))
    scales = np.abs(rows).max(axis=1) / 127
    read = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12))
    found = _round(rows, scales, np.cov(read.T))
    assert np.allclose(np.abs(found).max(axis=1), 127 * scales)
    nearest = np.rint(rows / scales[:, None]) * scales[:, None]
    lost = [np.abs(read @ (each - rows).T).mean() for each in (nearest, found)]
    assert lost[1] < lost[0]
