"""What a .tflite file really is, held against what its name promises: from the flatbuffer, not from the name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from export.tflite.constants import Constant, constants, uncounted
from export.tflite.model import UNPACKERS, WEIGHTED, Graph, Model, Operator, Tensor

CLAIMS = ("float32", "float16", "dynamic_int8", "full_int8", "mixed_int8")
"""Recipes whose promise is known."""

INPUT_SCALE = 1 / 255
"""The input contract: a pixel's byte stands for byte / 255."""

SMALL = 1024
"""Weights of fewer values may stay in float32: TensorFlow's converter leaves them."""

SIZE_SLACK = 1.25
"""A file may be this many times the size that its weights explain, and"""
SIZE_OVERHEAD = 100_000
"""this many bytes more."""

_FLOATS = ("float16", "float32", "float64", "bfloat16")
_INTEGERS = ("int8", "uint8")
_QUANTIZERS = ("QUANTIZE", "DEQUANTIZE")
_INTEGER_EDGES = ("full_int8", "mixed_int8")
_BITS = {"float32": (32, 32), "float16": (16, 16), "dynamic_int8": (8, 8), "full_int8": (8, 8), "mixed_int8": (8, 32)}
"""Fewest and most bits a weight takes."""


@dataclass(frozen=True)
class Audit:
    """What was found in a file.

    Attributes:
        n_bytes: Size of the file.
        n_parameters: Numbers it stores, in all graphs and for all operators: weights, biases, tables, shapes. Of
            sparse tensors those that are stored.
        weights: Those numbers by the dtype they are stored in, most first.
        operators: Count by kind over all graphs, most first.
        n_graphs: The main one and those that operators run.
        input: dtype and quantization, as text.
        output: Likewise.
        uncounted: Constants that are missing in ``n_parameters``; the size is not judged then. None where all count.
        violations: How it breaks what its recipe promises; empty where it keeps it, or no recipe was given.
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
    """Hold a model to a recipe's promise, by what the file says; nothing is run.

    Args:
        model: The file.
        recipe: One of :data:`CLAIMS`, or None to look at it alone.
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
    """dtype, shape and, where it is quantized, how."""
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
    """Whether a file is as large as its recipe makes it. Only a layer's weights are promised to take so many bits."""
    if uncounted(model, stored):
        return []
    count = sum(c.n_values for c in stored if _is_judged(c))
    # biases, tables and shapes as they are stored; names, indices of sparse tensors, metadata
    other = sum(c.tensor.n_bytes for c in stored if not _is_judged(c))
    other += len(model.data) - model.n_buffer_bytes + model.n_metadata_bytes
    least, most = (count * bits // 8 for bits in _BITS[recipe])
    most = int(most * SIZE_SLACK) + SIZE_OVERHEAD
    if least <= len(model.data) - other <= most:
        return []
    return [f"{len(model.data):,} bytes with {count:,} weights; {recipe} takes {least + other:,} to {most + other:,}"]


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
                    f"zero at {zero}: it was calibrated with another normalisation"
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
    """A line a kind of operator that should not be there."""
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
    """Most of the arithmetic is in int8, and some of it in float32."""
    layers = [(graph, o) for graph in model.graphs for o in graph.operators if o.kind in WEIGHTED and o.outputs]
    in_float = [o for graph, o in layers if graph.tensors[o.outputs[0]].dtype in _FLOATS]
    if not 0 < len(in_float) <= len(layers) // 2:
        return [f"{len(in_float)} of {len(layers)} layers are in float32; mixed_int8 has some, and no more than half"]
    return []


def _at_an_edge(model: Model, graph: Graph, operator: Operator) -> bool:
    """A QUANTIZE between uint8 and int8, right behind the main graph's input or before its output."""
    if graph is not model.main or operator.kind != "QUANTIZE" or not operator.inputs or not operator.outputs:
        return False
    source, target = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    at_edge = source in graph.inputs or target in graph.outputs
    return at_edge and {source.dtype, target.dtype} == {"uint8", "int8"}


def _float_between(model: Model, recipe: str) -> list[str]:
    """Where arithmetic is to be in float32, what is computed is float32, and nothing is quantized on the way."""
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
    """What weights are stored as; int8 ones symmetric, with a scale a channel."""
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
            f"{len(coarse)} of {len(integer)} int8 weights lack a scale a channel, the first is {coarse[0].name!r}"
        )
    if any(zero for c in integer for zero in c.tensor.zero_points):
        found.append("int8 weights are not symmetric: a zero point is not 0")
    return found
