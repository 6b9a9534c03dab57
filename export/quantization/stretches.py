"""Find the stretches of a network whose rounding moves its answer most, to keep them in float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from export.quantization.settings import Settings
from export.quantization.side_by_side import logits
from export.tflite.model import WEIGHTED, Model

LAYERS = 4
"""Number of layers with weights in a stretch.

A layer alone in float32 gains little: its input comes from int8 and its output returns to it. In a stretch, the values
in between are not rounded either.
"""

MOST = 0.5
"""Maximum share of a network's layers in float32."""


def divide(model: Model) -> list[tuple[int, ...]]:
    """Divide a network's operators, in the order of computation, into stretches with :data:`LAYERS` layers each.

    Returns:
        Their indices. The last stretch may have fewer layers.
    """
    found: list[tuple[int, ...]] = []
    indices: list[int] = []
    layers = 0
    for operator in model.operators:
        indices.append(operator.index)
        layers += operator.kind in WEIGHTED
        if layers == LAYERS:
            found.append(tuple(indices))
            indices, layers = [], 0
    return [*found, tuple(indices)] if indices else found


def stretch_costs(plain: Model, settings: Settings, images: NDArray[np.uint8], threads: int = 1) -> tuple[float, ...]:
    """What rounding in each of a network's stretches costs, in the order of computation.

    The cost is the mean squared change of the pixels' probabilities if the stretch is in int8, and the others are in
    float32.

    Args:
        plain: The network in float32.
        settings: How it is quantized.
        images: uint8 (N, h, w).
        threads: Number of CPU threads.
    """
    wanted = _probabilities(plain, images, threads)
    level, alike = settings.level(plain), replace(settings, loudness=None)
    costs = []
    for stretch in divide(plain):
        others = tuple(operator.index for operator in plain.operators if operator.index not in stretch)
        found = _probabilities(Model(replace(alike, in_float=others).apply(level)), images, threads)
        costs.append(float(np.mean((found - wanted) ** 2)))
    return tuple(costs)


def with_more_in_float(plain: Model, settings: Settings, costs: Sequence[float]) -> Iterator[tuple[int, Settings]]:
    """Keep more and more stretches in float32, the most expensive first, up to :data:`MOST` of the layers.

    Args:
        plain: The network in float32.
        settings: How it is quantized.
        costs: Result of :func:`stretch_costs`.

    Yields:
        The number of layers in float32, and the settings.
    """
    layers = {operator.index for operator in plain.operators if operator.kind in WEIGHTED}
    in_float: set[int] = set()
    for _, stretch in sorted(zip(costs, divide(plain), strict=True), key=lambda one: -one[0]):
        in_float |= set(stretch)
        count = len(in_float & layers)
        if count > MOST * len(layers):
            return
        yield count, replace(settings, in_float=tuple(sorted(in_float)))


def _probabilities(model: Model, images: NDArray[np.uint8], threads: int) -> NDArray[np.float32]:
    return np.asarray((1 + np.tanh(logits(model, images, threads) / 2)) / 2, dtype=np.float32)
