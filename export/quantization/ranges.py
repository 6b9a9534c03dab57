"""Observe the values of each tensor of a network on calibration images, and choose int8 ranges from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ModelError, UsageError
from edge_runtime.frame.preprocess import to_unit
from export.tflite.interpreter import Kept
from export.tflite.model import Model, Tensor

Range = tuple[float, float]
"""Minimum and maximum that int8 represents."""

INPUT_RANGE: Range = (0.0, 1.0)
"""Range of the input, whatever was observed: the scale is then 1/255, and a frame's bytes are the input tensor."""

SAME_SCALE = (
    "AVERAGE_POOL_2D", "CONCATENATION", "MAX_POOL_2D", "PAD", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR",
    "SPACE_TO_DEPTH", "DEPTH_TO_SPACE",
)  # fmt: skip
"""Operators whose int8 kernels need the same scale for inputs and output."""

BINS = 4096
SAMPLES = 2**20
"""About how many values are sampled per tensor: all channels of pixels spread evenly over the tensor and the images."""

PERCENTILE = 99.99
"""In percent. At most 0.01 % (the rest to 100 %) of the values lie above the range, and at most as many below it."""

SHRINK = np.linspace(1.0, 0.2, 81)
"""Shares of the observed range that the least-squares method tries."""


@dataclass(frozen=True)
class Seen:
    """Values of a tensor over some images.

    Attributes:
        least: Minimum of all values.
        most: Maximum of all values.
        counts: int64 (:data:`BINS`,), histogram of the sampled values over the range of :func:`min_max`.
        loudness: float32 (channels,), maximum magnitude of each channel.
    """

    least: float
    most: float
    counts: NDArray[np.int64]
    loudness: NDArray[np.float32]


def observe(model: Model, images: NDArray[np.uint8], threads: int = 1) -> dict[str, Seen]:
    """Run a float32 network and record the values of its tensors.

    Args:
        model: The network in float32.
        images: Prepared frames, uint8 (N, h, w).
        threads: Number of CPU threads.

    Returns:
        The values of each operator's output, by the tensor's name.

    Raises:
        ModelError: The network computes NaN or infinity.
        UsageError: There are no images, or they are not uint8 frames.
    """
    if images.ndim != 3 or not images.size or images.dtype != np.uint8:
        span = f" from {images.min():g} to {images.max():g}" if images.size else ""
        raise UsageError(
            f"Calibration images are {images.dtype} {images.shape}{span}; they must be uint8 (images, height, width), "
            "at least one, with grey levels 0 to 255. Do not divide them by 255 first: this is done here."
        )
    tensors = [model.tensors[operator.outputs[0]] for operator in model.operators]
    kept = Kept(model, threads)
    looks: dict[str, list[_Look]] = {tensor.name: [] for tensor in tensors}
    for image in images:
        kept.run(to_unit(image)[None, :, :, None])
        for tensor in tensors:
            looks[tensor.name].append(_look(kept.value(tensor.index), _stride(tensor, len(images))))
    return {name: _seen(name, found) for name, found in looks.items()}


@dataclass(frozen=True)
class _Look:
    """Values of a tensor for one image: extremes of each channel (channels,), and the sampled pixels (n, channels)."""

    least: NDArray[np.float32]
    most: NDArray[np.float32]
    pixels: NDArray[np.float32]


def _look(values: NDArray[np.float32], stride: int) -> _Look:
    channels = values.shape[-1]
    rows = values.reshape(values.shape[1], -1)  # numpy reduces long rows ten times as fast as short ones
    least, most = rows.min(axis=0).reshape(-1, channels), rows.max(axis=0).reshape(-1, channels)
    return _Look(least.min(axis=0), most.max(axis=0), values.reshape(-1, channels)[::stride].copy())


