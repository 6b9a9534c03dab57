"""Exact rewrites of a network: each computes the same.

Most are for speed and off unless asked for: a device's own timing decides (``python -m benchmarks rewrites``).
``direct-expansion`` is for accuracy and on where a network needs it. ``python -m export --rewrite NAME...`` exports
with those named and no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import UsageError
from train.strategies import Strategy

if TYPE_CHECKING:
    from train.model import HeadNet

MOST_AMPLIFIED = 10.0
"""From this amplification on (:func:`amplification`) a network is exported with ``direct-expansion``."""


@dataclass(frozen=True)
class Rewrite:
    """One exact rewrite.

    Attributes:
        name: As ``--rewrite`` takes it.
        summary: One line for people.
        block: Decoder block, 0 to 4, whose enlarging is rewritten; None for none.
        pads: TensorFlow's operation that takes up the padding before it; None for none.
        expands: Whether the encoder's first expansion reads past the projection before it.
    """

    name: str
    summary: str
    block: int | None = None
    pads: str | None = None
    expands: bool = False


_SUBPIXEL = (
    "decoder block {}: nearest enlarging and convolution as a 4x4 transposed convolution, a third fewer products"
)
_ALL = (
    *(Rewrite(f"subpixel-{i}", _SUBPIXEL.format(i), block=i) for i in range(5)),
    Rewrite("pad-first", "the first convolution pads its input itself, with a 4x4 kernel", pads="Conv2D"),
    Rewrite("pad-depthwise", "so do the strided depthwise convolutions", pads="DepthwiseConv2dNative"),
    Rewrite("direct-expansion", "the encoder's first expansion reads what its projection reads", expands=True),
)

REWRITES: dict[str, Rewrite] = {rewrite.name: rewrite for rewrite in _ALL}
"""Every rewrite by name."""


def find_rewrite(name: str) -> Rewrite:
    """Look a rewrite up.

    Raises:
        UsageError: There is no such rewrite; the message lists those there are.
    """
    if name not in REWRITES:
        known = "\n".join(f"  {r.name:<14} {r.summary}" for r in _ALL)
        raise UsageError(f"There is no rewrite '{name}'. The rewrites are:\n{known}")
    return REWRITES[name]


def pick_rewrites(names: Sequence[str], strategy: Strategy, size: tuple[int, int]) -> tuple[Rewrite, ...]:
    """Rewrites by name, in their own order, each once.

    Args:
        names: Of :data:`REWRITES`.
        strategy: Whose network they are for.
        size: (h, w) of its input in pixels.

    Raises:
        UsageError: No such rewrite, or one that is not exact for this network.
    """
    for name in names:
        if reason := unfit(find_rewrite(name), strategy, size):
            raise UsageError(f"--rewrite {name} does not fit {strategy.name} at {size[0]}x{size[1]}: {reason}.")
    return tuple(rewrite for rewrite in _ALL if rewrite.name in names)


def unfit(rewrite: Rewrite, strategy: Strategy, size: tuple[int, int]) -> str | None:
    """Why a rewrite would not compute the same, or would change nothing; None where it fits."""
    if strategy.architecture != "mobilenet_v2-unet":
        return f"it is for mobilenet_v2-unet, not {strategy.architecture}"
    if rewrite.block is None:
        return None
    if strategy.upsampling != "nearest":
        return f"its decoder enlarges by {strategy.upsampling}, the rewrite is for nearest"
    if size[0] % 32 or size[1] % 32:
        return "its sides must be multiples of 32, so that every block doubles them"
    return None


def advised(model: HeadNet) -> tuple[str, ...]:
    """Names of the rewrites without which a network would lose accuracy to rounding, whatever the device."""
    suits = model.strategy.architecture == "mobilenet_v2-unet"
    return ("direct-expansion",) if suits and amplification(model) >= MOST_AMPLIFIED else ()


def amplification(model: HeadNet) -> float:
    """How much louder a rounding error of the encoder's first projection gets, next to what carries the image.

    MobileNetV2's first projection, matrix P, is linear, and so is the expansion E behind it up to its ReLU6. Channels
    of ImageNet's weights had next to no variance there, and batch norm, folded in, makes their rows of E large, while
    the same rows of EP are not: what they add up cancels out, against a bias of hundreds, and what P's output is
    rounded by does not. The figure is the largest ||e|| ||P|| / ||e P|| over rows e of E, spectral norm for P: at least
    1, 17 with ImageNet's weights. Taking EP as one convolution rounds nothing in between.

    Args:
        model: Of the architecture ``mobilenet_v2-unet``.
    """
    encoder: Any = model.net.encoder  # torch types no attribute of a module
    blocks = encoder.features
    project = _folded(blocks[1].conv[-2], blocks[1].conv[-1])
    convolution, norm, _ = blocks[2].conv[0]
    expand = _folded(convolution, norm)
    rows = np.linalg.norm(expand, axis=1) * np.linalg.norm(project, 2)
    together = np.linalg.norm(expand @ project, axis=1)
    return float(np.max(rows / np.maximum(together, np.finfo(np.float64).tiny)))


def _folded(convolution: Any, norm: Any) -> NDArray[np.float64]:
    """Weights (O, C) of a 1x1 convolution with the batch norm behind it."""
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    found = (convolution.weight.flatten(1) * gain[:, None]).detach().cpu().numpy()
    return np.asarray(found, np.float64)
