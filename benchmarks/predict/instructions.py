"""How many instructions XNNPACK's int8 kernels execute on 64-bit ARM, by kind and shape of an operator.

The coefficients are counts, not estimates: the executed instructions of LiteRT 2.1.0's real aarch64 wheel were counted
under QEMU, as ``.ci/instructions`` does, operator by operator: those of the shipped model, and one small model of each
other kind. The formulas are fitted to these counts; a test holds them to the committed counts of whole models.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

Kernels = Literal["lanes", "pairs", "dot"]
"""Which convolution kernels XNNPACK chooses on a core.

``lanes`` (Cortex-A53): 16-bit multiplications by one lane, 4 channels each (4x16, mlal lane). ``pairs`` (other cores
without dot product): 8-bit multiplications of 8 channels, two of which are added before SADALP widens them (2x8c8,
mlal). ``dot`` (cores with SDOT): 4 channels of 4 outputs at once (4x16c4). The instructions counted under QEMU
confirm it.
"""


@dataclass(frozen=True)
class Instructions:
    """Numbers of executed instructions. They need not be whole, because formulas give them.

    Attributes:
        multiply: Widening integer multiplications of vectors (SMULL, SMLAL).
        dot: Dot products (SDOT).
        vector: All other vector and floating-point instructions.
        memory: Loads and stores.
        other: Everything else: addresses, loops, branches.
    """

    multiply: float = 0.0
    dot: float = 0.0
    vector: float = 0.0
    memory: float = 0.0
    other: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return self.multiply + self.dot + self.vector + self.memory + self.other

    @property
    def in_vectors(self) -> float:
        """Those for the vector unit."""
        return self.multiply + self.dot + self.vector

    def __add__(self, more: Instructions) -> Instructions:
        return Instructions(*(getattr(self, f.name) + getattr(more, f.name) for f in fields(self)))

    def __mul__(self, times: float) -> Instructions:
        return Instructions(*(getattr(self, f.name) * times for f in fields(self)))


@dataclass(frozen=True)
class _Tile:
    """A convolution kernel: the multiples that it rounds up to, and what it executes.

    Attributes:
        rows: It computes so many pixels at once.
        outputs: So many output channels.
        inputs: It multiplies so many input channels at once.
        macs: Instructions for each multiply-accumulate, rounded up to whole tiles.
        values: For each output value.
        taps: For each output value and tap, if there is more than one tap.
    """

    rows: int
    outputs: int
    inputs: int
    macs: Instructions
    values: Instructions
    taps: Instructions


_TILES: dict[Kernels, _Tile] = {
    "lanes": _Tile(
        4, 16, 1,
        Instructions(multiply=1 / 4, vector=0.0595, memory=0.05, other=0.0065),
        Instructions(vector=1.4, memory=0.12, other=0.25),
        Instructions(vector=0.08, memory=0.07, other=0.3),
    ),
    "pairs": _Tile(
        2, 8, 8,
        Instructions(multiply=1 / 8, memory=0.054, other=0.013),  # and SADALP, see below
        Instructions(vector=2.62, memory=0.5, other=0.6),
        Instructions(other=0.7),
    ),
    "dot": _Tile(
        4, 16, 4,
        Instructions(dot=1 / 16, memory=0.013, other=0.0028),
        Instructions(vector=1.57, memory=0.25, other=0.25),
        Instructions(other=0.27),
    ),
}  # fmt: skip


def convolution(kernels: Kernels, pixels: int, inputs: int, outputs: int, taps: int) -> Instructions:
    """Instructions of a convolution; a fully connected layer is one with one tap.

    Few channels are slow because kernels round them up: one input channel costs as much as 4 or 8.

    Args:
        kernels: XNNPACK's choice.
        pixels: Output positions; of a transposed convolution, input positions.
        inputs: Input channels.
        outputs: Output channels.
        taps: Height times width of the kernel.
    """
    tile = _TILES[kernels]
    values = _up(pixels, tile.rows) * _up(outputs, tile.outputs)
    found = tile.macs * (values * taps * _up(inputs, tile.inputs)) + tile.values * values
    if kernels == "pairs":  # one SADALP for 16 channels, and one for the rest
        found += Instructions(vector=values * taps * -(-inputs // 16))
    return found + tile.taps * (values * taps) if taps > 1 else found


def depthwise(pixels: int, channels: int, taps: int) -> Instructions:
    """Instructions of a depthwise convolution: the same kernel on all cores, since SDOT cannot be used.

    Args:
        pixels: Output positions.
        channels: Channels.
        taps: Height times width of the kernel.
    """
    values = pixels * _up(channels, 8)
    each = Instructions(multiply=1 / 8, vector=0.125, memory=0.156, other=0.17) * taps + Instructions(vector=1.5)
    return each * values


def _up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


ELEMENTWISE: dict[str, Instructions] = {
    "ADD": Instructions(vector=2.125, memory=0.19, other=0.21),
    "AVERAGE_POOL_2D": Instructions(vector=0.72, memory=0.70, other=2.26),
    "CONCATENATION": Instructions(memory=0.15, other=0.5),
    "DEPTH_TO_SPACE": Instructions(memory=0.33, other=1.35),
    "HARD_SWISH": Instructions(vector=1.66, memory=0.20, other=0.18),
    "LEAKY_RELU": Instructions(vector=0.91, memory=0.08, other=0.12),
    "LOGISTIC": Instructions(vector=0.44, memory=0.08, other=0.10),
    "MAX_POOL_2D": Instructions(vector=0.16, memory=0.19, other=0.28),
    "MEAN": Instructions(vector=0.13, memory=0.08, other=0.11),
    "MUL": Instructions(multiply=0.25, vector=1.625, memory=0.20, other=0.21),
    "PAD": Instructions(vector=0.27, memory=0.42, other=0.93),
    "QUANTIZE": Instructions(vector=2.25, memory=0.19, other=0.29),
    "RELU": Instructions(memory=2.0, other=41.0),  # alone it is not XNNPACK's, and not vectorized; it is rarely alone
    "RESHAPE": Instructions(memory=0.08, other=0.08),
    "RESIZE_BILINEAR": Instructions(multiply=0.5, vector=2.52, memory=0.40, other=0.50),
    "RESIZE_NEAREST_NEIGHBOR": Instructions(vector=0.17, memory=0.11, other=0.56),
    "SPACE_TO_DEPTH": Instructions(memory=0.09, other=0.15),
    "STRIDED_SLICE": Instructions(memory=0.14, other=0.48),
    "SUB": Instructions(vector=2.125, memory=0.19, other=0.21),
    "TRANSPOSE": Instructions(memory=0.09, other=0.35),
}
"""Instructions for each value of other operators: of the output, or of the largest input if that is larger.

Counted on a 40x60x64 tensor; nearly the same on all three cores. Copies of short rows cost more than those of long
ones.
"""
