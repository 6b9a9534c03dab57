"""What is done to the TensorFlow graph that onnx2tf makes: its size is set, and maps are joined channels-last.

Imported by :mod:`export.to_tflite` alone, in a converter's process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from export.to_onnx import INPUT, OUTPUT, PROXY_SIZE

TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
_SIZED = {"ResizeBilinear": (1, 0), "ResizeNearestNeighbor": (1, 0), "Conv2DBackpropInput": (0, 1)}
"""Operations that enlarge, with where their output's height stands: in which input, and at which place of it."""


def freeze(model: Callable[[Any], Any], shape: Sequence[int]) -> Any:
    """A model as a GraphDef whose weights are constants, its input named ``frame``, its output ``logits``.

    Args:
        model: A Keras model of one input and one output.
        shape: Of its input.
    """
    function = tf.function(lambda x: model(x), input_signature=[tf.TensorSpec(shape, tf.float32, INPUT)])
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    graph = frozen.graph.as_graph_def()
    output = graph.node.add()
    output.name, output.op = OUTPUT, "Identity"
    output.input.append(frozen.outputs[0].name.removesuffix(":0"))
    output.attr["T"].type = tf.float32.as_datatype_enum
    return graph


def load(data: bytes) -> Any:
    """The GraphDef that was serialized."""
    return tf.compat.v1.GraphDef.FromString(data)


def call(graph: Any, frame: Any) -> Any:
    """The graph's output for a frame (1, h, w, 1), of the size that was set."""
    return tf.graph_util.import_graph_def(graph, input_map={f"{INPUT}:0": frame}, return_elements=[f"{OUTPUT}:0"])[0]


def set_size(graph: Any, size: tuple[int, int]) -> None:
    """Make a graph that was converted at :data:`~export.to_onnx.PROXY_SIZE` one of another size, in place.

    Convolutions and paddings fit every size as they are; only what maps are enlarged to is written in the graph.

    Args:
        graph: GraphDef.
        size: (h, w) in pixels, multiples of 16.

    Raises:
        ValueError: A map is enlarged to something else than the input's size halved some times.
    """
    constants = _constants(graph)
    for node in graph.node:
        if node.op in _SIZED:
            where, start = _SIZED[node.op]
            value = constants[node.input[where]].attr["value"].tensor
            shape = tf.make_ndarray(value)
            shape[start : start + 2] = _halved(size, _level(shape[start : start + 2]))
            value.CopyFrom(tf.make_tensor_proto(shape))


def _halved(size: tuple[int, int], times: int) -> NDArray[np.int32]:
    """Strided convolutions round up: 15 becomes 8."""
    return -(-np.array(size, np.int32) // 2**times)


def _level(map_size: NDArray[np.int32]) -> int:
    for level in range(6):
        if np.array_equal(_halved(PROXY_SIZE, level), map_size):
            return level
    raise ValueError(f"a feature map is enlarged to {map_size.tolist()}, which is not {PROXY_SIZE} halved some times")


def join_channels_last(graph: Any) -> None:
    """Add and concatenate NHWC maps where onnx2tf transposes them to NCHW first, in place.

    The transposition moves behind the operation, where TensorFlow's converter cancels it against its inverse. Left
    where it is, some are still there in the artifact.

    Args:
        graph: GraphDef, its nodes in the order of computation.
    """
    constants = _constants(graph)
    nodes = {node.name: node for node in graph.node}
    for node in [n for n in graph.node if n.op in ("AddV2", "ConcatV2")]:
        concatenates = node.op == "ConcatV2"
        names = node.input[:-1] if concatenates else node.input
        sources = [nodes[name] for name in names]
        nchw = all(s.op == "Transpose" and _value(constants, s.input[1]) == TO_NCHW for s in sources)
        if not nchw or (concatenates and _value(constants, node.input[-1]) != 1):
            continue
        joined = graph.node.add()
        joined.CopyFrom(node)
        joined.name = f"{node.name}/channels_last"
        del joined.input[:]
        joined.input.extend(s.input[0] for s in sources)
        if concatenates:
            joined.input.append(_constant(graph, f"{joined.name}/axis", 3))
        name, dtype = node.name, node.attr["T"].type
        node.Clear()
        node.name, node.op = name, "Transpose"
        node.input.extend([joined.name, _constant(graph, f"{name}/perm", TO_NCHW)])
        constants = _constants(graph)
        node.attr["T"].type = dtype
        node.attr["Tperm"].type = tf.int32.as_datatype_enum


def absorb_pads(graph: Any, operations: Sequence[str]) -> None:
    """Let strided 3x3 convolutions pad their input themselves, in place.

    PyTorch pads a row above and below, TensorFlow's SAME only below where the stride is 2: hence the Pad that onnx2tf
    writes. Of a kernel of 4x4 SAME does begin a row above the map, so the 3x3 one with zeros at its end computes the
    same, whatever the size.

    Args:
        graph: GraphDef.
        operations: Which to change, of ``Conv2D`` and ``DepthwiseConv2dNative``.
    """
    constants = _constants(graph)
    nodes = {node.name: node for node in graph.node}
    for node in [n for n in graph.node if n.op in operations]:
        pad = nodes[node.input[0]]
        weights = constants.get(_through(nodes, node.input[1]))
        if (
            pad.op not in ("Pad", "PadV2")
            or _value(constants, pad.input[1]) != [[0, 0], [1, 1], [1, 1], [0, 0]]
            or (pad.op == "PadV2" and _value(constants, pad.input[2]) != 0)
            or list(node.attr["strides"].list.i) != [1, 2, 2, 1]
            or list(node.attr["dilations"].list.i) not in ([], [1, 1, 1, 1])
            or node.attr["padding"].s != b"VALID"
            or weights is None
        ):
            continue
        kernel = tf.make_ndarray(weights.attr["value"].tensor)
        if kernel.shape[:2] != (3, 3):
            continue
        wider = np.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
        weights.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(wider))
        node.attr["padding"].s = b"SAME"
        node.input[0] = pad.input[0]


def _through(nodes: dict[str, Any], name: str) -> str:
    """Name of what an Identity hands on."""
    while nodes[name].op == "Identity":
        name = nodes[name].input[0]
    return name


def _constants(graph: Any) -> dict[str, Any]:
    return {node.name: node for node in graph.node if node.op == "Const"}


def _value(constants: dict[str, Any], name: str) -> Any:
    return tf.make_ndarray(constants[name].attr["value"].tensor).tolist() if name in constants else None


def _constant(graph: Any, name: str, value: int | list[int]) -> str:
    node = graph.node.add()
    node.name, node.op = name, "Const"
    node.attr["dtype"].type = tf.int32.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.array(value, np.int32)))
    return name
