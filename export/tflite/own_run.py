"""Run a model on made-up input, to get real inputs and outputs of its operators.

An audit runs models in the separate process of :mod:`export.tflite.apart`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from export.tflite.model import Model, Operator


@dataclass(frozen=True)
class Trial:
    """An input to try a model on.

    Attributes:
        length: Length of axes that the file leaves open, except the first axis, which is 1. 0 keeps the file's default.
        integer: Value of integer tensors without quantization, which are indices, lengths or loop counts.
    """

    length: int
    integer: int


TRIALS = (Trial(0, 0), Trial(64, 1), Trial(4096, 1))
"""Trials in the order in which they are used, until the model runs."""


class Subject:
    """A model to run, and the interpreter of its last run.

    Args:
        data: The file's bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._kept: tuple[Trial, Any] | None = None

    @cached_property
    def model(self) -> Model:
        """The file's contents."""
        return Model(self.data)

    def kept(self, trial: Trial) -> Any:
        """The interpreter after a run without XNNPACK, in which every tensor keeps its value."""
        if self._kept is None or self._kept[0] != trial:
            self._kept = None
            self._kept = trial, run(self.data, trial, keep=True)
        return self._kept[1]

    def value(self, trial: Trial, index: int) -> NDArray[Any]:
        """Value of a tensor of the main graph in that run."""
        return self.kept(trial).get_tensor(index)  # type: ignore[no-any-return]


def run(data: bytes, trial: Trial, keep: bool = False) -> Any:
    """Load a model as :func:`loaded` does, run it once and return the interpreter."""
    interpreter = loaded(data, trial, keep)
    rng = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], made_up(rng, details, trial))
    interpreter.invoke()
    return interpreter


def loaded(data: bytes, trial: Trial, keep: bool = False) -> Any:
    """Load a model into LiteRT, on one thread, and allocate its tensors.

    Args:
        data: The file's bytes.
        trial: Sets the lengths of open axes.
        keep: Whether every tensor keeps its value. XNNPACK is then off, since it would drop them.

    Raises:
        ValueError, RuntimeError: LiteRT cannot run the model, or not with these lengths.
    """
    module = require("ai_edge_litert.interpreter")
    options = {}
    if keep:
        resolver = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        options = {"experimental_preserve_all_tensors": True, "experimental_op_resolver_type": resolver}
    interpreter = module.Interpreter(model_content=data, num_threads=1, **options)
    for details in interpreter.get_input_details() if trial.length else ():
        shape = [int(n) for n in details["shape_signature"]]
        if any(n < 0 for n in shape):
            shape = [n if n >= 0 else (trial.length if axis else 1) for axis, n in enumerate(shape)]
            interpreter.resize_tensor_input(details["index"], shape)
    interpreter.allocate_tensors()
    return interpreter


def made_up(rng: np.random.Generator, details: dict[str, Any], trial: Trial) -> NDArray[Any]:
    """Values for an input: noise from 0 to 1 or, for a quantized tensor, over the dtype's whole range."""
    shape, dtype = tuple(int(n) for n in details["shape"]), np.dtype(details["dtype"])
    if dtype.kind in "fc":
        return rng.random(shape, np.float32).astype(dtype)
    if dtype.kind == "b":
        return np.ones(shape, dtype)
    if dtype.kind in "iu" and (dtype.itemsize == 1 or len(details["quantization_parameters"]["scales"])):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    if dtype.kind in "iu":
        return np.full(shape, trial.integer, dtype)
    return np.full(shape, b"text", object)


def try_run(subject: Subject, trial: Trial) -> None:
    """Run a model once, keeping every tensor."""
    subject.kept(trial)


def trials(model: Model) -> Sequence[Trial]:
    """The trials that make a difference for a model. A model whose input is an image of fixed size has one."""
    is_open = any(length < 0 for tensor in model.inputs for length in tensor.shape)
    takes_integers = any("int" in tensor.dtype and not tensor.scales for tensor in model.inputs)
    return TRIALS if is_open else TRIALS[: 1 + takes_integers]


def fed(subject: Subject, trial: Trial, *operators: Operator) -> Any:
    """Load operators alone, run them once on their inputs from the model's own run, and return the interpreter.

    Raises:
        ValueError, RuntimeError: LiteRT cannot run them alone.
    """
    model = subject.model
    operators = (*model.unpacking(operators[-1]), *operators)
    taken = model.taken(*operators)
    values = {index: subject.value(trial, index) for index in taken}
    shapes = {index: value.shape for index, value in values.items()}
    module = require("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(model_content=model.alone(*operators, shapes=shapes), num_threads=1)
    interpreter.allocate_tensors()
    for details, index in zip(interpreter.get_input_details(), taken, strict=True):
        interpreter.set_tensor(details["index"], values[index])
    interpreter.invoke()
    return interpreter
