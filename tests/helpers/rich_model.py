"""A small network with every kind of operator that this project's networks convert to, in float32 and random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = (32, 48)
N_FRAMES = 8


def frames(seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (N, h, w), smooth, from black to white."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((N_FRAMES, 4, 6)).repeat(8, axis=1).repeat(8, axis=2)
    made = np.asarray(coarse * 255, np.uint8)
    made[:, 0, :2] = 0, 255
    return made


def convert(quantized: bool = False, break_weights: bool = False) -> bytes:
    """The .tflite file, in float32, or in full int8 as TensorFlow's own converter makes it of :func:`frames`.

    Args:
        quantized: Whether TensorFlow quantizes it.
        break_weights: Make one weight NaN.
    """
    import tensorflow as tf  # takes seconds: only where it is needed

    network = _network(tf, break_weights)
    wrapped = tf.function(network, input_signature=[tf.TensorSpec((1, *SIZE, 1), tf.float32, "frame")])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([wrapped.get_concrete_function()])
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = _calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return bytes(converter.convert())


def _calibration() -> Iterator[list[NDArray[np.float32]]]:
    for frame in frames():
        yield [(frame.astype(np.float32) / np.float32(255))[None, :, :, None]]


def _network(tf: Any, break_weights: bool) -> Callable[[Any], Any]:
    rng = np.random.default_rng(1)

    def weights(*shape: int) -> Any:
        return rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape).astype(np.float32)

    first, deep, out = weights(3, 3, 1, 8), weights(3, 3, 8, 1) * 3, weights(1, 1, 8, 8)
    up, joined, last = weights(2, 2, 8, 8), weights(3, 3, 16, 8), weights(1, 1, 8, 1)
    if break_weights:
        out[0, 0, 0, 0] = np.nan

    def network(x: Any) -> Any:
        padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        a = tf.nn.relu6(tf.nn.conv2d(padded, first, 2, "VALID") + weights_of_bias(8))
        b = tf.nn.relu6(tf.nn.depthwise_conv2d(a, deep, [1, 1, 1, 1], "SAME") + weights_of_bias(8))
        c = a + tf.nn.conv2d(b, out, 1, "SAME")
        pooled = tf.nn.max_pool2d(c, 2, 2, "VALID")
        d = tf.nn.conv2d_transpose(pooled, up, (1, SIZE[0] // 2, SIZE[1] // 2, 8), 2) + weights_of_bias(8)
        e = tf.concat([d, a], -1)
        f = tf.nn.relu(tf.nn.conv2d(e, joined, 1, "SAME") + weights_of_bias(8))
        g = tf.image.resize(f, SIZE, "bilinear")
        return tf.nn.conv2d(g, last, 1, "SAME") - 0.1

    def weights_of_bias(n: int) -> Any:
        return np.linspace(-0.2, 0.3, n).astype(np.float32)

    return network
