"""Find out where the error of a full-int8 network comes from, stage by stage and layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.frame.preprocess import to_unit
from export.artifact import new_artifact
from export.conversion.steps import ONNX, to_graph, to_saved_model, to_tflite
from export.conversion.to_onnx import onnx_predictor, write_onnx
from export.images import load_images
from export.job import Job
from export.quantization.ranges import choose, observe
from export.quantization.side_by_side import Values, alone, pair, real, run_all
from export.quantization.to_int8 import quantize
from export.recipes import RECIPES
from export.tflite.model import Model, Operator
from export.verification.figures import Parity
from export.verification.parity import ask_torch, compare, run_on, sqnr_db
from train.networks.model import HeadNet, make_predictor

TINY_VARIANCE = 1e-6
"""A batch-norm channel with a smaller running variance makes its weights outliers when it is folded into them."""


@dataclass(frozen=True)
class Layer:
    """One operator of the network, in float32 and in int8, over some images.

    Attributes:
        index: Place in the order of computation.
        kind: TensorFlow Lite's name.
        name: Name of the torch module that the weights come from; empty if there is none.
        shape: Shape of the output.
        least: Minimum of the output in float32.
        most: Maximum of the output in float32.
        range_least: Minimum that the int8 output can represent.
        range_most: Maximum that the int8 output can represent.
        saturated: Share of float32 values outside the int8 range, 0 to 1.
        dead_channels: Number of channels whose float32 output is constant.
        sqnr_db: Signal-to-quantization-noise ratio of the output in the int8 network, in dB. It includes the errors of
            all earlier operators.
        own_sqnr_db: The same if the inputs carry only their rounding error. It shows the noise that this operator adds.
        channel_ratio: Largest weight of the loudest channel divided by that of the median channel; None without
            weights.
    """

    index: int
    kind: str
    name: str
    shape: tuple[int, ...]
    least: float
    most: float
    range_least: float
    range_most: float
    saturated: float
    dead_channels: int
    sqnr_db: float
    own_sqnr_db: float
    channel_ratio: float | None


@dataclass(frozen=True)
class Explanation:
    """The analysis of a checkpoint.

    Attributes:
        name: Name of the strategy.
        size: (h, w) of the input in pixels.
        data: Title of the data set.
        images: Names of the image files that were used.
        stages: How far each stage of the conversion differs from torch, by name of the stage.
        layers: All operators, in the order of computation.
        tiny_variances: Number of batch-norm channels with a running variance below :data:`TINY_VARIANCE`, by module.
        n_batch_norm_channels: Number of batch-norm channels of the whole network.
    """

    name: str
    size: tuple[int, int]
    data: str
    images: tuple[str, ...]
    stages: dict[str, Parity]
    layers: tuple[Layer, ...]
    tiny_variances: dict[str, int]
    n_batch_norm_channels: int


def explain(job: Job, folder: Path) -> Explanation:
    """Convert a checkpoint and compare its stages and layers on the job's parity images.

    Args:
        job: The checkpoint and the images.
        folder: Empty folder for temporary files.

    Raises:
        ConversionError: A converter failed.
        ModelError: The int8 network's operators are not those of the float32 network.
    """
    model, size = job.checkpoint.model, job.size
    images = load_images(job.parity, size, job.resize_rule)
    torch_answers = ask_torch(make_predictor(model, torch.device("cpu")), images)
    write_onnx(model, size, folder / ONNX)
    to_graph(model, folder)
    stages = {
        "ONNX": compare(torch_answers, run_on(onnx_predictor(folder / ONNX), images)),
        "TensorFlow": compare(torch_answers, to_saved_model(size, images.inputs, folder, job.rewrites)),
    }
    plain = Model(to_tflite(folder, RECIPES["float32"]))
    seen = observe(plain, load_images(job.calibration, size, job.resize_rule).inputs)
    quantized = Model(quantize(plain, choose(plain, seen, "min-max")))
    for name, network in (("float32", plain), ("full_int8", quantized)):
        artifact = new_artifact(network.data, job.checkpoint, RECIPES[name])
        stages[name] = compare(torch_answers, run_on(artifact.network(), images))
    modules = weight_owners(folder / ONNX)
    layers = compare_layers(plain, quantized, images.inputs, modules)
    tiny, count = tiny_variances(model)
    names = tuple(sample.name for sample in images.samples)
    return Explanation(job.name, size, job.dataset.title, names, stages, layers, tiny, count)


def tiny_variances(model: HeadNet) -> tuple[dict[str, int], int]:
    """Count batch-norm channels with a tiny running variance, by module, and all batch-norm channels."""
    found, count = {}, 0
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d) and module.running_var is not None:
            count += module.num_features
            if tiny := int((module.running_var < TINY_VARIANCE).sum()):
                found[name.removeprefix("net.")] = tiny
    return found, count


def weight_owners(path: Path) -> dict[tuple[float, ...], str]:
    """Names of torch modules by a fingerprint of their folded weights.

    Conversion permutes the weights and renames them, but does not change their values.
    """
    onnx = require("onnx")
    network = onnx.load(path)
    stored = {tensor.name: tensor for tensor in network.graph.initializer}
    owners = {}
    for node in network.graph.node:
        if node.op_type in ("Conv", "ConvTranspose") and node.input[1] in stored:
            weights = onnx.numpy_helper.to_array(stored[node.input[1]])
            owners[_fingerprint(weights)] = _module(node.name)
    return owners


def _module(node: str) -> str:
    """Name of the torch module of an ONNX node: ``/net/encoder/conv/conv.0/Conv`` gives ``encoder.conv.0``."""
    parts: list[str] = []
    for part in node.split("/")[2:-1]:
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(part)
    return ".".join(parts) or node


def _fingerprint(weights: NDArray[Any]) -> tuple[float, ...]:
    ordered = np.sort(weights.astype(np.float64).ravel())
    places = np.linspace(0, len(ordered) - 1, 5).astype(int)
    return (len(ordered), *(float(f"{v:.4e}") for v in ordered[places]))


def compare_layers(
    plain: Model, quantized: Model, images: NDArray[np.uint8], modules: dict[tuple[float, ...], str]
) -> tuple[Layer, ...]:
    """Run a network in float32 and in int8, and compare the outputs of every operator.

    Args:
        plain: The network in float32.
        quantized: The same network in full int8, with uint8 input and output.
        images: uint8 (N, h, w).
        modules: Names of modules, from :func:`weight_owners`.

    Raises:
        ModelError: The operators of the networks differ.
    """
    pairs = pair(plain, quantized)
    exact = run_all(plain, [p for p, _ in pairs], [to_unit(image) for image in images])
    rounded = run_all(quantized, [q for _, q in pairs], images)
    return tuple(_layer(plain, quantized, p, q, exact, rounded, modules) for p, q in pairs)


def _layer(
    plain: Model,
    quantized: Model,
    float_operator: Operator,
    operator: Operator,
    exact: Values,
    rounded: Values,
    modules: dict[tuple[float, ...], str],
) -> Layer:
    target = quantized.tensors[operator.outputs[0]]
    scale, zero = target.scales[0], target.zero_points[0]
    low, high = (-128 - zero) * scale, (127 - zero) * scale
    wanted = np.concatenate(exact[float_operator.outputs[0]])
    seen = real(np.concatenate(rounded[target.index]), target)
    own = alone(plain, quantized, float_operator, operator, exact)
    weights = next(
        (t for t in map(plain.tensors.__getitem__, float_operator.inputs) if t.is_constant and len(t.shape) == 4), None
    )
    values = None if weights is None else plain.values(weights)
    flat = wanted.reshape(-1, wanted.shape[-1])
    return Layer(
        index=float_operator.index,
        kind=float_operator.kind,
        name="" if values is None else modules.get(_fingerprint(values), ""),
        shape=target.shape,
        least=float(wanted.min()),
        most=float(wanted.max()),
        range_least=low,
        range_most=high,
        saturated=float(np.mean((wanted < low - scale / 2) | (wanted > high + scale / 2))),
        dead_channels=int(np.sum(flat.max(axis=0) == flat.min(axis=0))),
        sqnr_db=sqnr_db(wanted, seen),
        own_sqnr_db=sqnr_db(wanted, own),
        channel_ratio=None if values is None else _channel_ratio(values, float_operator.kind),
    )


def _channel_ratio(weights: NDArray[Any], kind: str) -> float:
    """Largest magnitude of the loudest output channel divided by that of the median channel."""
    channels = 3 if kind == "DEPTHWISE_CONV_2D" else 0
    loudest = np.abs(np.moveaxis(weights, channels, 0).reshape(weights.shape[channels], -1)).max(axis=1)
    median = float(np.median(loudest))
    return float(loudest.max() / median) if median else float(np.finfo(np.float32).max)


def worst_layers(found: Explanation, count: int) -> list[Layer]:
    """The operators that add the most noise, the noisiest first."""
    return sorted(found.layers, key=lambda layer: layer.own_sqnr_db)[:count]


def label(layer: Layer) -> str:
    """Name of a layer: that of its torch module, or else its kind and index."""
    return layer.name or f"{layer.kind.lower()} {layer.index}"
