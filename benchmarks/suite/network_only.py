"""What a tool that runs the network alone says of an artifact: no frame is prepared, and no head is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from benchmarks.suite.rounds import MOST


@dataclass(frozen=True)
class ToolRun:
    """One run of LiteRT's ``benchmark_model``. What it did not print is None; older versions print no percentiles.

    Attributes:
        count: Timed runs of the network.
        mean_ms: Their mean, in ms.
        sd_ms: Their standard deviation, in ms.
        min_ms: The fastest, in ms.
        max_ms: The slowest, in ms.
        p5_ms: 5th percentile, in ms.
        median_ms: Median, in ms.
        p95_ms: 95th percentile, in ms.
        init_ms: Time to load the model, in ms.
        first_ms: Time of the first run, in ms.
        warmup_mean_ms: Mean time of the runs before the timed ones, in ms.
        memory_init_mb: Growth of the process while the model was loaded, in MB as the tool counts them.
        memory_overall_mb: Growth of the process from its start, in MB likewise.
        peak_memory_mb: Peak memory of the process as the tool watched it, in MB likewise.
    """

    count: int
    mean_ms: float
    sd_ms: float
    min_ms: float
    max_ms: float
    p5_ms: float | None
    median_ms: float | None
    p95_ms: float | None
    init_ms: float
    first_ms: float
    warmup_mean_ms: float
    memory_init_mb: float | None
    memory_overall_mb: float | None
    peak_memory_mb: float | None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 <= value <= MOST:
                raise ValueError(f"'{name}' is {value}; it must be between 0 and {MOST:g}")


@final
@dataclass(frozen=True)
class NetworkOnly:
    """An artifact's runs in such a tool.

    Attributes:
        tool: The tool's name.
        tool_sha256: Of its file.
        input: What the network was given.
        runs: One for each round, in a process of its own.
        thermal_status: Android's thermal status after each round, 0 (none) to 6 (shutdown); None if it does not tell.
    """

    tool: str
    tool_sha256: str
    input: str
    runs: tuple[ToolRun, ...]
    thermal_status: tuple[int | None, ...]
