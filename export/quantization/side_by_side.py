"""Run a network in float32 and in int8, operator by operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ModelError
from edge_runtime.frame.preprocess import to_unit
from export.tflite.interpreter import Kept, load_interpreter
from export.tflite.model import Model, Operator, Tensor

Values = dict[int, list[NDArray[Any]]]
"""Values of tensors, one array per image, by the tensor's index."""


def pair(plain: Model, quantized: Model) -> list[tuple[Operator, Operator]]:
    """Pair the operators of both networks, in the order of computation.

    Raises:
        ModelError: They differ in more than QUANTIZE operators.
    """
    inner = [operator for operator in quantized.operators if operator.kind != "QUANTIZE"]
    if [operator.kind for operator in inner] != [operator.kind for operator in plain.operators]:
        raise ModelError(
            "The int8 network does not have the operators of the float32 network, so they cannot be compared."
        )
    return list(zip(plain.operators, inner, strict=True))


def run_all(
    model: Model, operators: Sequence[Operator], frames: Sequence[NDArray[Any]] | NDArray[Any], threads: int = 1
) -> Values:
    """Inputs and outputs of operators for frames (h, w) of the model's input dtype."""
    wanted = {t.index for o in operators for t in (*model.computed_inputs(o), model.tensors[o.outputs[0]])}
    kept = Kept(model, threads)
    found: Values = {index: [] for index in wanted}
    for frame in frames:
        kept.run(frame[None, :, :, None])
        for index, values in found.items():
            values.append(kept.value(index).copy())
    return found


def logits(model: Model, images: NDArray[np.uint8], threads: int = 1) -> NDArray[np.float32]:
    """Logits, float32 (N, h, w), of a network with an input in float32 or uint8, for images, uint8 (N, h, w)."""
    target = model.outputs[0]
    frames = [to_unit(image) for image in images] if model.inputs[0].dtype == "float32" else images
    stored = np.concatenate(run_all(model, model.operators[-1:], frames, threads)[target.index])[..., 0]
    return real(stored, target) if target.scales else stored.astype(np.float32)


def alone(
    plain: Model, quantized: Model, float_operator: Operator, operator: Operator, exact: Values
) -> NDArray[np.float32]:
    """The int8 operator's output, as real values, for inputs that were computed in float32 and rounded once."""
    interpreter = load_interpreter(quantized.alone(operator))
    places = interpreter.get_input_details()
    sources = list(zip(plain.computed_inputs(float_operator), quantized.computed_inputs(operator), strict=True))
    target = quantized.tensors[operator.outputs[0]]
    found = []
    for i in range(len(exact[float_operator.outputs[0]])):
        for details, (float_tensor, tensor) in zip(places, sources, strict=True):
            stored = np.rint(exact[float_tensor.index][i] / tensor.scales[0]) + tensor.zero_points[0]
            interpreter.set_tensor(details["index"], np.clip(stored, -128, 127).astype(np.int8))
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return real(np.concatenate(found), target)


def real(stored: NDArray[Any], tensor: Tensor) -> NDArray[np.float32]:
    """The real values that stored integers represent."""
    return ((stored.astype(np.float32) - tensor.zero_points[0]) * np.float32(tensor.scales[0])).astype(np.float32)
