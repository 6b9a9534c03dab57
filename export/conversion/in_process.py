"""The conversions that run in a separate process: onnx2tf, and TFLiteConverter set up for a recipe.

Only :mod:`export.conversion.process` imports this, because it imports TensorFlow.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import OUTPUT_STRIDES
from edge_runtime.frame.preprocess import to_unit
from export.conversion.contract import INPUT, OUTPUT, PROXY_SIZE
from export.conversion.rewrites import Rewrite
from export.recipes import Recipe

# Set before TensorFlow is imported. No GPU: initializing it takes time, and it would not be used. No network access:
# nothing here needs it.
os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", HF_HUB_OFFLINE="1")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what C++ code writes to stderr. Python exceptions still propagate."""
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


# A fifth of the import would go to looking for garbage among half a million new objects, of which none is any.
gc.disable()
with _quiet():  # TensorFlow's import prints a screenful about CUDA that no setting turns off
    import onnx
    import onnx2tf
    import onnxsim
    import tensorflow as tf

    from export.conversion import graph as graphs
    from export.conversion.rewrite_graph import rewrite
gc.freeze()  # nor do the conversions look through them: TFLiteConverter collects garbage itself, a second each time
gc.enable()


def onnx_to_graph(source: str, target: str) -> None:
    """Convert an ONNX network with input (1, 1, h, w) to a graph with input (1, h, w, 1) and constant weights.

    Args:
        source: The .onnx file, with inputs of :data:`PROXY_SIZE`.
        target: File to write the GraphDef to.

    Raises:
        ValueError: The network does not have the expected input and output.
        RuntimeError: onnxsim changed what the network computes.
    """
    given = onnx.load(source)
    _check_contract(given)
    # onnx2tf runs onnxsim as a command, which is on PATH only if the environment is activated. Without it, the
    # decoder's sizes stay symbolic and the conversion fails. So onnxsim is called here, as a library.
    network, same = onnxsim.simplify(given)
    if not same:
        raise RuntimeError("onnxsim changed what the network computes")
    simplified = Path(source).with_suffix(".simplified.onnx")
    onnx.save(network, simplified)
    # disable_model_save: onnx2tf would also write two .tflite files that nobody asked for.
    model = onnx2tf.convert(
        input_onnx_file_path=str(simplified),
        output_folder_path=str(Path(target).parent / "onnx2tf"),
        not_use_onnxsim=True,
        disable_model_save=True,
        verbosity="warn",
    )
    graph = graphs.freeze(model, (1, *PROXY_SIZE, 1))
    graphs.join_channels_last(graph)
    Path(target).write_bytes(graph.SerializeToString())


def _check_contract(network: onnx.ModelProto) -> None:
    """Refuse networks that onnx2tf would silently convert into something else.

    Raises:
        ValueError: The input or output is not that of this project's networks, or its size is not fixed.
    """
    weights = {tensor.name for tensor in network.graph.initializer}
    sides = (
        ("input", (1,), [x for x in network.graph.input if x.name not in weights]),
        ("output", OUTPUT_STRIDES, list(network.graph.output)),
    )
    for side, strides, tensors in sides:
        wanted = [[1, 1, *(n // stride for n in PROXY_SIZE)] for stride in strides]
        shapes = [[d.dim_value or d.dim_param or "?" for d in x.type.tensor_type.shape.dim] for x in tensors]
        if len(shapes) != 1 or shapes[0] not in wanted:
            found = ", ".join(f"{x.name} {shape}" for x, shape in zip(tensors, shapes, strict=True))
            raise ValueError(
                f"the ONNX network's {side} is {found or 'missing'}; it must be one grey image of the fixed shape "
                f"{' or '.join(map(str, wanted))}. Write the network with export.conversion.to_onnx.write_onnx."
            )


def graph_to_saved_model(
    source: str,
    folder: str,
    size: tuple[int, int],
    images: NDArray[np.uint8],
    answers: str,
    rewrites: Sequence[Rewrite] = (),
) -> None:
    """Rewrite a graph, write it as a SavedModel with a fixed input size, and run it on images.

    Args:
        source: File written by :func:`onnx_to_graph`.
        folder: SavedModel to write.
        size: (h, w) in pixels, multiples of 16.
        images: uint8 (N, h, w), to run the network on.
        answers: .npy file to write the logits to, float32 (N, h, w).
        rewrites: Exact rewrites that fit the network.
    """
    graph = graphs.load(Path(source).read_bytes())
    rewrite(graph, rewrites)
    graphs.set_size(graph, size)
    function = tf.function(
        lambda frame: {OUTPUT: graphs.call(graph, frame)},
        input_signature=[tf.TensorSpec((1, *size, 1), tf.float32, INPUT)],
    )
    tf.saved_model.save(tf.Module(), folder, signatures=function.get_concrete_function())
    logits = [function(tf.constant(scaled(image)))[OUTPUT].numpy()[0, :, :, 0] for image in images]
    np.save(answers, np.stack(logits))


def saved_model_to_tflite(folder: str, recipe: Recipe, target: str) -> None:
    """Convert a SavedModel by a recipe without calibration. Full int8 is made from the float32 file instead.

    Args:
        folder: The SavedModel.
        recipe: A recipe whose activations are float32.
        target: .tflite file to write.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    if recipe.weights != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]  # int8 per channel, unless supported_types says otherwise
    if recipe.weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    Path(target).write_bytes(converter.convert())


def scaled(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale an image as in training: float32 (1, h, w, 1), byte / 255."""
    return to_unit(image)[None, :, :, None]
