"""Known networks, layer by layer, to hold predictions to what others have measured of them.

MobileNet v1: table 1 of arXiv 1704.04861; v2: table 2 of arXiv 1801.04381. Their totals are the published 569 and 300
million multiply-accumulates. EfficientDet-lite: EfficientNet-lite (tensorflow/tpu, models/official/efficientnet/lite)
with the BiFPN and the heads of google/automl, efficientdet/hparams_config.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from benchmarks.predict.layers import Layer

CLASSES = 1001
"""Of the classifiers, one of them the background."""

ANCHORS, LABELS = 9, 90
"""Boxes at each position, and classes, of EfficientDet on COCO."""


def _conv(side: int, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> Layer:
    taps = kernel * kernel
    pixels = side * side
    return Layer(
        "CONV_2D", (1, side, side, outputs), pixels, inputs, outputs, taps, pixels * taps * inputs * outputs,
        taps * inputs * outputs + 4 * outputs, pixels * (stride * stride * inputs + outputs),
    )  # fmt: skip


def _depthwise(side: int, channels: int, kernel: int = 3, stride: int = 1) -> Layer:
    taps = kernel * kernel
    pixels = side * side
    return Layer(
        "DEPTHWISE_CONV_2D", (1, side, side, channels), pixels, 1, channels, taps, pixels * taps * channels,
        (taps + 4) * channels, pixels * channels * (stride * stride + 1),
    )  # fmt: skip


def _add(side: int, channels: int) -> Layer:
    values = side * side * channels
    return Layer("ADD", (1, side, side, channels), values, 1, 1, 1, 0, 0, 3 * values)


def mobilenet_v1(side: int = 224, width: float = 1.0) -> list[Layer]:
    """MobileNet v1 for an image of ``side`` x ``side`` pixels, with ``width`` times its channels."""
    side //= 2
    channels = int(32 * width)
    layers = [_conv(side, 3, channels, 3, 2)]
    steps = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for full, stride in steps:
        side //= stride
        outputs = int(full * width)
        layers += [_depthwise(side, channels, 3, stride), _conv(side, channels, outputs)]
        channels = outputs
    return [*layers, _conv(1, channels, CLASSES)]


def mobilenet_v2(side: int = 224) -> list[Layer]:
    """MobileNet v2 for an image of ``side`` x ``side`` pixels."""
    side //= 2
    layers = [_conv(side, 3, 32, 3, 2)]
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    channels = 32
    for expansion, outputs, repeats, stride in stages:
        for repeat in range(repeats):
            layers += _block(side, channels, outputs, expansion, 3, 1 if repeat else stride)
            side //= 1 if repeat else stride
            channels = outputs
    return [*layers, _conv(side, channels, 1280), _conv(1, 1280, CLASSES)]


def _block(side: int, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> list[Layer]:
    """An inverted residual block; ``side`` is its input's."""
    inner = inputs * expansion
    layers = [_conv(side, inputs, inner)] if expansion > 1 else []
    out = -(-side // stride)
    layers += [_depthwise(out, inner, kernel, stride), _conv(out, inner, outputs)]
    return [*layers, _add(out, outputs)] if stride == 1 and inputs == outputs else layers


def efficientdet_lite(number: int) -> list[Layer]:
    """EfficientDet-lite0, 1 or 2, without resizing, pooling, and the sorting of boxes at the end."""
    side, width, depth, channels, rounds = [
        (320, 1.0, 1.0, 64, 3), (384, 1.0, 1.1, 88, 4), (448, 1.1, 1.2, 112, 5),
    ][number]  # fmt: skip
    layers, features = _efficientnet_lite(side, width, depth)
    sides = [feature[0] for feature in features]
    sides += [-(-sides[-1] // 2), -(-sides[-1] // 4)]
    sources = [*features, features[-1], features[1], features[2]]  # the two middle levels are used twice
    layers += [_conv(place, inputs, channels) for place, inputs in sources]
    for _ in range(rounds):
        for level in (3, 2, 1, 0, 1, 2, 3, 4):
            layers += [_add(sides[level], channels), *_separable(sides[level], channels, channels)]
    for outputs in (ANCHORS * 4, ANCHORS * LABELS):
        for place in sides:
            for _ in range(3):
                layers += _separable(place, channels, channels)
            layers += _separable(place, channels, outputs)
    return layers


def _separable(side: int, inputs: int, outputs: int) -> list[Layer]:
    return [_depthwise(side, inputs), _conv(side, inputs, outputs)]


def _efficientnet_lite(side: int, width: float, depth: float) -> tuple[list[Layer], list[tuple[int, int]]]:
    """The layers, and (side, channels) of the outputs at an eighth, a 16th and a 32nd of the size."""
    side = -(-side // 2)
    layers = [_conv(side, 3, 32, 3, 2)]
    stages = [
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ]  # fmt: skip
    channels, features = 32, []
    for number, (expansion, full, repeats, stride, kernel) in enumerate(stages):
        outputs = _rounded(full * width)
        ends = number in (0, len(stages) - 1)  # EfficientNet-lite does not repeat the first and the last more often
        for repeat in range(repeats if ends else math.ceil(repeats * depth)):
            step = 1 if repeat else stride
            layers += _block(side, channels, outputs, expansion, kernel, step)
            side, channels = -(-side // step), outputs
        if number in (2, 4, 6):
            features.append((side, channels))
    return layers, features


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that is at least 90 % of a number of channels."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


NETWORKS: dict[str, Callable[[], list[Layer]]] = {
    "MobileNet v1 1.0 224": mobilenet_v1,
    "MobileNet v1 1.0 128": lambda: mobilenet_v1(128),
    "MobileNet v1 0.25 128": lambda: mobilenet_v1(128, 0.25),
    "MobileNet v2 1.0 224": mobilenet_v2,
    "EfficientDet-lite0 320": lambda: efficientdet_lite(0),
    "EfficientDet-lite1 384": lambda: efficientdet_lite(1),
    "EfficientDet-lite2 448": lambda: efficientdet_lite(2),
}
"""Networks by the name that :mod:`benchmarks.predict.published` calls them."""
