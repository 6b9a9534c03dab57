"""The machine's peak: a convolution big enough to run at the speed of its matrix units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.tflite.schema import MAX_OLD_CODE, pack, schema, stored

CHANNELS, SIDE = 1024, 32
"""Of the 1x1 convolution: 1.07 GMAC."""
MACS = SIDE**2 * CHANNELS**2
"""Multiplications with an addition that it does."""


def peak_model(integer: bool) -> bytes:
    """The .tflite file of the convolution, in int8 or float32, with random weights."""
    rng = np.random.default_rng(0)
    shape, weights_shape = (1, SIDE, SIDE, CHANNELS), (CHANNELS, 1, 1, CHANNELS)
    if integer:
        weights: NDArray[Any] = rng.integers(-127, 128, weights_shape).astype(np.int8)
        bias: NDArray[Any] = np.zeros(CHANNELS, np.int32)
        step, weight_step = 1 / 255, 0.001
        # the output's step is such that few values saturate
        scales: list[list[float]] = [[step], [weight_step] * CHANNELS, [step * weight_step] * CHANNELS, [0.02]]
    else:
        weights = rng.normal(0, 0.03, weights_shape).astype(np.float32)
        bias, scales = np.zeros(CHANNELS, np.float32), [[], [], [], []]
    edge = "INT8" if integer else "FLOAT32"
    model = schema().ModelT()
    model.version = 3
    model.buffers = [schema().BufferT() for _ in range(3)]  # the schema wants the first one empty
    model.buffers[1].data, model.buffers[2].data = stored(weights), stored(bias)
    model.operatorCodes = [_code("CONV_2D")]
    graph = schema().SubGraphT()
    graph.tensors = [
        _tensor("input", shape, edge, 0, scales[0]),
        _tensor("weights", weights_shape, edge, 1, scales[1]),
        _tensor("bias", (CHANNELS,), "INT32" if integer else "FLOAT32", 2, scales[2]),
        _tensor("output", shape, edge, 0, scales[3]),
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [3], [_convolution()]
    model.subgraphs = [graph]
    return pack(model)


def _code(kind: str) -> Any:
    code, number = schema().OperatorCodeT(), getattr(schema().BuiltinOperator, kind)
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, MAX_OLD_CODE), 3
    return code


def _convolution() -> Any:
    operator, options = schema().OperatorT(), schema().Conv2DOptionsT()
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    operator.inputs, operator.outputs, operator.builtinOptions = [0, 1, 2], [3], options
    operator.builtinOptionsType = schema().BuiltinOptions.Conv2DOptions
    return operator


def _tensor(name: str, shape: Sequence[int], dtype: str, buffer: int, scales: Sequence[float]) -> Any:
    tensor = schema().TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, getattr(schema().TensorType, dtype), buffer
    if scales:
        tensor.quantization = quantization = schema().QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = scales, [0] * len(scales)
    return tensor
