"""What a .tflite file really is, held against what its name promises: from the flatbuffer, not from the name."""

from __future__ import annotations

from dataclasses import dataclass

from export.tflite.model import WEIGHTED, Model, Operator, Tensor

CLAIMS = ("float32", "float16", "dynamic_int8", "full_int8", "mixed_int8")
"""Recipes whose promise is known."""

INPUT_SCALE = 1 / 255
"""The input contract: a pixel's byte stands for byte / 255."""

_FLOATS = ("float16", "float32", "float64", "bfloat16")
_INTEGERS = ("int8", "uint8")
_QUANTIZERS = ("QUANTIZE", "DEQUANTIZE")
SMALL = 1024
"""Weights of fewer values may stay in float32: TensorFlow's converter leaves them."""

_BITS = {"float32": (32, 32), "float16": (16, 16), "dynamic_int8": (8, 8), "full_int8": (8, 8), "mixed_int8": (8, 32)}
"""Fewest and most bits a weight takes."""

_INTEGER_EDGES = ("full_int8", "mixed_int8")
SIZE_SLACK = 1.25
"""A file may be so many times the size of its weights,"""
SIZE_OVERHEAD = 100_000
"""and so many bytes more: names, shapes, scales."""


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        n_bytes: Of the file.
        n_parameters: Values of all weights and biases.
        weights: Values by dtype they are stored in, most first.
        operators: Count by kind, most first.
        input: dtype and quantization, as text.
        output: Likewise.
        violations: How it breaks what its recipe promises; empty where it keeps it, or no recipe was given.
    """

    n_bytes: int
    n_parameters: int
    weights: dict[str, int]
    operators: dict[str, int]
    input: str
    output: str
    violations: tuple[str, ...]


def audit(model: Model, recipe: str | None) -> Audit:
    """Hold a model to a recipe's promise.

    Args:
        model: The file.
        recipe: One of :data:`CLAIMS`, or None to tensor_text it alone.
    """
    stored = _parameters(model)
    weights: dict[str, int] = {}
    for tensor in (parameter.tensor for parameter in stored):
        weights[tensor.dtype] = weights.get(tensor.dtype, 0) + tensor.n_values
    kinds = [operator.kind for operator in model.operators]
    return Audit(
        n_bytes=len(model.data),
        n_parameters=sum(weights.values()),
        weights=_most_first(weights),
        operators=_most_first({kind: kinds.count(kind) for kind in kinds}),
        input=", ".join(map(tensor_text, model.inputs)),
        output=", ".join(map(tensor_text, model.outputs)),
        violations=() if recipe is None else tuple(_violations(model, recipe, stored)),
    )


def tensor_text(tensor: Tensor) -> str:
    """dtype, shape and, where it is quantized, how."""
    text = f"{tensor.dtype} {'x'.join(map(str, tensor.shape))}"
    if len(tensor.scales) == 1:
        text += f", step {tensor.scales[0]:.6g}, zero at {tensor.zero_points[0]}"
    return text


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


@dataclass(frozen=True)
class _Parameter:
    """A constant that holds weights or biases; the channels a weight has, None for a bias."""

    tensor: Tensor
    channels: int | None


def _parameters(model: Model) -> list[_Parameter]:
    """What operators with weights take that is stored, also by way of a DEQUANTIZE."""
    found: dict[int, _Parameter] = {}
    for operator in model.operators:
        if operator.kind in WEIGHTED or operator.kind in ("MUL", "ADD"):
            for index in operator.inputs:
                source = model.producers.get(index)
                tensor = model.tensors[source.inputs[0] if source and source.kind == "DEQUANTIZE" else index]
                if tensor.is_constant and not _is_shape(operator, index):
                    is_weight = operator.kind in WEIGHTED and len(tensor.shape) > 1
                    channels = tensor.shape[WEIGHTED[operator.kind]] if is_weight else None
                    found[tensor.index] = _Parameter(tensor, channels)
    return list(found.values())


def _is_shape(operator: Operator, index: int) -> bool:
    """TRANSPOSE_CONV's first input is its output's shape."""
    return operator.kind == "TRANSPOSE_CONV" and index == operator.inputs[0]


def _violations(model: Model, recipe: str, stored: list[_Parameter]) -> list[str]:
    found = _edges(model, recipe)
    if model.n_subgraphs > 1:
        found.append(f"it holds {model.n_subgraphs} graphs; one is audited, one is expected")
    if recipe == "full_int8":
        found += _full_int8(model)
    elif recipe == "mixed_int8":
        found += _mixed_int8(model)
    else:
        found += _float_between(model, recipe)
    found += _stored(stored, recipe)
    count = sum(parameter.tensor.n_values for parameter in stored)
    least, most = (count * bits // 8 for bits in _BITS[recipe])
    most = int(most * SIZE_SLACK) + SIZE_OVERHEAD
    if not least <= len(model.data) <= most:
        found.append(f"{len(model.data):,} bytes for {count:,} parameters; {recipe} takes {least:,} to {most:,}")
    return found


def _edges(model: Model, recipe: str) -> list[str]:
    wanted = _INTEGERS if recipe in _INTEGER_EDGES else ("float32",)
    found = [
        f"{side} '{tensor.name}' is {tensor.dtype}, not {' or '.join(wanted)}"
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
                    f"input '{tensor.name}' is {tensor_text(tensor)}; the contract is step 1/255 = {INPUT_SCALE:.6g}, "
                    f"zero at {zero}: it was calibrated with another normalisation"
                )
    return found


def _full_int8(model: Model) -> list[str]:
    found = []
    floats = [t for t in model.tensors if t.dtype in _FLOATS]
    if floats:
        found.append(f"{len(floats)} tensors are floating-point, the first is {floats[0].dtype} '{floats[0].name}'")
    for operator in model.operators:
        if operator.kind in _QUANTIZERS and not _at_an_edge(model, operator):
            found.append(f"operator {operator.index} is a {operator.kind} inside the graph")
    return found


def _mixed_int8(model: Model) -> list[str]:
    """Most of the arithmetic is in int8, and some of it in float32."""
    layers = [operator for operator in model.operators if operator.kind in WEIGHTED]
    in_float = [o for o in layers if model.tensors[o.outputs[0]].dtype in _FLOATS]
    if not 0 < len(in_float) <= len(layers) // 2:
        return [f"{len(in_float)} of {len(layers)} layers are in float32; mixed_int8 has some, and no more than half"]
    return []


def _at_an_edge(model: Model, operator: Operator) -> bool:
    """A QUANTIZE between uint8 and int8, right behind the input or before the output."""
    if operator.kind != "QUANTIZE":
        return False
    source, target = model.tensors[operator.inputs[0]], model.tensors[operator.outputs[0]]
    at_edge = source in model.inputs or target in model.outputs
    return at_edge and {source.dtype, target.dtype} == {"uint8", "int8"}


def _float_between(model: Model, recipe: str) -> list[str]:
    """Where arithmetic is to be in float32, what is computed is float32, and nothing is quantized on the way."""
    found = []
    wrong = [
        model.tensors[index]
        for operator in model.operators
        for index in operator.outputs
        if model.tensors[index].dtype in (*_INTEGERS, "int16", "float16", "bfloat16")
    ]
    if wrong:
        found.append(f"{len(wrong)} computed tensors are not float32, the first is {wrong[0].dtype} '{wrong[0].name}'")
    for operator in model.operators:
        from_constant = model.tensors[operator.inputs[0]].is_constant if operator.inputs else False
        if operator.kind == "QUANTIZE" or (
            operator.kind == "DEQUANTIZE" and not (recipe == "float16" and from_constant)
        ):
            found.append(f"operator {operator.index} is a {operator.kind}")
    return found


def _stored(stored: list[_Parameter], recipe: str) -> list[str]:
    """What weights are stored as; int8 ones symmetric, with a scale a channel."""
    dtype = {"float32": "float32", "float16": "float16"}.get(recipe, "int8")
    weights = [p for p in stored if p.channels is not None]
    large = [p.tensor for p in weights if p.tensor.n_values >= SMALL and recipe != "mixed_int8"]
    found = []
    wrong = [t for t in large if t.dtype != dtype]
    if wrong:
        found.append(
            f"{len(wrong)} of {len(large)} weights are not {dtype}, the first is {wrong[0].dtype} '{wrong[0].name}'"
        )
    integer = [p for p in weights if p.tensor.dtype == "int8"]
    coarse = [p.tensor for p in integer if len(p.tensor.scales) != p.channels]
    if coarse:
        found.append(
            f"{len(coarse)} of {len(integer)} int8 weights lack a scale a channel, the first is '{coarse[0].name}'"
        )
    if any(zero for p in integer for zero in p.tensor.zero_points):
        found.append("int8 weights are not symmetric: a zero point is not 0")
    return found
