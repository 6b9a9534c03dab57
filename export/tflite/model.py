"""Read the graphs, tensors and operators of a .tflite file from its flatbuffer."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ModelError
from export.tflite.flatbuffer import check_flatbuffer
from export.tflite.schema import activation_name, dtype_name, kind_name, pack, parse, schema, stored

WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
"""Operators with weights, and the axis of the weights that counts output channels."""

UNPACKERS = ("DEQUANTIZE", "DENSIFY")
"""Operators that unpack constants, which are stored in a smaller form, for other operators."""


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        index: Index in its graph.
        name: Name in the file.
        shape: Empty for a scalar; -1 for an axis whose length is not fixed.
        dtype: Name of the numpy dtype, for example ``float32``.
        scales: Real value of one step: none, one for the tensor, or one per channel.
        zero_points: Stored value of real 0, likewise.
        n_bytes: Number of stored bytes; 0 if the tensor is computed.
        buffer: Number of the buffer with these bytes. Tensors may share one.
        is_sparse: Whether only some of the values are stored, the others being 0.
        is_variable: Whether it is state that an operator changes and keeps for the next run.
        is_external: Whether it is stored in another file.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    n_bytes: int
    buffer: int = 0
    is_sparse: bool = False
    is_variable: bool = False
    is_external: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether it is stored in the file, not computed."""
        return self.n_bytes > 0

    @property
    def n_values(self) -> int:
        """Number of values."""
        product = 1
        for length in self.shape:
            product *= length
        return product


@dataclass(frozen=True)
class Operator:
    """An operator.

    Attributes:
        index: Place in the order of computation.
        kind: TensorFlow Lite's name, for example ``CONV_2D``.
        inputs: Indices of the input tensors, without absent ones.
        outputs: Indices of the output tensors.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """One graph of a file: the main graph, or one that an operator such as WHILE or CALL_ONCE runs.

    Attributes:
        tensors: All tensors, by index.
        operators: All operators, in the order of computation.
        inputs: Tensors that the caller sets.
        outputs: Tensors that the caller reads.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @cached_property
    def producers(self) -> dict[int, Operator]:
        """The operator that computes a tensor, by the tensor's index."""
        return {index: operator for operator in self.operators for index in operator.outputs}

    def source(self, index: int) -> Tensor | None:
        """The tensor if it is a constant, or the constant that it is unpacked from; None if it is computed."""
        for _ in range(len(self.operators) + 1):
            if self.tensors[index].is_constant:
                return self.tensors[index]
            operator = self.producers.get(index)
            if operator is None or operator.kind not in UNPACKERS or not operator.inputs:
                return None
            index = operator.inputs[0]
        return None  # a cycle: the file is damaged


