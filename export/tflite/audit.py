"""Check from the flatbuffer whether a .tflite file keeps the promise of its recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from export.tflite.constants import Constant, constants, uncounted
from export.tflite.model import UNPACKERS, WEIGHTED, Graph, Model, Operator, Tensor

CLAIMS = ("float32", "float16", "dynamic_int8", "full_int8", "mixed_int8")
"""Recipes that can be checked."""

INPUT_SCALE = 1 / 255
"""The input contract: a pixel's byte stands for byte / 255."""

SMALL = 1024
"""Weights with fewer values may stay in float32, since TensorFlow's converter does not quantize them."""

SIZE_SLACK = 1.25
SIZE_OVERHEAD = 100_000
"""A file may be as large as its weights explain, times SIZE_SLACK, plus SIZE_OVERHEAD bytes."""

_FLOATS = ("float16", "float32", "float64", "bfloat16")
_INTEGERS = ("int8", "uint8")
_QUANTIZERS = ("QUANTIZE", "DEQUANTIZE")
_INTEGER_EDGES = ("full_int8", "mixed_int8")
_BITS = {"float32": (32, 32), "float16": (16, 16), "dynamic_int8": (8, 8), "full_int8": (8, 8), "mixed_int8": (8, 32)}
"""Minimum and maximum number of bits per weight."""


@dataclass(frozen=True)
class Audit:
    """The contents of a file, and how they differ from its recipe.

    Attributes:
        n_bytes: Size of the file.
        n_parameters: Count of all stored numbers, in all graphs and for all operators: weights, biases, tables and
            shapes. Of sparse tensors, only the stored values count.
        weights: The same count by stored dtype, largest first.
        operators: Number of operators by kind over all graphs, largest first.
        n_graphs: Number of graphs: the main graph and those that operators run.
        input: dtype, shape and quantization of the inputs, as text.
        output: The same for the outputs.
        uncounted: Constants that ``n_parameters`` lacks; the size is not checked then. None if all are counted.
        violations: All differences from the recipe; empty if there are none or no recipe was given.
    """

    n_bytes: int
    n_parameters: int
    weights: dict[str, int]
    operators: dict[str, int]
    n_graphs: int
    input: str
    output: str
    uncounted: str | None
    violations: tuple[str, ...]


def audit(model: Model, recipe: str | None) -> Audit:
    """Compare a model with a recipe. Nothing is run.

    Args:
        model: The file.
        recipe: One of :data:`CLAIMS`, or None to only describe the file.
    """
    stored = constants(model)
    weights: dict[str, int] = {}
    for constant in stored:
        weights[constant.tensor.dtype] = weights.get(constant.tensor.dtype, 0) + constant.n_values
    return Audit(
        n_bytes=len(model.data),
        n_parameters=sum(weights.values()),
        weights=_most_first(weights),
        operators=_most_first(Counter(operator.kind for graph in model.graphs for operator in graph.operators)),
        n_graphs=len(model.graphs),
        input=", ".join(map(tensor_text, model.inputs)) or "none",
        output=", ".join(map(tensor_text, model.outputs)) or "none",
        uncounted=uncounted(model, stored),
        violations=() if recipe is None else tuple(_violations(model, recipe, stored)),
    )


def tensor_text(tensor: Tensor) -> str:
    """dtype, shape and, if it has a single scale, quantization of a tensor."""
    text = f"{tensor.dtype} {'x'.join(map(str, tensor.shape)) or 'scalar'}"
    if len(tensor.scales) == 1:
        text += f", step {tensor.scales[0]:.6g}, zero at {tensor.zero_points[0] if tensor.zero_points else 0}"
    return text


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _violations(model: Model, recipe: str, stored: list[Constant]) -> list[str]:
    found = _edges(model, recipe)
    if recipe == "full_int8":
        found += _full_int8(model)
    elif recipe == "mixed_int8":
        found += _mixed_int8(model)
    else:
        found += _float_between(model, recipe)
    return found + _stored(stored, recipe) + _size(model, recipe, stored)


