"""Apply the exact rewrites of :mod:`export.conversion.rewrites` to the TensorFlow graph that onnx2tf makes.

Only :mod:`export.conversion.in_process` imports this, in a converter's process.
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
"""(4, 3): the taps of a kernel of length 4 and stride 2, from those of a flipped kernel of length 3.

Each tap of the latter reads a pixel that was doubled, so it adds to two taps of the former.
"""


def rewrite(graph: Any, rewrites: Sequence[Rewrite]) -> None:
    """Rewrite a graph in place.

    Args:
        graph: GraphDef with its nodes in the order of computation.
        rewrites: Rewrites that fit the network.

    Raises:
        ValueError: The graph does not have the structure that a rewrite expects.
    """
    enlarged = [node.name for node in graph.node if node.op == "ResizeNearestNeighbor"]
    for block in (r.block for r in rewrites if r.block is not None):
        if len(enlarged) != 5:
            raise ValueError(f"the graph enlarges {len(enlarged)} maps by nearest neighbour; a decoder has 5 blocks")
        to_subpixel(graph, enlarged[block])
    absorb_pads(graph, [r.pads for r in rewrites if r.pads])
    if any(r.expands for r in rewrites):
        expand_directly(graph)
    if any(r.patches for r in rewrites):
        read_patches(graph)


def subpixel_kernel(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn the kernel (3, 3, C, O) of a convolution of a doubled map into that of a transposed convolution.

    Returns:
        float32 (4, 4, O, C), for stride 2 on the map before it is doubled.
    """
    return np.einsum("ua,vb,abco->uvoc", SPREAD, SPREAD, kernel[::-1, ::-1])  # type: ignore[no-any-return]


def to_subpixel(graph: Any, enlarged: str) -> None:
    """Replace a nearest-neighbour resize and the 3x3 convolution behind it by one transposed convolution, in place.

    If the convolution reads the resized map concatenated with another, it is split in two and the results are added.

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
        raise ValueError(
            f"{convolution.name} behind {enlarged} is not a padded 3x3 convolution of it and at most one other map"
        )
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
        raise ValueError(f"{name} is followed by {biased.op} {biased.name}, not by its bias")
    transposed, beside = graph.node.add(), graph.node.add()
    transposed.name = f"{name}/subpixel"
    _become(transposed, "Conv2DBackpropInput", inputs)
    convolution.input[0] = sources[1]
    convolution.input[1] = add_constant(graph, f"{name}/beside/kernel", kernel[:, :, own:], np.float32)
    beside.CopyFrom(biased)
    beside.name = f"{biased.name}/beside"
    _become(biased, "AddV2", [transposed.name, beside.name])


def _become(node: Any, op: str, inputs: Sequence[str]) -> None:
    """Turn a node into another float32 operation of the same name."""
    name = node.name
    node.Clear()
    node.name, node.op = name, op
    node.input.extend(inputs)
    node.attr["T"].type = tf.float32.as_datatype_enum
    if op == "Conv2DBackpropInput":
        node.attr["strides"].list.i.extend([1, 2, 2, 1])
        node.attr["padding"].s = b"SAME"


def _behind(graph: Any, nodes: dict[str, Any], enlarged: str) -> tuple[Any, list[str]]:
    """The convolution that reads an enlarged map, and the names of all maps that are concatenated for it."""
    for node in graph.node:
        if node.op == "Conv2D":
            source = nodes[_untransposed(nodes, node.input[0])]
            sources = list(source.input[:-1]) if source.op == "ConcatV2" else [source.name]
            if enlarged in sources:
                return node, sources
    raise ValueError(f"no convolution follows {enlarged}")


def _untransposed(nodes: dict[str, Any], name: str) -> str:
    """Name of a map before it is transposed and transposed back.

    onnx2tf leaves such pairs in the graph; TensorFlow's converter cancels them.
    """
    if nodes[name].op == "Transpose" and nodes[nodes[name].input[0]].op == "Transpose":
        return _untransposed(nodes, nodes[nodes[name].input[0]].input[0])
    return name


def _channels(constants: dict[str, Any], nodes: dict[str, Any], name: str) -> int:
    """Number of channels of the map made by the last convolution before a node."""
    while nodes[name].op != "Conv2D":
        name = nodes[name].input[0]
    return int(tf.make_ndarray(constants[nodes[name].input[1]].attr["value"].tensor).shape[3])


def absorb_pads(graph: Any, operations: Sequence[str]) -> None:
    """Let strided 3x3 convolutions pad their input themselves, in place.

    PyTorch pads a row above and below. TensorFlow's SAME pads only below if the stride is 2, which is why onnx2tf
    writes a Pad. With a 4x4 kernel, SAME starts a row above the map. So the 3x3 kernel with zeros appended computes the
    same at any size.

    Args:
        graph: GraphDef.
        operations: Operations to change: ``Conv2D``, ``DepthwiseConv2dNative`` or both.
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
    """Merge two successive 1x1 convolutions, the first such pair with only a bias between them, in place.

    The second convolution then reads the input of the first, with the product of their weights. The first remains for
    other nodes that read it.

    Args:
        graph: GraphDef with its nodes in the order of computation.

    Raises:
        ValueError: There is no such pair.
    """
    constants = constants_of(graph)
    nodes = {node.name: node for node in graph.node}

    def pointwise(node: Any) -> NDArray[np.float64] | None:
        """Weights (C, O) of a 1x1 convolution; None for any other node."""
        weights = constants.get(_through(nodes, node.input[1])) if node.op == "Conv2D" else None
        kernel = None if weights is None else tf.make_ndarray(weights.attr["value"].tensor)
        return kernel[0, 0].astype(np.float64) if kernel is not None and kernel.shape[:2] == (1, 1) else None

    def bias(node: Any) -> NDArray[np.float64]:
        """The bias (O,) that an AddV2 adds."""
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
            raise ValueError(f"{expansion.name} is followed by {behind.op} {behind.name}, not by its bias")
        total = bias(before) @ expand + bias(behind)
        weights = (project @ expand)[None, None]
        expansion.input[0] = projection.input[0]
        expansion.input[1] = add_constant(graph, f"{expansion.name}/direct/kernel", weights, np.float32)
        behind.input[1] = add_constant(graph, f"{expansion.name}/direct/bias", total, np.float32)
        return
    raise ValueError("no two 1x1 convolutions follow each other with only a bias between them")


