"""The exact rewrites of :mod:`export.conversion.rewrites`, done to the TensorFlow graph that onnx2tf makes.

Imported by :mod:`export.conversion.in_process` alone, in a converter's process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from export.conversion.graph import add_constant, constants_of, value_of
from export.conversion.rewrites import Rewrite

SPREAD = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], np.float32)
"""Taps of a 4-kernel of stride 2 (rows) from those of a flipped 3-kernel: each tap covers two pixels."""


def rewrite(graph: Any, rewrites: Sequence[Rewrite]) -> None:
    """Rewrite a graph in place.

    Args:
        graph: GraphDef, its nodes in the order of computation.
        rewrites: That fit its network.

    Raises:
        ValueError: The graph is not built as the rewrite expects.
    """
    enlarged = [node.name for node in graph.node if node.op == "ResizeNearestNeighbor"]
    for block in (r.block for r in rewrites if r.block is not None):
        if len(enlarged) != 5:
            raise ValueError(f"the graph enlarges {len(enlarged)} maps by nearest neighbour; a decoder has 5 blocks")
        to_subpixel(graph, enlarged[block])
    absorb_pads(graph, [r.pads for r in rewrites if r.pads])
    if any(r.expands for r in rewrites):
        expand_directly(graph)


def subpixel_kernel(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Kernel (4, 4, O, C) of the transposed convolution of stride 2 that (3, 3, C, O) of the enlarged map becomes."""
    return np.einsum("ua,vb,abco->uvoc", SPREAD, SPREAD, kernel[::-1, ::-1])  # type: ignore[no-any-return]


def to_subpixel(graph: Any, enlarged: str) -> None:
    """Make one transposed convolution of an enlarging and the 3x3 convolution behind it, in place.

    Of joined maps each is convolved for itself, and the two are added.

    Args:
        graph: GraphDef.
        enlarged: Name of a ResizeNearestNeighbor that doubles a map.

    Raises:
        ValueError: No such convolution follows.
    """
    constants = constants_of(graph)
    nodes = {node.name: node for node in graph.node}
    resize = nodes[enlarged]
    convolution, sources = _behind(graph, nodes, enlarged)
    kernel = tf.make_ndarray(constants[convolution.input[1]].attr["value"].tensor)
    if (
        kernel.shape[:2] != (3, 3)
        or convolution.attr["padding"].s != b"SAME"
        or list(convolution.attr["strides"].list.i) != [1, 1, 1, 1]
        or sources[0] != enlarged
        or len(sources) > 2
    ):
        raise ValueError(f"{convolution.name} behind {enlarged} is no padded 3x3 convolution of it and one other map")
    own = _channels(constants, nodes, resize.input[0])
    name = convolution.name
    height, width = value_of(constants, resize.input[1])
    inputs = [
        add_constant(graph, f"{name}/shape", [1, height, width, kernel.shape[3]]),
        add_constant(graph, f"{name}/subpixel/kernel", subpixel_kernel(kernel[:, :, :own]), np.float32),
        resize.input[0],
    ]
    if len(sources) == 1:
        _become(convolution, "Conv2DBackpropInput", inputs)
        return
    biased = next(node for node in graph.node if name in node.input)
    if biased.op != "AddV2" or biased.input[1] not in constants:
        raise ValueError(f"behind {name} comes {biased.op} {biased.name}, not its bias")
    transposed, beside = graph.node.add(), graph.node.add()
    transposed.name = f"{name}/subpixel"
    _become(transposed, "Conv2DBackpropInput", inputs)
    convolution.input[0] = sources[1]
    convolution.input[1] = add_constant(graph, f"{name}/beside/kernel", kernel[:, :, own:], np.float32)
    beside.CopyFrom(biased)
    beside.name = f"{biased.name}/beside"
    _become(biased, "AddV2", [transposed.name, beside.name])


def _become(node: Any, op: str, inputs: Sequence[str]) -> None:
    """Make a node another operation in float32, of the same name."""
    name = node.name
    node.Clear()
    node.name, node.op = name, op
    node.input.extend(inputs)
    node.attr["T"].type = tf.float32.as_datatype_enum
    if op == "Conv2DBackpropInput":
        node.attr["strides"].list.i.extend([1, 2, 2, 1])
        node.attr["padding"].s = b"SAME"