def _size(model: Model, recipe: str, stored: list[Constant]) -> list[str]:
    """Check the size of a file. A recipe promises a number of bits only for the weights of layers."""
    if uncounted(model, stored):
        return []
    count = sum(c.n_values for c in stored if _is_judged(c))
    # biases, tables and shapes at their stored size; names, indices of sparse tensors, metadata
    other = sum(c.tensor.n_bytes for c in stored if not _is_judged(c))
    other += len(model.data) - model.n_buffer_bytes + model.n_metadata_bytes
    least, most = (count * bits // 8 for bits in _BITS[recipe])
    most = int(most * SIZE_SLACK) + SIZE_OVERHEAD
    if least <= len(model.data) - other <= most:
        return []
    return [f"{len(model.data):,} bytes for {count:,} weights; {recipe} needs {least + other:,} to {most + other:,}"]


def _is_judged(constant: Constant) -> bool:
    return constant.is_weight and constant.n_values >= SMALL


def _edges(model: Model, recipe: str) -> list[str]:
    wanted = _INTEGERS if recipe in _INTEGER_EDGES else ("float32",)
    found = [
        f"{side} {tensor.name!r} is {tensor.dtype}, not {' or '.join(wanted)}"
        for side, tensors in (("input", model.inputs), ("output", model.outputs))
        for tensor in tensors
        if tensor.dtype not in wanted
    ]
    if recipe in _INTEGER_EDGES:
        for tensor in model.inputs:
            zero = 0 if tensor.dtype == "uint8" else -128
            if tensor.dtype in _INTEGERS and not (
                len(tensor.scales) == 1
                and abs(tensor.scales[0] / INPUT_SCALE - 1) < 1e-4
                and tensor.zero_points == (zero,)
            ):
                found.append(
                    f"input {tensor.name!r} is {tensor_text(tensor)}; the contract is step 1/255 = {INPUT_SCALE:.6g}, "
                    f"zero at {zero}: the model was calibrated with another normalisation"
                )
    return found


def _full_int8(model: Model) -> list[str]:
    floats = [tensor for graph in model.graphs for tensor in graph.tensors if tensor.dtype in _FLOATS]
    found = [f"{len(floats)} tensors are floating-point, the first is {_named(floats[0])}"] if floats else []
    inside = [
        operator
        for graph in model.graphs
        for operator in graph.operators
        if operator.kind in _QUANTIZERS and not _at_an_edge(model, graph, operator)
    ]
    return found + _listed(inside, " inside the graph")


def _listed(operators: list[Operator], where: str = "") -> list[str]:
    """One line per kind of operator that should not be there."""
    kinds: dict[str, list[Operator]] = {}
    for operator in operators:
        kinds.setdefault(operator.kind, []).append(operator)
    return [
        f"{len(of)} {kind}{where}, the first is operator {of[0].index}" if len(of) > 1
        else f"operator {of[0].index} is a {kind}{where}"
        for kind, of in kinds.items()
    ]  # fmt: skip


def _named(tensor: Tensor) -> str:
    return f"{tensor.dtype} {tensor.name!r}"


def _mixed_int8(model: Model) -> list[str]:
    """Check that at least one layer is in float32, and at most half of them are."""
    layers = [(graph, o) for graph in model.graphs for o in graph.operators if o.kind in WEIGHTED and o.outputs]
    in_float = [o for graph, o in layers if graph.tensors[o.outputs[0]].dtype in _FLOATS]
    if not 0 < len(in_float) <= len(layers) // 2:
        return [f"{len(in_float)} of {len(layers)} layers are in float32; mixed_int8 has at least 1 and at most half"]
    return []


def _at_an_edge(model: Model, graph: Graph, operator: Operator) -> bool:
    """Whether an operator is a QUANTIZE between uint8 and int8, next to the main graph's input or output."""
    if graph is not model.main or operator.kind != "QUANTIZE" or not operator.inputs or not operator.outputs:
        return False
    source, target = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    at_edge = source in graph.inputs or target in graph.outputs
    return at_edge and {source.dtype, target.dtype} == {"uint8", "int8"}


def _float_between(model: Model, recipe: str) -> list[str]:
    """For recipes that compute in float32, check that computed tensors are float32 and nothing is quantized."""
    wrong: list[Tensor] = []
    quantizers: list[Operator] = []
    for graph in model.graphs:
        for operator in graph.operators:
            unpacks = (
                operator.kind in UNPACKERS and bool(operator.inputs) and graph.source(operator.inputs[0]) is not None
            )
            if not unpacks:
                outputs = (graph.tensors[index] for index in operator.outputs)
                wrong += [t for t in outputs if t.dtype in (*_INTEGERS, "int16", "float16", "bfloat16")]
            if operator.kind in _QUANTIZERS and not (recipe == "float16" and unpacks):
                quantizers.append(operator)
    found = [f"{len(wrong)} computed tensors are not float32, the first is {_named(wrong[0])}"] if wrong else []
    return found + _listed(quantizers)


def _stored(stored: list[Constant], recipe: str) -> list[str]:
    """Check the dtype of weights, and that int8 weights are symmetric with one scale per channel."""
    dtype = {"float32": "float32", "float16": "float16"}.get(recipe, "int8")
    large = [c.tensor for c in stored if _is_judged(c) and recipe != "mixed_int8"]
    found = []
    wrong = [t for t in large if t.dtype != dtype]
    if wrong:
        found.append(f"{len(wrong)} of {len(large)} weights are not {dtype}, the first is {_named(wrong[0])}")
    integer = [c for c in stored if c.is_weight and c.tensor.dtype == "int8" and c.channels is not None]
    coarse = [c.tensor for c in integer if len(c.tensor.scales) != c.channels]
    if coarse:
        found.append(
            f"{len(coarse)} of {len(integer)} int8 weights lack a scale per channel, the first is {coarse[0].name!r}"
        )
    if any(zero for c in integer for zero in c.tensor.zero_points):
        found.append("int8 weights are not symmetric: some zero points are not 0")
    return found
