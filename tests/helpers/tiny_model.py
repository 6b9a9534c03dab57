"""A one-convolution artifact for tests: real TFLite files with manifests, each made once, in about a second.

The network calls dark pixels head (3x3 mean of the input below ``DARK``). That of phantoms leaves out black ones, which
lie beside the sector: what the skull encloses is then found with a Dice of 0.82 to 0.93, and measured in 19 phantoms of
20. Nothing is random, so two calls give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import Manifest, Preprocessing, TensorSpec, write_manifest
from edge_runtime.common.files import write_bytes
from edge_runtime.frame.preprocess import prepare
from train.data.phantom import make_phantom

Recipe = Literal["float32", "full_int8"]
SIZE = (96, 144)
DARK, DARK_OF_PHANTOMS = 0.18, 0.2
"""Brightness (0 to 1) below which a pixel is head."""
BLACK = 0.12
"""Brightness below which the network of phantoms becomes less certain again; black is not head."""
SLOPE = 20.0
"""Logits a unit of brightness."""


def make_artifact(
    folder: Path,
    recipe: Recipe = "float32",
    size: tuple[int, int] = SIZE,
    name: str = "tiny",
    of_phantoms: bool = False,
) -> Path:
    """Write ``<name>-<recipe>.tflite`` and its manifest.

    Args:
        folder: Where to; made if it is not there.
        recipe: ``float32``, or ``full_int8`` with uint8 edges (input scale 1/255, zero point 0).
        size: (height, width) of the input, in pixels.
        name: The strategy the manifest names.
        of_phantoms: Black pixels are no head. This network has two convolutions.

    Returns:
        The .tflite file.
    """
    data = _convert(recipe, size, of_phantoms)
    model = folder / f"{name}-{recipe}.tflite"
    write_bytes(model, data)
    inputs, outputs = (_tensor(d) for d in _describe(data))
    manifest = Manifest(
        name=model.stem,
        strategy=name,
        recipe=recipe,
        model_sha256=hashlib.sha256(data).hexdigest(),
        model_bytes=len(data),
        input=inputs,
        output=outputs,
        preprocessing=Preprocessing(*size),
        threshold=0.5,
    )
    write_manifest(model, manifest)
    return model


@cache  # the same bytes each time, and hundreds of tests ask for them
def _convert(recipe: Recipe, size: tuple[int, int], of_phantoms: bool) -> bytes:
    import tensorflow as tf  # takes seconds: only when a model is made

    mean = tf.constant(np.full((3, 3, 1, 1), 1 / 9, np.float32))

    @tf.function(input_signature=[tf.TensorSpec((1, *size, 1), tf.float32)])  # type: ignore[untyped-decorator]
    def dark(x: Any) -> Any:
        return tf.nn.conv2d(x, -SLOPE * mean, strides=1, padding="SAME") + DARK * SLOPE

    @tf.function(input_signature=[tf.TensorSpec((1, *size, 1), tf.float32)])  # type: ignore[untyped-decorator]
    def dark_not_black(x: Any) -> Any:
        signed = tf.nn.conv2d(x, tf.concat([mean, -mean], 3), strides=1, padding="SAME")
        both = tf.nn.relu(signed + tf.constant([0.0, BLACK]))
        top = DARK_OF_PHANTOMS * SLOPE
        weights = tf.constant([-SLOPE, -(top + 3) / BLACK], shape=(1, 1, 2, 1))
        return tf.nn.conv2d(both, weights, strides=1, padding="SAME") + top

    network = dark_not_black if of_phantoms else dark
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    if recipe == "full_int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _representative(size)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return bytes(converter.convert())


def _representative(size: tuple[int, int]) -> Iterator[list[NDArray[np.float32]]]:
    """Phantom frames, each with one pixel at 0 and one at 1: the contract is an input scale of exactly 1/255."""
    for seed in range(4):
        frame = prepare(make_phantom(seed)[0], size).image.astype(np.float32) / np.float32(255)
        frame[0, :2] = 0, 1
        yield [frame[None, :, :, None]]


def _describe(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data)
    return interpreter.get_input_details()[0], interpreter.get_output_details()[0]


def _tensor(details: dict[str, Any]) -> TensorSpec:
    from edge_runtime.artifact.network import describe_tensor

    return describe_tensor(details)
