"""Result files of ``python -m benchmarks peers``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from benchmarks.common.scores import Summary
from benchmarks.peers.source import Precision

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Latency:
    """How long a row's frames took, from a prepared frame to logits.

    Attributes:
        threads: CPU threads, and cores that the process was bound to.
        median_ms: Median over the frames of all rounds, in ms.
        p90_ms: 90th percentile, in ms.
        times_ours: Its median over that of this project's int8, round by round, the median over rounds.
        rounds_ms: Each round's median, in ms.
    """

    threads: int
    median_ms: float
    p90_ms: float
    times_ours: float | None
    rounds_ms: tuple[float, ...]


@dataclass(frozen=True)
class Measurement:
    """One engine in one arithmetic. What could not be measured is None.

    Attributes:
        name: The row's name.
        engine: The engine's name.
        precision: Its arithmetic.
        error: Why it could not be measured, else None.
        version: Version of the engine's package.
        size_bytes: Files of this network that the engine needs on a device.
        engine_bytes: Files of the engine's package, as installed from its wheel.
        peak_memory_bytes: Peak resident memory of a process that runs the network on one thread.
        dice: Dice of the head, 0 to 1.
        hc_absolute_difference_mm: Absolute error of the circumference, in mm.
        n_hc_refused: Images whose circumference is refused.
        mask_dice: Mean Dice of its masks with torch's, 0 to 1, at the images' size.
        latencies: One for each number of threads; empty if nothing was timed.
    """

    name: str
    engine: str
    precision: Precision
    error: str | None = None
    version: str | None = None
    size_bytes: int | None = None
    engine_bytes: int | None = None
    peak_memory_bytes: int | None = None
    dice: Summary | None = None
    hc_absolute_difference_mm: Summary | None = None
    n_hc_refused: int | None = None
    mask_dice: float | None = None
    latencies: tuple[Latency, ...] = ()


@dataclass(frozen=True)
class Compared:
    """One network in every engine.

    Attributes:
        strategy: Name of the strategy.
        checkpoint_sha256: SHA-256 of the weights.
        size: (height, width) of the network's input, in pixels.
        data: Title of the data set.
        part: Test part that judges; the checkpoint has seen none of it.
        n_images: Images of it.
        images_sha256: Of these images.
        n_calibration: Images that int8 is calibrated on.
        rows: One for each engine and arithmetic.
    """

    strategy: str
    checkpoint_sha256: str
    size: tuple[int, int]
    data: str
    part: str
    n_images: int
    images_sha256: str
    n_calibration: int
    rows: tuple[Measurement, ...]


@dataclass(frozen=True, kw_only=True)
class PeersDocument(Measured):
    """Networks in every engine.

    Attributes:
        rounds: Rounds over all engines, each in a fresh process; 0 if nothing was timed.
        frames: Frames timed in each round.
        warmup: Frames before them.
        networks: One for each network.
    """

    rounds: int
    frames: int
    warmup: int
    networks: tuple[Compared, ...]


def read_peers(path: Path) -> PeersDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, PeersDocument, SCHEMA_VERSION, "python -m benchmarks peers")