def _behind(graph: Any, nodes: dict[str, Any], enlarged: str) -> tuple[Any, list[str]]:
    """The convolution that takes an enlarged map, and names of all maps it takes, joined."""
    for node in graph.node:
        if node.op == "Conv2D":
            source = nodes[_untransposed(nodes, node.input[0])]
            sources = list(source.input[:-1]) if source.op == "ConcatV2" else [source.name]
            if enlarged in sources:
                return node, sources
    raise ValueError(f"no convolution follows {enlarged}")


def _untransposed(nodes: dict[str, Any], name: str) -> str:
    """Name of a map that is transposed and back again, as onnx2tf leaves some; TensorFlow's converter cancels them."""
    if nodes[name].op == "Transpose" and nodes[nodes[name].input[0]].op == "Transpose":
        return _untransposed(nodes, nodes[nodes[name].input[0]].input[0])
    return name


def _channels(constants: dict[str, Any], nodes: dict[str, Any], name: str) -> int:
    """Channels of the map that the last convolution before a node makes."""
    while nodes[name].op != "Conv2D":
        name = nodes[name].input[0]
    return int(tf.make_ndarray(constants[nodes[name].input[1]].attr["value"].tensor).shape[3])


def absorb_pads(graph: Any, operations: Sequence[str]) -> None:
    """Let strided 3x3 convolutions pad their input themselves, in place.

    PyTorch pads a row above and below, TensorFlow's SAME only below where the stride is 2: hence the Pad that onnx2tf
    writes. Of a kernel of 4x4 SAME does begin a row above the map, so the 3x3 one with zeros at its end computes the
    same, whatever the size.

    Args:
        graph: GraphDef.
        operations: Which to change, of ``Conv2D`` and ``DepthwiseConv2dNative``.
    """
    constants = constants_of(graph)
    nodes = {node.name: node for node in graph.node}
    for node in [n for n in graph.node if n.op in operations]:
        pad = nodes[node.input[0]]
        weights = constants.get(_through(nodes, node.input[1]))
        if (
            pad.op not in ("Pad", "PadV2")
            or value_of(constants, pad.input[1]) != [[0, 0], [1, 1], [1, 1], [0, 0]]
            or (pad.op == "PadV2" and value_of(constants, pad.input[2]) != 0)
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


def expand_directly(graph: Any) -> None:
    """Let the first 1x1 convolution that reads another, with only a bias between, read what that one reads, in place.

    Its weights become the product of both. The other one stays for who else reads it.

    Args:
        graph: GraphDef, its nodes in the order of computation.

    Raises:
        ValueError: There are no two such convolutions.
    """
    constants = constants_of(graph)
    nodes = {node.name: node for node in graph.node}

    def pointwise(node: Any) -> NDArray[np.float64] | None:
        """Weights (C, O) of a 1x1 convolution; None for any other node."""
        weights = constants.get(_through(nodes, node.input[1])) if node.op == "Conv2D" else None
        kernel = None if weights is None else tf.make_ndarray(weights.attr["value"].tensor)
        return kernel[0, 0].astype(np.float64) if kernel is not None and kernel.shape[:2] == (1, 1) else None

    def bias(node: Any) -> NDArray[np.float64]:
        """Of an AddV2, (O,)."""
        return tf.make_ndarray(constants[node.input[1]].attr["value"].tensor).ravel().astype(np.float64)  # type: ignore[no-any-return]

    for expansion in graph.node:
        expand = pointwise(expansion)
        if expand is None:
            continue
        before = nodes[_untransposed(nodes, expansion.input[0])]
        if before.op != "AddV2" or before.input[1] not in constants:
            continue
        projection = nodes[before.input[0]]
        project = pointwise(projection)
        if project is None:
            continue
        behind = next(node for node in graph.node if expansion.name in node.input)
        if behind.op != "AddV2" or behind.input[1] not in constants:
            raise ValueError(f"behind {expansion.name} comes {behind.op} {behind.name}, not its bias")
        total = bias(before) @ expand + bias(behind)
        weights = (project @ expand)[None, None]
        expansion.input[0] = projection.input[0]
        expansion.input[1] = add_constant(graph, f"{expansion.name}/direct/kernel", weights, np.float32)
        behind.input[1] = add_constant(graph, f"{expansion.name}/direct/bias", total, np.float32)
        return
    raise ValueError("no 1x1 convolution reads another with only a bias between")


def _through(nodes: dict[str, Any], name: str) -> str:
    """Name of what an Identity hands on."""
    while nodes[name].op == "Identity":
        name = nodes[name].input[0]
    return name
