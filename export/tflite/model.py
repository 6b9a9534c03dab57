"""What a .tflite file holds: its tensors and operators, read from the flatbuffer."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.errors import ModelError

WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
"""Operators with weights, and the axis of these that counts output channels."""

MAX_OLD_CODE = 127
"""Operator codes up to it also stand in an older field, of one byte; greater ones have this value there."""


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        index: In the file.
        name: As the file has it.
        shape: Empty for a scalar; -1 where the length is not fixed.
        dtype: As numpy names it, ``float32`` say.
        scales: Real value of one step: none, one for all, or one a channel.
        zero_points: Stored value of real 0, likewise.
        n_bytes: Stored in the file; 0 where the tensor is computed.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    n_bytes: int

    @property
    def is_constant(self) -> bool:
        """Stored in the file, not computed."""
        return self.n_bytes > 0

    @property
    def n_values(self) -> int:
        """How many numbers it holds."""
        product = 1
        for length in self.shape:
            product *= length
        return product


@dataclass(frozen=True)
class Operator:
    """An operator.

    Attributes:
        index: In the order of computation.
        kind: As TensorFlow Lite names it, ``CONV_2D`` say.
        inputs: Indices of tensors; absent ones are left out.
        outputs: Likewise.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Model:
    """A .tflite file's main graph.

    Args:
        data: The file's bytes.

    Raises:
        ModelError: They are no such file, or a damaged one.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        _check_readable(data)
        try:
            self._parsed = parse(data)
            graph = self._parsed.subgraphs[0]
            self.n_subgraphs = len(self._parsed.subgraphs)
            self.tensors = tuple(self._tensor(i, t) for i, t in enumerate(graph.tensors))
            self.operators = tuple(
                Operator(i, self._kind(o), _indices(o.inputs), _indices(o.outputs))
                for i, o in enumerate(graph.operators)
            )
            self.inputs = tuple(self.tensors[i] for i in graph.inputs)
            self.outputs = tuple(self.tensors[i] for i in graph.outputs)
        except Exception as error:  # the generated reader raises what its bytes lead it into
            raise ModelError(f"The model's flatbuffer cannot be read: {error!r}. Export or copy it again.") from error

    def _tensor(self, index: int, tensor: Any) -> Tensor:
        data = self._parsed.buffers[tensor.buffer].data
        q = tensor.quantization
        scales = () if q is None or q.scale is None else tuple(map(float, q.scale))
        zero_points = () if q is None or q.zeroPoint is None else tuple(map(int, q.zeroPoint))
        shape = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
        shape = () if shape is None else tuple(map(int, shape))
        dtype = _dtypes()[tensor.type]
        name = (tensor.name or b"").decode(errors="replace")
        return Tensor(index, name, shape, dtype, scales, zero_points, 0 if data is None else len(data))

    def _kind(self, operator: Any) -> str:
        code = self._parsed.operatorCodes[operator.opcodeIndex]
        if code.customCode:
            return str(code.customCode.decode(errors="replace"))
        old = code.deprecatedBuiltinCode
        return _kinds()[old if old < MAX_OLD_CODE else code.builtinCode]

    def values(self, tensor: Tensor) -> NDArray[Any]:
        """A constant's numbers, as they are stored."""
        data = self._parsed.buffers[self._parsed.subgraphs[0].tensors[tensor.index].buffer].data
        return np.frombuffer(bytes(data), tensor.dtype).reshape(tensor.shape)

    @cached_property
    def producers(self) -> dict[int, Operator]:
        """The operator that computes a tensor, by the tensor's index."""
        return {index: operator for operator in self.operators for index in operator.outputs}

    def computed_inputs(self, operator: Operator) -> tuple[Tensor, ...]:
        """Inputs of an operator that are not stored in the file."""
        return tuple(t for t in map(self.tensors.__getitem__, operator.inputs) if not t.is_constant)

    def weights(self, operator: Operator) -> Tensor:
        """What a layer's weights are stored in; of an operator of :data:`WEIGHTED`."""
        return self.tensors[self._parsed.subgraphs[0].operators[operator.index].inputs[1]]

    def bias(self, operator: Operator) -> Tensor | None:
        """What a layer's bias is stored in, or None."""
        inputs = self._parsed.subgraphs[0].operators[operator.index].inputs
        place = 3 if operator.kind == "TRANSPOSE_CONV" else 2
        return self.tensors[inputs[place]] if len(inputs) > place and inputs[place] >= 0 else None

    def activation(self, operator: Operator) -> str:
        """What is applied to an operator's output before it is stored: ``NONE``, ``RELU``, ``RELU6``."""
        options = self._parsed.subgraphs[0].operators[operator.index].builtinOptions
        return _activations()[getattr(options, "fusedActivationFunction", 0)]

    def exposed(self) -> bytes:
        """The file with what each operator gives among its outputs: no delegate keeps it to itself."""
        model = copy.copy(self._parsed)
        graph = copy.copy(model.subgraphs[0])
        graph.outputs = [index for operator in self.operators for index in operator.outputs]
        model.subgraphs, model.signatureDefs = [graph], None
        return pack(model)

    def alone(self, *operators: Operator) -> bytes:
        """A .tflite file of one operator, or of some that follow each other: the last one's output is the file's."""
        model = copy.copy(self._parsed)
        graph = copy.copy(model.subgraphs[0])
        made = {index for operator in operators for index in operator.outputs}
        kept = sorted(made.union(*(operator.inputs for operator in operators)))
        place = {index: new for new, index in enumerate(kept)} | {-1: -1}  # -1: an input that is left out
        taken = [tensor.index for operator in operators for tensor in self.computed_inputs(operator)]
        graph.inputs = [place[index] for index in taken if index not in made]
        graph.outputs = [place[index] for index in operators[-1].outputs]
        graph.tensors = [copy.copy(graph.tensors[index]) for index in kept]
        model.buffers = [schema().BufferT(), *(model.buffers[tensor.buffer] for tensor in graph.tensors)]
        for number, tensor in enumerate(graph.tensors, start=1):
            tensor.buffer = number
        graph.operators = [copy.copy(graph.operators[operator.index]) for operator in operators]
        for operator in graph.operators:
            operator.inputs, operator.outputs = ([place[i] for i in of] for of in (operator.inputs, operator.outputs))
        model.subgraphs, model.signatureDefs, model.metadata, model.metadataBuffer = [graph], None, None, None
        return pack(model)

    def with_layers(self, layers: Mapping[int, tuple[NDArray[Any], NDArray[Any]]]) -> bytes:
        """The file with other weights and biases, of the same shape and dtype, in layers that have both.

        Args:
            layers: Weights and bias, by the operator's index. Layers may have shared theirs; these do not.
        """
        model = parse(self.data)
        graph = model.subgraphs[0]
        for index, values in layers.items():
            operator, written = self.operators[index], graph.operators[index]
            written.inputs = list(written.inputs)
            for old, new in zip((self.weights(operator), self.bias(operator)), values, strict=True):
                if old is None:
                    raise ValueError(f"layer {index} has no bias")
                tensor, buffer = copy.copy(graph.tensors[old.index]), schema().BufferT()
                buffer.data, tensor.buffer = stored(new), len(model.buffers)
                written.inputs[written.inputs.index(old.index)] = len(graph.tensors)
                model.buffers.append(buffer)
                graph.tensors.append(tensor)
        return pack(model)


