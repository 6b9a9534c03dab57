"""Exact rewrites of a network: the rewritten network computes the same.

Most are for speed and off by default; time them on the device first (``python -m benchmarks rewrites``).
``direct-expansion`` is for accuracy, and is on by default for networks that need it. ``patches-first`` is on by default
for patch U-Nets: the time of their first convolution falls. ``python -m export --rewrite NAME...`` applies the named
rewrites and no others.
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
    from train.networks.model import HeadNet

MOST_AMPLIFIED = 10.0
"""A network whose :func:`amplification` is at least this is exported with ``direct-expansion``."""


@dataclass(frozen=True)
class Rewrite:
    """One exact rewrite.

    Attributes:
        name: As given to ``--rewrite``.
        summary: One line for people.
        block: Decoder block, 0 to 4, whose upsampling is rewritten; None for none.
        pads: TensorFlow operation that takes over the padding before it; None for none.
        expands: Whether the encoder's first expansion is merged with the projection before it.
        patches: Whether the first convolution reads patches of its input as channels.
    """

    name: str
    summary: str
    block: int | None = None
    pads: str | None = None
    expands: bool = False
    patches: bool = False


_SUBPIXEL = (
    "decoder block {}: nearest upsampling and convolution as one 4x4 transposed convolution, a third fewer products"
)
_ALL = (
    *(Rewrite(f"subpixel-{i}", _SUBPIXEL.format(i), block=i) for i in range(5)),
    Rewrite("pad-first", "the first convolution pads its input itself, with a 4x4 kernel", pads="Conv2D"),
    Rewrite("pad-depthwise", "the strided depthwise convolutions pad their input, too", pads="DepthwiseConv2dNative"),
    Rewrite("direct-expansion", "the encoder's first expansion is merged with the projection before it", expands=True),
    Rewrite("patches-first", "the first convolution reads patches of its input as channels", patches=True),
)

REWRITES: dict[str, Rewrite] = {rewrite.name: rewrite for rewrite in _ALL}
"""Every rewrite by name."""


def find_rewrite(name: str) -> Rewrite:
    """Look up a rewrite.

    Raises:
        UsageError: No such rewrite; the message lists all rewrites.
    """
    if name not in REWRITES:
        known = "\n".join(f"  {r.name:<14} {r.summary}" for r in _ALL)
        raise UsageError(f"There is no rewrite '{name}'. The rewrites are:\n{known}")
    return REWRITES[name]


def pick_rewrites(names: Sequence[str], strategy: Strategy, size: tuple[int, int]) -> tuple[Rewrite, ...]:
    """Look up rewrites. The result has each rewrite once, in the order of :data:`REWRITES`.

    Args:
        names: Names from :data:`REWRITES`.
        strategy: Strategy of the network to rewrite.
        size: (h, w) of its input in pixels.

    Raises:
        UsageError: A rewrite does not exist, or is not exact for this network.
    """
    for name in names:
        if reason := unfit(find_rewrite(name), strategy, size):
            raise UsageError(f"--rewrite {name} does not fit {strategy.name} at {size[0]}x{size[1]}: {reason}.")
    return tuple(rewrite for rewrite in _ALL if rewrite.name in names)


def unfit(rewrite: Rewrite, strategy: Strategy, size: tuple[int, int]) -> str | None:
    """Why a rewrite would change the result, or would change nothing; None if it fits."""
    wanted = "patch-unet" if rewrite.patches else "mobilenet_v2-unet"
    if strategy.architecture != wanted:
        return f"it is for {wanted}, not {strategy.architecture}"
    if rewrite.patches:
        return None if strategy.shape.stem[0][1] > 2 else "its first convolution has a stride of 1 or 2"
    if rewrite.block is None:
        return None
    if strategy.upsampling != "nearest":
        return f"its decoder upsamples by {strategy.upsampling}, the rewrite is for nearest"
    if size[0] % 32 or size[1] % 32:
        return "both sides must be multiples of 32, so that every block doubles them"
    return None


def advised(model: HeadNet) -> tuple[str, ...]:
    """Names of the rewrites that a network should have on any device, for accuracy or because they only save time."""
    if model.strategy.architecture == "patch-unet":
        return tuple(r.name for r in _ALL if r.patches and unfit(r, model.strategy, model.strategy.image_size) is None)
    suits = model.strategy.architecture == "mobilenet_v2-unet"
    return ("direct-expansion",) if suits and amplification(model) >= MOST_AMPLIFIED else ()


def amplification(model: HeadNet) -> float:
    """How much the encoder's first expansion amplifies a rounding error relative to the signal.

    MobileNetV2's first projection P is linear, and so is the expansion E behind it, up to its ReLU6. In tonylins'
    ImageNet weights, some channels of E have almost no variance, so batch norm, once folded in, makes their rows of E
    large. The same rows of EP are not large: the signal cancels out there, against a bias of hundreds. The rounding
    error of P's output does not cancel out. Computing EP as one convolution avoids this rounding.

    Args:
        model: Network of the architecture ``mobilenet_v2-unet``.

    Returns:
        The maximum of ||e|| ||P|| / ||e P|| over the rows e of E, with the spectral norm of P. It is at least 1; with
        tonylins' weights 28, and with torchvision's 1.7.
    """
    encoder: Any = model.net.encoder  # torch does not type the attributes of a module
    blocks = encoder.features
    project = _folded(blocks[1].conv[-2], blocks[1].conv[-1])
    convolution, norm, _ = blocks[2].conv[0]
    expand = _folded(convolution, norm)
    rows = np.linalg.norm(expand, axis=1) * np.linalg.norm(project, 2)
    together = np.linalg.norm(expand @ project, axis=1)
    return float(np.max(rows / np.maximum(together, np.finfo(np.float64).tiny)))


def _folded(convolution: Any, norm: Any) -> NDArray[np.float64]:
    """Weights (O, C) of a 1x1 convolution with the batch norm behind it folded in."""
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    found = (convolution.weight.flatten(1) * gain[:, None]).detach().cpu().numpy()
    return np.asarray(found, np.float64)
