"""The TensorFlow Lite interpreter: ``ai_edge_litert`` or, if that is missing, ``tflite_runtime``."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import Manifest, TensorSpec
from edge_runtime.common.optional import import_or_stop
from edge_runtime.common.stderr import without_remarks
from edge_runtime.errors import FetalHeadError, ModelError
from edge_runtime.frame.preprocess import to_unit

BACKENDS = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
"""Distribution name to module, in order of preference."""

_INSTALL = {
    "ai-edge-litert": "'pip install ai-edge-litert' is for 64-bit systems: Linux (x86-64, ARM), macOS (Apple silicon), "
    "Windows (x86-64).",
    "tflite-runtime": "'pip install tflite-runtime \"numpy<2\"' is for Linux, 32-bit ARM too, with Python up to 3.11.",
}
"""How to install each of them, and where it has wheels."""

REFUSALS = (ValueError, RuntimeError, MemoryError)
"""What the interpreter raises if it cannot run a model. Any call can raise; with a forged model even the last one."""


def load_backend(name: str | None = None) -> tuple[str, Any]:
    """Import the interpreter's module.

    Args:
        name: One of :data:`BACKENDS`. None for the first that is installed.

    Returns:
        The distribution's name and the module.

    Raises:
        FetalHeadError: No interpreter is installed, or the requested one is not.
    """
    if name is not None and name not in BACKENDS:
        raise FetalHeadError(f"There is no backend '{name}'. Choose one of: {', '.join(BACKENDS)}.")
    failures = []
    for candidate in [name] if name else list(BACKENDS):
        if candidate == "tflite-runtime" and int(np.__version__.split(".")[0]) > 1:
            # the import would succeed, and then loading the first model would fail
            failures.append(
                f"{candidate} needs NumPy 1, but NumPy {np.__version__} is installed: pip install 'numpy<2'"
            )
            continue
        try:
            return candidate, import_or_stop(BACKENDS[candidate])
        except ImportError as error:
            failures.append(f"{candidate}: {error}")
    import platform  # here, because it is slow to import

    here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    steps = " ".join(_INSTALL[candidate] for candidate in ([name] if name else _INSTALL))
    raise FetalHeadError(
        f"No TensorFlow Lite interpreter can be imported ({'; '.join(failures)}). {steps} This is {here}."
    )


class Network:
    """One model, ready to run.

    The interpreter holds one input and one output, so a second thread could get the answer to the first one's frame.
    Threads that share a network must hold ``turn`` from :meth:`set_input` until they have read the output.

    Args:
        model: Bytes of the .tflite file, already checked against the manifest.
        manifest: The model's manifest.
        threads: Number of CPU threads, at least 1.
        backend: As in :func:`load_backend`.

    Attributes:
        turn: The lock to hold. The thread that holds it may take it again.

    Raises:
        ModelError: The bytes are not a model, or its tensors are not the ones in the manifest.
    """

    def __init__(self, model: bytes, manifest: Manifest, threads: int = 1, backend: str | None = None) -> None:
        self.backend, module = load_backend(backend)
        self.threads = threads
        self.turn = threading.RLock()
        self._model = model  # the interpreter points into these bytes, so they must outlive it
        try:
            with without_remarks():
                self._interpreter = module.Interpreter(model_content=self._model, num_threads=threads)
                self._interpreter.allocate_tensors()
            inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except REFUSALS as error:
            raise ModelError(f"{self.backend} cannot run {manifest.name}: {error}", code="interpreter") from error
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                f"{manifest.name} has {len(inputs)} inputs and {len(outputs)} outputs; it must have one of each."
            )
        for details, spec in ((inputs[0], manifest.input), (outputs[0], manifest.output)):
            _check_tensor(details, spec, manifest.name)
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        self._manifest = manifest

    def set_input(self, frame: NDArray[np.uint8]) -> None:
        """Put a prepared frame, uint8 (h, w), into the input tensor."""
        spec = self._manifest.input
        tensor: NDArray[Any]
        if spec.dtype == "uint8":  # the manifest guarantees scale 1/255 and zero point 0, so the bytes are the tensor
            tensor = frame
        elif spec.dtype == "int8":
            tensor = (frame.astype(np.int16) - 128).astype(np.int8)
        else:
            tensor = to_unit(frame)
        try:
            self._interpreter.set_tensor(self._input, tensor[None, :, :, None])
        except REFUSALS as error:
            raise self._failed(error) from error

    def invoke(self) -> None:
        """Run the network.

        Raises:
            ModelError: The interpreter failed.
        """
        try:
            self._interpreter.invoke()
        except REFUSALS as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> ModelError:
        text = f"{self.backend} failed while running {self._manifest.name}: {type(error).__name__} {error!s:.300}"
        return ModelError(text, code="interpreter")

    def output(self) -> NDArray[Any]:
        """A copy of the network's output: (h, w), in the dtype of the output tensor."""
        try:
            values = self._interpreter.get_tensor(self._output)
            if values.shape != self._manifest.output.shape:  # a model can change its shape while it runs
                raise ValueError(f"the output's shape has become {values.shape}")
        except REFUSALS as error:
            raise self._failed(error) from error
        return np.asarray(values[0, :, :, 0])

    def logits(self, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """The output as logits, float32 (h, w), in ``out`` if given, else in a new array."""
        return to_logits(self.output(), self._manifest.output, out)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32 (h, w) of a prepared frame uint8 (h, w)."""
        with self.turn:
            self.set_input(frame)
            self.invoke()
            return self.logits()


def to_logits(stored: NDArray[Any], spec: TensorSpec, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """An output (h, w), in the dtype of its tensor, as logits, float32 (h, w), in ``out`` if given."""
    if out is None:
        out = np.empty(stored.shape, dtype=np.float32)
    np.copyto(out, stored)
    if spec.dtype != "float32":
        out -= np.float32(spec.zero_point)
        out *= np.float32(spec.scale)
    return out


def describe_tensor(details: dict[str, Any]) -> TensorSpec:
    """Make the :class:`TensorSpec` of a tensor from what the interpreter says about it."""
    scale, zero_point = details["quantization"]
    shape = tuple(int(n) for n in details["shape"])
    return TensorSpec(details["name"], shape, np.dtype(details["dtype"]).name, float(scale), int(zero_point))  # type: ignore[arg-type]


def _check_tensor(details: dict[str, Any], spec: TensorSpec, name: str) -> None:
    try:
        seen = describe_tensor(details)
    except ValueError as error:
        raise ModelError(f"{name}: {error}.") from error
    if (seen.shape, seen.dtype) != (spec.shape, spec.dtype):
        raise ModelError(
            f"{name}: tensor '{seen.name}' is {seen.dtype} {seen.shape}, but its manifest says {spec.dtype} "
            f"{spec.shape}."
        )
    if abs(seen.scale - spec.scale) > 1e-6 * spec.scale or seen.zero_point != spec.zero_point:
        raise ModelError(f"{name}: the quantization of tensor '{seen.name}' is not the one in the manifest.")
