"""What is done to the TensorFlow graph that onnx2tf makes: its size is set, and maps are joined channels-last.

Imported by :mod:`export.conversion.in_process` alone, in a converter's process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from export.conversion.to_onnx import INPUT, OUTPUT, PROXY_SIZE

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
    """Make a graph that was converted at :data:`~export.conversion.to_onnx.PROXY_SIZE` one of another size, in place.

    Convolutions and paddings fit every size as they are; only what maps are enlarged to is written in the graph.

    Args:
        graph: GraphDef.
        size: (h, w) in pixels, multiples of 16.

    Raises:
        ValueError: A map is enlarged to something else than the input's size halved some times.
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
    """Strided convolutions round up: 15 becomes 8."""
    return np.asarray(-(-np.array(size, np.int32) // 2**times), dtype=np.int32)


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
    """Constant nodes by name."""
    return {node.name: node for node in graph.node if node.op == "Const"}


def value_of(constants: dict[str, Any], name: str) -> Any:
    """A constant as plain lists; None where the name is not one."""
    return tf.make_ndarray(constants[name].attr["value"].tensor).tolist() if name in constants else None


def add_constant(graph: Any, name: str, value: ArrayLike, dtype: Any = np.int32) -> str:
    """Add a constant; returns its name."""
    node = graph.node.add()
    node.name, node.op = name, "Const"
    tensor = tf.make_tensor_proto(np.asarray(value, dtype))
    node.attr["dtype"].type = tensor.dtype
    node.attr["value"].tensor.CopyFrom(tensor)
    return name
