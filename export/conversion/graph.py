"""Edit the TensorFlow graph that onnx2tf makes: set its input size, and join feature maps channels-last.

Only :mod:`export.conversion.in_process` and :mod:`export.conversion.rewrite_graph` import this, in a converter's
process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from export.conversion.contract import INPUT, OUTPUT, PROXY_SIZE

TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
_SIZED = {"ResizeBilinear": (1, 0), "ResizeNearestNeighbor": (1, 0), "Conv2DBackpropInput": (0, 1)}
"""Operations that enlarge a map: which of their inputs holds the output's shape, and the place of the height in it."""


def freeze(model: Callable[[Any], Any], shape: Sequence[int]) -> Any:
    """Turn a model into a GraphDef with constant weights. Its input is named ``frame``, its output ``logits``.

    Args:
        model: Keras model with one input and one output.
        shape: Shape of the input.
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
    """Read a serialized GraphDef."""
    return tf.compat.v1.GraphDef.FromString(data)


def call(graph: Any, frame: Any) -> Any:
    """The graph's output for a frame (1, h, w, 1) of the size that was set."""
    return tf.graph_util.import_graph_def(graph, input_map={f"{INPUT}:0": frame}, return_elements=[f"{OUTPUT}:0"])[0]


def set_size(graph: Any, size: tuple[int, int]) -> None:
    """Change the input size of a graph that was converted at :data:`~export.conversion.to_onnx.PROXY_SIZE`, in place.

    Convolutions and padding work at any size. The only sizes stored in the graph are those that maps are enlarged to.

    Args:
        graph: GraphDef.
        size: (h, w) in pixels, multiples of 16.

    Raises:
        ValueError: A map is enlarged to a size that is not the input's size, halved zero or more times.
    """
    constants = constants_of(graph)
    for node in graph.node:
        if node.op in _SIZED:
            where, start = _SIZED[node.op]
            value = constants[node.input[where]].attr["value"].tensor
            shape = tf.make_ndarray(value)
            shape[start : start + 2] = _halved(size, _level(shape[start : start + 2]))
            value.CopyFrom(tf.make_tensor_proto(shape))


def _halved(size: tuple[int, int], times: int) -> NDArray[np.int32]:
    """Halve a size repeatedly. Strided convolutions round up: 15 becomes 8."""
    return np.asarray(-(-np.array(size, np.int32) // 2**times), dtype=np.int32)


def _level(map_size: NDArray[np.int32]) -> int:
    """How many times the proxy size was halved to give a map's size."""
    for level in range(6):
        if np.array_equal(_halved(PROXY_SIZE, level), map_size):
            return level
    raise ValueError(f"a feature map is enlarged to {map_size.tolist()}; only halves of {PROXY_SIZE} are known here")


def join_channels_last(graph: Any) -> None:
    """Add and concatenate maps as NHWC if onnx2tf transposes them to NCHW first, in place.

    The transpose moves behind the operation, where TensorFlow's converter cancels it against its inverse. Otherwise
    some transposes would remain in the artifact.

    Args:
        graph: GraphDef with its nodes in the order of computation.
    """
    constants = constants_of(graph)
    nodes = {node.name: node for node in graph.node}
    for node in [n for n in graph.node if n.op in ("AddV2", "ConcatV2")]:
        concatenates = node.op == "ConcatV2"
        names = node.input[:-1] if concatenates else node.input
        sources = [nodes[name] for name in names]
        nchw = all(s.op == "Transpose" and value_of(constants, s.input[1]) == TO_NCHW for s in sources)
        if not nchw or (concatenates and value_of(constants, node.input[-1]) != 1):
            continue
        joined = graph.node.add()
        joined.CopyFrom(node)
        joined.name = f"{node.name}/channels_last"
        del joined.input[:]
        joined.input.extend(s.input[0] for s in sources)
        if concatenates:
            joined.input.append(add_constant(graph, f"{joined.name}/axis", 3))
        name, dtype = node.name, node.attr["T"].type
        node.Clear()
        node.name, node.op = name, "Transpose"
        node.input.extend([joined.name, add_constant(graph, f"{name}/perm", TO_NCHW)])
        constants = constants_of(graph)
        node.attr["T"].type = dtype
        node.attr["Tperm"].type = tf.int32.as_datatype_enum


def constants_of(graph: Any) -> dict[str, Any]:
    """The constant nodes of a GraphDef, by name."""
    return {node.name: node for node in graph.node if node.op == "Const"}


def value_of(constants: dict[str, Any], name: str) -> Any:
    """The value of a constant as nested lists; None if the name is not a constant's."""
    return tf.make_ndarray(constants[name].attr["value"].tensor).tolist() if name in constants else None


def add_constant(graph: Any, name: str, value: ArrayLike, dtype: Any = np.int32) -> str:
    """Add a constant to a graph and return its name."""
    node = graph.node.add()
    node.name, node.op = name, "Const"
    tensor = tf.make_tensor_proto(np.asarray(value, dtype))
    node.attr["dtype"].type = tensor.dtype
    node.attr["value"].tensor.CopyFrom(tensor)
    return name
