"""Run a network and read all of its tensors."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.common.stderr import without_remarks
from edge_runtime.errors import ModelError
from export.tflite.model import Model


class Kept:
    """A network whose intermediate tensors can be read after a run. It is as fast as the network itself.

    Args:
        model: A network with one input.
        threads: Number of CPU threads.
    """

    def __init__(self, model: Model, threads: int = 1) -> None:
        module = require("ai_edge_litert.interpreter")
        with without_remarks():
            self._interpreter = module.Interpreter(model_content=model.exposed(), num_threads=threads)
            self._interpreter.allocate_tensors()
        self._input = model.inputs[0].index

    def run(self, frame: NDArray[Any]) -> None:
        """Compute all tensors for an input (1, h, w, 1) of the network's dtype. Drop every :meth:`value` first."""
        self._interpreter.set_tensor(self._input, frame)
        self._interpreter.invoke()

    def value(self, index: int) -> NDArray[Any]:
        """A view of an operator's output, or of the input. Copy it or drop it before the next run."""
        return self._interpreter.tensor(index)()  # type: ignore[no-any-return]


def load_interpreter(data: bytes) -> Any:
    """Load a model into LiteRT, on one thread, and allocate its tensors.

    Raises:
        ModelError: LiteRT cannot run the model.
    """
    module = require("ai_edge_litert.interpreter")
    try:
        with without_remarks():
            interpreter = module.Interpreter(model_content=data, num_threads=1)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"LiteRT cannot run the model: {error}") from error
    return interpreter
