"""Run a network and look at every tensor on the way."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.common.stderr import without_remarks
from edge_runtime.errors import ModelError
from export.tflite.model import Model


class Kept:
    """A network that gives what each of its operators computes, not its output alone; as fast as without.

    Args:
        model: With one input.
        threads: CPU threads.
    """

    def __init__(self, model: Model, threads: int = 1) -> None:
        module = require("ai_edge_litert.interpreter")
        with without_remarks():
            self._interpreter = module.Interpreter(model_content=model.exposed(), num_threads=threads)
            self._interpreter.allocate_tensors()
        self._input = model.inputs[0].index

    def run(self, frame: NDArray[Any]) -> None:
        """Compute all tensors for an input (1, h, w, 1) of the network's dtype. No :meth:`value` may still be held."""
        self._interpreter.set_tensor(self._input, frame)
        self._interpreter.invoke()

    def value(self, index: int) -> NDArray[Any]:
        """A view of what an operator gave, or of the input: drop it, or copy it, before the next run."""
        return self._interpreter.tensor(index)()  # type: ignore[no-any-return]


def load_interpreter(data: bytes) -> Any:
    """LiteRT's interpreter of a model, one thread, its tensors allocated.

    Raises:
        ModelError: LiteRT cannot run it.
    """
    module = require("ai_edge_litert.interpreter")
    try:
        with without_remarks():
            interpreter = module.Interpreter(model_content=data, num_threads=1)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"LiteRT cannot run the model: {error}") from error
    return interpreter