def parse(data: bytes) -> Any:
    """A .tflite file as the schema's object, ``ModelT``, which may be changed and packed again."""
    return schema().ModelT.InitFromObj(schema().Model.GetRootAs(data, 0))


def pack(model: Any) -> bytes:
    """A .tflite file of a ``ModelT``: the same one gives the same bytes."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    model = copy.copy(model)
    model.buffers = [_aligned(buffer) for buffer in model.buffers]
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def stored(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Numbers as a buffer holds them."""
    return np.frombuffer(values.tobytes(), np.uint8)


def _aligned(buffer: Any) -> Any:
    """A buffer that packs itself at a multiple of 16 bytes, as the schema asks; the generated code forgets to."""
    generated = schema()

    class Aligned(generated.BufferT):  # type: ignore[misc, name-defined]
        def Pack(self, builder: Any) -> int:
            vector = None
            if buffer.data is not None and len(buffer.data):
                data = bytes(buffer.data)
                builder.StartVector(1, len(data), 16)
                head = builder.Head() - len(data)
                builder.head = head
                builder.Bytes[head : head + len(data)] = data
                vector = builder.EndVector()
            generated.BufferStart(builder)
            if vector is not None:
                generated.BufferAddData(builder, vector)
            return int(generated.BufferEnd(builder))

    return Aligned()


def _indices(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(v) for v in values if v >= 0)


def schema() -> Any:
    """The classes that LiteRT generates from TensorFlow Lite's schema."""
    return require("ai_edge_litert.schema_py_generated")


@lru_cache(maxsize=1)
def _kinds() -> dict[int, str]:
    return {v: k for k, v in vars(schema().BuiltinOperator).items() if isinstance(v, int)}


@lru_cache(maxsize=1)
def _activations() -> dict[int, str]:
    return {v: k for k, v in vars(schema().ActivationFunctionType).items() if isinstance(v, int)}


@lru_cache(maxsize=1)
def _dtypes() -> dict[int, str]:
    return {v: k.lower() for k, v in vars(schema().TensorType).items() if isinstance(v, int)}


def _check_readable(data: bytes) -> None:
    """Let the interpreter, whose check of the flatbuffer is complete, see it first."""
    if data[4:8] != b"TFL3":
        raise ModelError("This is no .tflite file: it does not begin with the mark TFL3.")
    interpreter = require("ai_edge_litert.interpreter")
    try:
        interpreter.Interpreter(model_content=data, num_threads=1)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"LiteRT cannot read the model: {error}. Export or copy it again.") from error