class Model:
    """A .tflite file. :attr:`graphs` has all graphs; tensors, operators, inputs and outputs are the main graph's.

    No interpreter is needed, so files that LiteRT cannot run can be read, too.

    Args:
        data: The file's bytes.

    Raises:
        ModelError: The bytes are not a .tflite file, or are damaged.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        check_flatbuffer(data)
        try:
            self._parsed = parse(data)
            self.graphs = tuple(self._graph(graph) for graph in self._parsed.subgraphs)
            self.main = self.graphs[0]
        except Exception as error:  # the generated reader can raise anything on damaged bytes
            raise ModelError("LiteRT cannot read the model: it is damaged. Copy it again.") from error
        self.tensors, self.operators = self.main.tensors, self.main.operators
        self.inputs, self.outputs = self.main.inputs, self.main.outputs

    def _graph(self, graph: Any) -> Graph:
        tensors = tuple(self._tensor(i, t) for i, t in enumerate(graph.tensors or ()))
        operators = tuple(
            Operator(i, kind_name(self._parsed.operatorCodes[o.opcodeIndex]), _indices(o.inputs), _indices(o.outputs))
            for i, o in enumerate(graph.operators or ())
        )
        inputs, outputs = (tuple(tensors[i] for i in _indices(of)) for of in (graph.inputs, graph.outputs))
        for operator in operators:
            if max((*operator.inputs, *operator.outputs), default=-1) >= len(tensors):
                raise ValueError(f"operator {operator.index} uses a tensor that its graph does not have")
        return Graph(tensors, operators, inputs, outputs)

    def _tensor(self, index: int, tensor: Any) -> Tensor:
        data = self._parsed.buffers[tensor.buffer].data
        q = tensor.quantization
        shape = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
        return Tensor(
            index,
            name=(tensor.name or b"").decode(errors="replace"),
            shape=() if shape is None else tuple(map(int, shape)),
            dtype=dtype_name(tensor.type),
            scales=() if q is None or q.scale is None else tuple(map(float, q.scale)),
            zero_points=() if q is None or q.zeroPoint is None else tuple(map(int, q.zeroPoint)),
            n_bytes=0 if data is None else len(data),
            buffer=tensor.buffer,
            is_sparse=tensor.sparsity is not None,
            is_variable=bool(tensor.isVariable),
            is_external=tensor.externalBuffer > 0,
        )

    @property
    def n_buffer_bytes(self) -> int:
        """Size of all buffers. The rest of the file is names, shapes and the like."""
        return sum(len(buffer.data) for buffer in self._parsed.buffers if buffer.data is not None)

    @property
    def n_metadata_bytes(self) -> int:
        """Size of the buffers that hold the file's metadata."""
        numbers = {entry.buffer for entry in self._parsed.metadata or ()}
        buffers = (self._parsed.buffers[n].data for n in numbers if n < len(self._parsed.buffers))
        return sum(len(data) for data in buffers if data is not None)

    def values(self, tensor: Tensor) -> NDArray[Any]:
        """The stored values of a constant."""
        data = self._parsed.buffers[tensor.buffer].data
        return np.frombuffer(bytes(data), tensor.dtype).reshape(tensor.shape)

    @property
    def producers(self) -> dict[int, Operator]:
        """The operator that computes a tensor of the main graph, by the tensor's index."""
        return self.main.producers

    @cached_property
    def _given(self) -> frozenset[int]:
        return frozenset(tensor.index for tensor in self.inputs)

    def computed_inputs(self, operator: Operator) -> tuple[Tensor, ...]:
        """Inputs of an operator that are computed or are the graph's inputs; not constants, not its own state."""
        found = map(self.tensors.__getitem__, operator.inputs)
        return tuple(t for t in found if not t.is_constant and (t.index in self.producers or t.index in self._given))

    def unpacking(self, operator: Operator) -> tuple[Operator, ...]:
        """The operators that unpack an operator's constants, in order. LiteRT runs them once, before the first run."""
        found: dict[int, Operator] = {}
        for index in operator.inputs:
            while not self.tensors[index].is_constant and self.main.source(index) is not None:
                found[index] = self.producers[index]
                index = found[index].inputs[0]
        return tuple(sorted(found.values(), key=lambda o: o.index))

    def weights(self, operator: Operator) -> Tensor:
        """The tensor with the weights of an operator of :data:`WEIGHTED`."""
        index: int = self._parsed.subgraphs[0].operators[operator.index].inputs[1]
        return self.tensors[index]

    def bias(self, operator: Operator) -> Tensor | None:
        """The tensor with the bias of an operator of :data:`WEIGHTED`, or None."""
        inputs = self._parsed.subgraphs[0].operators[operator.index].inputs
        place = 3 if operator.kind == "TRANSPOSE_CONV" else 2
        return self.tensors[inputs[place]] if len(inputs) > place and inputs[place] >= 0 else None

    def activation(self, operator: Operator) -> str:
        """The activation that is fused into an operator: ``NONE``, ``RELU`` or ``RELU6``."""
        options = self._parsed.subgraphs[0].operators[operator.index].builtinOptions
        return activation_name(getattr(options, "fusedActivationFunction", 0))

    def exposed(self) -> bytes:
        """The file with all computed tensors as its outputs, so that no delegate hides them."""
        model = copy.copy(self._parsed)
        graph = copy.copy(model.subgraphs[0])
        graph.outputs = [index for operator in self.operators for index in operator.outputs]
        model.subgraphs, model.signatureDefs = [graph], None
        return pack(model)

    def taken(self, *operators: Operator) -> list[int]:
        """Indices of the tensors that successive operators read from outside, in the order of their inputs."""
        made = {index for operator in operators for index in operator.outputs}
        found = [tensor.index for operator in operators for tensor in self.computed_inputs(operator)]
        return [index for index in found if index not in made]

    def alone(self, *operators: Operator, shapes: Mapping[int, Sequence[int]] | None = None) -> bytes:
        """A .tflite file with one operator, or with successive operators. Its outputs are those of the last one.

        Args:
            operators: Operators of the main graph. The file's inputs are those of :meth:`taken`.
            shapes: Shapes of tensors that are only known at run time, by index.
        """
        model = copy.copy(self._parsed)
        graph = copy.copy(model.subgraphs[0])
        written = [copy.copy(graph.operators[operator.index]) for operator in operators]
        inner = {index for operator in written for index in _indices(operator.intermediates)}
        kept = sorted(inner.union(*(operator.inputs + operator.outputs for operator in operators)))
        place = {index: new for new, index in enumerate(kept)} | {-1: -1}  # -1: an input that is left out
        graph.inputs = [place[index] for index in self.taken(*operators)]
        graph.outputs = [place[index] for index in operators[-1].outputs]
        graph.tensors = [copy.copy(graph.tensors[index]) for index in kept]
        model.buffers = [schema().BufferT(), *(model.buffers[tensor.buffer] for tensor in graph.tensors)]
        for number, (index, tensor) in enumerate(zip(kept, graph.tensors, strict=True), start=1):
            tensor.buffer = number
            if shapes and index in shapes:
                tensor.shape, tensor.shapeSignature = list(shapes[index]), None
        graph.operators = written
        for operator in written:
            for of in ("inputs", "outputs", "intermediates"):
                indices = getattr(operator, of)
                setattr(operator, of, None if indices is None else [place[int(i)] for i in indices])
        model.subgraphs, model.signatureDefs, model.metadata, model.metadataBuffer = [graph], None, None, None
        return pack(model)

    def with_layers(self, layers: Mapping[int, tuple[NDArray[Any], NDArray[Any]]]) -> bytes:
        """The file with other weights and biases of the same shape and dtype.

        Layers that shared their weights or biases no longer do.

        Args:
            layers: Weights and bias by the operator's index, for layers that have both.
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


def _indices(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(v) for v in values if v >= 0)
