"""Turn a float32 network into an int8 network by rewriting its flatbuffer, with given ranges.

TensorFlow's converter does the same if a model's activations carry ranges; the tests compare the two. Here the ranges
are an argument. So the same ranges always give the same bytes, without any images; a network
can be quantized in many ways within a second; and single layers can stay in float32.

The arithmetic follows TensorFlow Lite's 8-bit specification
(https://ai.google.dev/edge/litert/models/quantization_spec). Activations are asymmetric, with one scale per tensor.
Weights are symmetric in -127..127, with one scale per output channel. Biases are int32, in units of input scale times
weight scale.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_runtime.errors import ModelError
from export.quantization.ranges import INPUT_RANGE, Range
from export.tflite.model import WEIGHTED, Model, Operator
from export.tflite.schema import MAX_OLD_CODE, pack, parse, schema, stored

_VERSIONS = {
    "ADD": 2, "AVERAGE_POOL_2D": 2, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "MAX_POOL_2D": 2,
    "PAD": 2, "RELU": 2, "RESIZE_BILINEAR": 2, "RESIZE_NEAREST_NEIGHBOR": 2, "SPACE_TO_DEPTH": 2,
    "TRANSPOSE_CONV": 3, "DEPTH_TO_SPACE": 2,
}  # fmt: skip
"""Operators that can be quantized here, with the first version that supports int8."""

_FLATTEST = 2.0**-24
"""Minimum scale of weights, in units of output scale / input scale.