def _stride(tensor: Tensor, n_images: int) -> int:
    """Step between sampled pixels. It has no divisor in common with the width, so that every column is sampled."""
    step = max(1, tensor.n_values * n_images // SAMPLES)
    while math.gcd(step, tensor.shape[-2]) > 1:
        step += 1
    return step


def _seen(name: str, looks: Sequence[_Look]) -> Seen:
    least = np.min([look.least for look in looks], axis=0)
    most = np.max([look.most for look in looks], axis=0)
    if not np.isfinite([least, most]).all():  # numpy's min and max propagate NaN
        raise ModelError(
            f"Tensor '{name}' is not finite on the calibration images: the network has weights that are NaN or "
            "infinite, or values overflow. Train it again, or convert an earlier checkpoint."
        )
    bounds = float(least.min()), float(most.max())
    counts, _ = np.histogram(np.concatenate([look.pixels for look in looks]), BINS, _with_zero(*bounds))
    return Seen(*bounds, counts, np.maximum(np.abs(least), np.abs(most)))


def _with_zero(least: float, most: float) -> Range:
    """Widen bounds to include 0, as every int8 range must, and make them non-empty."""
    low, high = min(least, 0.0), max(most, 0.0)
    return (low, high) if high > low else (0.0, 1.0)


def min_max(seen: Seen) -> Range:
    """The whole range of observed values."""
    return _with_zero(seen.least, seen.most)


def percentile(seen: Seen) -> Range:
    """The range without the outermost values on either side; see :data:`PERCENTILE`."""
    edges = np.linspace(*min_max(seen), BINS + 1)
    outside = seen.counts.sum() * (1 - PERCENTILE / 100)
    low = edges[int(np.searchsorted(np.cumsum(seen.counts), outside, side="right"))]
    high = edges[BINS - int(np.searchsorted(np.cumsum(seen.counts[::-1]), outside, side="right"))]
    return _with_zero(float(low), float(high))


def least_squares(seen: Seen) -> Range:
    """The range with the least squared error: that of rounding inside (step squared / 12) plus that of clipping."""
    low, high = min_max(seen)
    edges = np.linspace(low, high, BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    losses = []
    for share in SHRINK:
        rounding = ((high - low) * share / 255) ** 2 / 12
        clipped = middles - np.clip(middles, low * share, high * share)
        losses.append(float(np.sum(seen.counts * (clipped**2 + np.where(clipped == 0, rounding, 0)))))
    share = float(SHRINK[int(np.argmin(losses))])
    return low * share, high * share


METHODS: dict[str, Callable[[Seen], Range]] = {
    "min-max": min_max,
    "percentile": percentile,
    "least-squares": least_squares,
}
"""Methods to choose a tensor's range from its observed values."""


def choose(model: Model, seen: Mapping[str, Seen], method: str) -> dict[str, Range]:
    """Choose the ranges of all computed tensors. Tensors that must share a scale get the same range.

    Args:
        model: The network in float32.
        seen: Result of :func:`observe`.
        method: One of :data:`METHODS`.

    Returns:
        Ranges by name of the tensor, in the order of computation.
    """
    own = {name: METHODS[method](found) for name, found in seen.items()}
    own[model.inputs[0].name] = INPUT_RANGE
    shared: dict[str, Range] = {}
    for group in same_scale(model):
        if model.inputs[0].name in group:
            bounds = INPUT_RANGE
        else:
            bounds = min(own[name][0] for name in group), max(own[name][1] for name in group)
        shared |= dict.fromkeys(group, bounds)
    return {name: shared[name] for name in seen}


def same_scale(model: Model) -> list[list[str]]:
    """Group the names of computed tensors and of the input by shared scale. Most groups have one member."""
    leader = {tensor.index: tensor.index for tensor in model.tensors if not tensor.is_constant}

    def find(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    for operator in model.operators:
        if operator.kind in SAME_SCALE:
            for tensor in model.computed_inputs(operator):
                leader[find(tensor.index)] = find(operator.outputs[0])
    groups: dict[int, list[str]] = {}
    for index in leader:
        groups.setdefault(find(index), []).append(model.tensors[index].name)
    return list(groups.values())