def patch_kernel(kernel: NDArray[np.float32], stride: int, pad: int) -> NDArray[np.float32]:
    """Turn the kernel of a convolution into that of a convolution of its input's patches, whose pixels are channels.

    Args:
        kernel: float32 (k, k, C, O).
        stride: Of the convolution; the side of a patch in pixels.
        pad: Pixels of padding above and to the left.

    Returns:
        float32 (n, n, stride * stride * C, O), for a stride of 1. The patch that the output is at is in the middle.

    Raises:
        ValueError: The kernel reaches further to one side than to the other.
    """
    above, below = -(-pad // stride), (kernel.shape[0] - 1 - pad) // stride
    if above != below:
        raise ValueError(f"a kernel of {kernel.shape[0]} padded by {pad} reads {above} patches above and {below} below")
    n = above + 1 + below
    before = above * stride - pad
    after = n * stride - before - kernel.shape[0]
    whole = np.pad(kernel, ((before, after), (before, after), (0, 0), (0, 0)))
    channels, outputs = kernel.shape[2:]
    parts = whole.reshape(n, stride, n, stride, channels, outputs).transpose(0, 2, 1, 3, 4, 5)
    return np.ascontiguousarray(parts.reshape(n, n, stride * stride * channels, outputs))


def read_patches(graph: Any) -> None:
    """Let the first convolution read patches of its input as channels, in place.

    A convolution of one channel uses a small part of a CPU's vectors. With a stride of s it equals, exactly, a
    convolution of stride 1 over patches of s x s pixels, each one pixel with s * s channels (space to depth).

    Args:
        graph: GraphDef.

    Raises:
        ValueError: The graph does not start with a convolution whose padding is the same on all sides.
    """
    constants = constants_of(graph)
    nodes = {node.name: node for node in graph.node}
    convolution = next(node for node in graph.node if node.op == "Conv2D")
    source, pad = nodes[convolution.input[0]], 0
    if source.op in ("Pad", "PadV2"):
        rows, columns = value_of(constants, source.input[1])[1:3]
        if rows != columns or rows[0] != rows[1]:
            raise ValueError(f"{source.name} pads by {rows} and {columns}, not by the same on all sides")
        source, pad = nodes[source.input[0]], rows[0]
    weights = constants[_through(nodes, convolution.input[1])]
    stride = list(convolution.attr["strides"].list.i)[1]
    kernel = patch_kernel(tf.make_ndarray(weights.attr["value"].tensor), stride, pad)
    patches = graph.node.add()
    patches.name, patches.op = f"{convolution.name}/patches", "SpaceToDepth"
    patches.input.append(source.name)
    patches.attr["T"].type = tf.float32.as_datatype_enum
    patches.attr["block_size"].i = stride
    convolution.input[0] = patches.name
    convolution.input[1] = add_constant(graph, f"{convolution.name}/patches/kernel", kernel, np.float32)
    convolution.attr["strides"].list.i[:] = [1, 1, 1, 1]
    convolution.attr["padding"].s = b"SAME"


def _through(nodes: dict[str, Any], name: str) -> str:
    """Name of the node behind any number of Identity nodes."""
    while nodes[name].op == "Identity":
        name = nodes[name].input[0]
    return name