XNNPACK rejects a model if input scale * weight scale / output scale is below 2**-32 for any channel. Channels whose
weights are all (almost) 0 would be.
"""


def scale_and_zero(bounds: Range) -> tuple[float, int]:
    """Scale and zero point of an int8 tensor whose values lie between bounds.

    Returns:
        Real value of one step, and the stored value of real 0, -128 to 127.
    """
    # 0 must be within the range and exact, since padding inserts it.
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    if high - low < 1e-9:  # only zeros were observed: any scale represents them
        high = 1.0
    # The file stores scales as float32, so the zero point has to be computed from the rounded scale.
    scale = float(np.float32((high - low) / 255))
    return scale, int(np.clip(np.rint(-128 - low / scale), -128, 127))


def weight_scales(
    weights: NDArray[np.float32], axis: int, bias: NDArray[np.float32] | None, source: float, target: float
) -> NDArray[np.float32]:
    """Scales of a layer's weights, one per output channel.

    Args:
        weights: The layer's weights.
        axis: Axis of the output channels.
        bias: The layer's bias, (channels,), or None.
        source: Scale of the layer's input.
        target: Scale of the layer's output.

    Returns:
        float32 (channels,).
    """
    loudest = np.abs(np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)).max(axis=1)
    scales = np.maximum(loudest.astype(np.float64) / 127, _FLATTEST * target / source)
    if bias is not None:
        # The bias is stored in units of source * scale, and a small scale makes it large. It may use half of int32; the
        # other half is for the products that are added to it.
        scales = np.maximum(scales, np.abs(bias) / (source * 2.0**30))
    return np.asarray(scales, dtype=np.float32)


def quantize(
    model: Model,
    ranges: Mapping[str, Range],
    in_float: Collection[int] = (),
    bias_shift: Mapping[int, NDArray[np.floating[Any]]] | None = None,
    weights: bool = True,
) -> bytes:
    """Quantize a float32 network to int8, with uint8 input and output. The input's scale is 1/255.

    Args:
        model: The network in float32, with one input and one output.
        ranges: Minimum and maximum of every computed tensor, by its name; see :mod:`export.quantization.ranges`.
        in_float: Indices of operators that stay in float32.
        bias_shift: Values to add to biases, (channels,) in real units, by the operator's index.
        weights: Whether weights become int8. If not, all operators compute in float32, and only their outputs are
            rounded to int8 and back; then ``in_float`` and ``bias_shift`` have no effect.

    Returns:
        A .tflite file. The same arguments give the same bytes.

    Raises:
        ModelError: An operator cannot be quantized here, or a range is missing or not finite.
    """
    _check(model, ranges, in_float)
    return _Rewrite(model, ranges).run(in_float, bias_shift or {}, weights)


def _check(model: Model, ranges: Mapping[str, Range], in_float: Collection[int]) -> None:
    unknown = sorted({o.kind for o in model.operators if o.kind not in _VERSIONS and o.index not in in_float})
    if unknown:
        raise ModelError(
            f"The network uses {', '.join(unknown)}, which has no int8 form here; {', '.join(_VERSIONS)} have one. "
            "Use a recipe with float activations: float16 or dynamic_int8."
        )
    for tensor in (model.tensors[operator.outputs[0]] for operator in model.operators):
        bounds = ranges.get(tensor.name)
        if bounds is None or not np.isfinite(bounds).all() or bounds[0] > bounds[1]:
            raise ModelError(
                f"Tensor '{tensor.name}' has range {bounds}; a finite minimum and maximum are needed. The ranges are "
                "those of another network, or the calibration failed: calibrate again."
            )


class _Rewrite:
    """Builds the int8 network: a copy of the model whose tensors, operators and buffers are written anew.

    "Old" indices are those of the float32 model, "new" indices those of the copy. An old tensor can have a new tensor
    in int8, one in float32, or both, if operators of both kinds read it. They are added only when they are needed.
    """

    def __init__(self, model: Model, ranges: Mapping[str, Range]) -> None:
        self._model = model
        self._ranges = {**ranges, model.inputs[0].name: INPUT_RANGE}
        self._file = parse(model.data)
        self._graph = self._file.subgraphs[0]
        self._old_operators, self._old_codes = self._graph.operators, self._file.operatorCodes
        self._graph.operators, self._graph.tensors, self._file.operatorCodes = [], [], []
        self._file.buffers = [schema().BufferT()]  # buffer 0 must be empty: it stands for tensors without data
        self._file.metadata, self._file.metadataBuffer = None, None  # describe the float32 network
        self._floats: dict[int, int] = {}  # old index of a tensor to the new index of its float32 form
        self._integers: dict[int, int] = {}  # the same for its int8 form

    def run(self, in_float: Collection[int], bias_shift: Mapping[int, NDArray[Any]], weights: bool) -> bytes:
        first, last = self._model.inputs[0].index, self._model.outputs[0].index
        # Kernels compute in int8. At the edges a QUANTIZE converts from and to uint8, at the same scale: it only shifts
        # by 128, so no value is rounded twice.
        frame = self._add_computed(first, "uint8")
        self._integers[first] = self._add_quantizer(frame, first, "int8")
        for operator in self._model.operators:
            if not weights:
                self._keep(operator)
                output = operator.outputs[0]
                self._integers[output] = self._add_quantizer(self._floats.pop(output), output, "int8")
            elif operator.index in in_float:
                self._keep(operator)
            else:
                self._convert(operator, bias_shift.get(operator.index))
        # The last operator may have stayed in float32. QUANTIZE also converts that.
        source = self._integers[last] if last in self._integers else self._floats[last]
        logits = self._add_quantizer(source, last, "uint8")
        self._graph.inputs, self._graph.outputs = [frame], [logits]
        for signature in self._file.signatureDefs or []:
            signature.inputs[0].tensorIndex, signature.outputs[0].tensorIndex = frame, logits
        return pack(self._file)

    def _keep(self, operator: Operator) -> None:
        inputs = [self._in_float(old) for old in self._takes(operator)]
        self._floats[operator.outputs[0]] = output = self._add_computed(operator.outputs[0], "float32")
        self._add_operator(operator, inputs, output, 1)

    def _convert(self, operator: Operator, bias_shift: NDArray[np.floating[Any]] | None) -> None:
        if operator.kind in WEIGHTED:
            self._convert_layer(operator, bias_shift)
            return
        inputs = [self._in_int8(old) for old in self._takes(operator)]
        self._integers[operator.outputs[0]] = output = self._add_computed(operator.outputs[0], "int8")
        self._add_operator(operator, inputs, output, _VERSIONS[operator.kind])

    def _convert_layer(self, operator: Operator, bias_shift: NDArray[np.floating[Any]] | None) -> None:
        """Convert a layer with weights. A layer without a bias gets one, which ``bias_shift`` can be added to."""
        source = self._in_int8(self._model.computed_inputs(operator)[0].index)
        self._integers[operator.outputs[0]] = output = self._add_computed(operator.outputs[0], "int8")
        tensor, axis = self._model.weights(operator), WEIGHTED[operator.kind]
        values, stored_bias = self._model.values(tensor), self._model.bias(operator)
        bias = np.zeros(values.shape[axis], np.float32) if stored_bias is None else self._model.values(stored_bias)
        if bias_shift is not None:
            bias = bias + bias_shift.astype(np.float32)
        # Scales are read from the new tensors, not computed from the ranges: the kernels multiply what is stored, and
        # the bias must be in exactly these units.
        step, target = (float(self._graph.tensors[i].quantization.scale[0]) for i in (source, output))
        scales = weight_scales(values, axis, bias, step, target)
        per_channel = scales.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        units = step * scales.astype(np.float64)
        # -128 is not used: the kernels require symmetric weights.
        rounded = np.clip(np.rint(values / per_channel), -127, 127).astype(np.int8)
        weights = self._add_constant(tensor.name, rounded, scales, axis)
        biases = self._add_constant(f"{tensor.name}/bias", np.rint(bias / units).astype(np.int32), units)
        if operator.kind == "TRANSPOSE_CONV":  # its first input is the output's shape
            inputs = [self._copy(self._takes(operator)[0]), weights, source, biases]
        else:
            inputs = [source, weights, biases]
        self._add_operator(operator, inputs, output, _VERSIONS[operator.kind])

    def _takes(self, operator: Operator) -> list[int]:
        """Old indices of an operator's inputs in the file's order, with -1 for absent inputs.

        ``Operator.inputs`` would leave out the absent ones, and so move others to a wrong place.
        """
        return [int(i) for i in self._old_operators[operator.index].inputs]

    def _in_int8(self, old: int) -> int:
        """New index of an old tensor in int8. Constants that are not weights (sizes, paddings) are copied unchanged."""
        if old < 0 or self._model.tensors[old].is_constant:
            return self._copy(old)
        if old not in self._integers:
            self._integers[old] = self._add_quantizer(self._floats[old], old, "int8")
        return self._integers[old]

    def _in_float(self, old: int) -> int:
        """New index of an old tensor in float32. Constants, here weights and biases too, are copied unchanged."""
        if old < 0 or self._model.tensors[old].is_constant:
            return self._copy(old)
        if old not in self._floats:
            self._floats[old] = self._add_quantizer(self._integers[old], old, "float32")
        return self._floats[old]

    def _copy(self, old: int) -> int:
        """Copy a constant and return its new index; -1, an absent input, stays -1."""
        if old < 0:
            return -1
        tensor = self._model.tensors[old]
        return self._add_constant(tensor.name, self._model.values(tensor))

    def _add_quantizer(self, source: int, old: int, dtype: str) -> int:
        """Add an operator that converts a new tensor to another dtype.

        Args:
            source: New index of the tensor to convert.
            old: Old index of the same tensor, which has its shape and name.
            dtype: ``float32``, ``int8`` or ``uint8``.

        Returns:
            New index of the converted tensor.
        """
        target = self._add_computed(old, dtype)
        options, kind = schema().QuantizeOptionsT(), schema().BuiltinOptions.QuantizeOptions
        name, version = "QUANTIZE", 1
        if dtype == "float32":
            options, kind = schema().DequantizeOptionsT(), schema().BuiltinOptions.DequantizeOptions
            name, version = "DEQUANTIZE", 2
        operator = schema().OperatorT()
        operator.opcodeIndex = self._code(getattr(schema().BuiltinOperator, name), version)
        operator.inputs, operator.outputs = [source], [target]
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self._graph.operators.append(operator)
        return target

    def _add_operator(self, operator: Operator, inputs: list[int], output: int, version: int) -> None:
        written = self._old_operators[operator.index]
        code = self._old_codes[written.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)  # older files set only the older field
        # An option of the operator may need a later version than int8 does.
        written.opcodeIndex = self._code(kind, max(version, code.version))
        written.inputs, written.outputs = inputs, [output]
        self._graph.operators.append(written)

    def _code(self, kind: int, version: int) -> int:
        """Index of an operator code, which is added if it is new."""
        for index, code in enumerate(self._file.operatorCodes):
            if (code.builtinCode, code.version) == (kind, version):
                return index
        code = schema().OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, MAX_OLD_CODE), version
        self._file.operatorCodes.append(code)
        return len(self._file.operatorCodes) - 1

    def _add_computed(self, old: int, dtype: str) -> int:
        """Add a tensor for the values of an old tensor in a given dtype, and return its new index.

        Only uint8 tensors, the input and the output, keep the old name: callers look them up by it.
        """
        tensor = self._model.tensors[old]
        if dtype == "float32":
            return self._add_tensor(f"{tensor.name}/float32", dtype, tensor.shape)
        scale, zero = scale_and_zero(self._ranges[tensor.name])
        # uint8 has the same scale as int8 and a zero point 128 higher.
        name, zero = (tensor.name, zero + 128) if dtype == "uint8" else (f"{tensor.name}/int8", zero)
        return self._add_tensor(name, dtype, tensor.shape, quantization=([scale], [zero], 0))

    def _add_constant(
        self, name: str, values: NDArray[Any], scales: NDArray[np.floating[Any]] | None = None, axis: int = 0
    ) -> int:
        """Add a tensor with stored values and return its new index. Scales count along ``axis``."""
        buffer = schema().BufferT()
        buffer.data = stored(values)
        self._file.buffers.append(buffer)
        quantization = None if scales is None else (scales, np.zeros(len(scales)), axis)  # symmetric: zero points are 0
        return self._add_tensor(name, values.dtype.name, values.shape, len(self._file.buffers) - 1, quantization)

    def _add_tensor(
        self,
        name: str,
        dtype: str,
        shape: tuple[int, ...],
        buffer: int = 0,
        quantization: tuple[ArrayLike, ArrayLike, int] | None = None,
    ) -> int:
        """Add a tensor and return its new index. Buffer 0 stands for a tensor without stored values.

        The quantization is scales, zero points, and the axis that they count along.
        """
        tensor = schema().TensorT()
        tensor.name, tensor.type, tensor.buffer = name, getattr(schema().TensorType, dtype.upper()), buffer
        tensor.shape, tensor.hasRank = np.array(shape, np.int32), True
        if quantization:
            tensor.quantization = stored_as = schema().QuantizationParametersT()
            stored_as.scale = np.array(quantization[0], np.float32)
            stored_as.zeroPoint = np.array(quantization[1], np.int64)
            stored_as.quantizedDimension = quantization[2]
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1
