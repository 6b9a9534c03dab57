"""Earlier results of the same weights in LiteRT, ONNX Runtime and OpenVINO; :mod:`benchmarks.peers` measures now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from edge_runtime.common.record import LEFT_OUT

SCHEMA_VERSION = 1
OURS, FLOAT32 = "LiteRT full_int8", "LiteRT float32"
GOALS = {FLOAT32: 3.3, "ONNX Runtime int8": 1.0, "OpenVINO int8 (NNCF)": 1.0}
"""The least that an engine's time is to be over ours, for the paper's network at :data:`GOAL_SIZE`."""

GOAL_SIZE = (256, 256)
"""(height, width) in pixels that the goals are for."""


@dataclass(frozen=True)
class Engine:
    """What one engine took.

    Attributes:
        engine: Its name and arithmetic.
        median_ms: Median time of a frame, in ms.
        p90_ms: 90th percentile, in ms.
        times_ours: Its time over that of :data:`OURS`, the median over rounds.
        mask_dice: Mean Dice of its masks with those of :data:`FLOAT32`, 0 to 1.
    """

    engine: str
    median_ms: float
    p90_ms: float
    times_ours: float
    mask_dice: float

    @property
    def goal(self) -> float | None:
        """The least that ``times_ours`` is to be; None if there is no goal for this engine."""
        return GOALS.get(self.engine)

    @property
    def meets_goal(self) -> bool:
        """Whether the goal, if there is one, is met."""
        return self.times_ours >= (self.goal or 0)


@dataclass(frozen=True, kw_only=True)
class EarlierPeers(Measured):
    """One checkpoint in every engine.

    Attributes:
        strategy: Name of the strategy.
        checkpoint_sha256: SHA-256 of the weights.
        size: (height, width) of the network's input, in pixels.
        rounds: Times each engine was run.
        engines: One for each engine.
        rewrites: Exact rewrites of LiteRT's graph, by name; left out in results older than this field.
    """

    strategy: str
    checkpoint_sha256: str
    size: tuple[int, int]
    rounds: int
    engines: tuple[Engine, ...]
    rewrites: tuple[str, ...] | None = field(default=None, metadata=LEFT_OUT)


def read_earlier_peers(path: Path) -> EarlierPeers:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, EarlierPeers, SCHEMA_VERSION, "python -m benchmarks peers")
