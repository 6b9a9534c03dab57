"""Exact rewrites of a network, off unless asked for: each computes the same, and a device's own timing decides.

``python -m benchmarks rewrites`` times them; ``python -m export --rewrite NAME...`` exports with some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_runtime.errors import UsageError
from train.strategies import Strategy


@dataclass(frozen=True)
class Rewrite:
    """One exact rewrite.

    Attributes:
        name: As ``--rewrite`` takes it.
        summary: One line for people.
        block: Decoder block, 0 to 4, whose enlarging is rewritten; None for none.
        pads: TensorFlow's operation that takes up the padding before it; None for none.
    """

    name: str
    summary: str
    block: int | None = None
    pads: str | None = None


_SUBPIXEL = (
    "decoder block {}: nearest enlarging and convolution as a 4x4 transposed convolution, a third fewer products"
)
_ALL = (
    *(Rewrite(f"subpixel-{i}", _SUBPIXEL.format(i), block=i) for i in range(5)),
    Rewrite("pad-first", "the first convolution pads its input itself, with a 4x4 kernel", pads="Conv2D"),
    Rewrite("pad-depthwise", "so do the strided depthwise convolutions", pads="DepthwiseConv2dNative"),
)

REWRITES: dict[str, Rewrite] = {rewrite.name: rewrite for rewrite in _ALL}
"""Every rewrite by name."""


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
        if name not in REWRITES:
            known = "\n".join(f"  {r.name:<14} {r.summary}" for r in _ALL)
            raise UsageError(f"There is no rewrite '{name}'. The rewrites are:\n{known}")
        if reason := unfit(REWRITES[name], strategy, size):
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
