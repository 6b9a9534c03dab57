"""The engines as a table, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.tables import mean, number
from benchmarks.peers.document import Compared, Measurement
from edge_runtime.common.cli import counted

_MB = 1e-6


def header(network: Compared) -> list[str]:
    """The titles, with units."""
    timed = [f"{counted(n, 'thread')}, median / p90 (ms)" for n in _threads(network)]
    timed += ["times ours"] * bool(timed)
    return [
        "engine", "arithmetic", *timed, "Dice (%)", "HC error (mm)", "refused", "mask Dice",
        "model (MB)", "peak memory (MB)", "engine (MB)",
    ]  # fmt: skip


def body(network: Compared) -> list[list[str]]:
    """A row for each engine that was measured, the fastest first where they were timed."""
    measured = [row for row in network.rows if row.error is None]
    return [_cells(row, network) for row in sorted(measured, key=_first_ms)]


def failures(network: Compared) -> list[str]:
    """Why the others were not measured."""
    return [f"{row.engine} {row.precision}: {row.error}" for row in network.rows if row.error]


def _first_ms(row: Measurement) -> float:
    return row.latencies[0].median_ms if row.latencies else 0.0


def _threads(network: Compared) -> Sequence[int]:
    return next(([one.threads for one in row.latencies] for row in network.rows if row.latencies), [])


def _cells(row: Measurement, network: Compared) -> list[str]:
    by_threads = {one.threads: one for one in row.latencies}
    timed = [f"{by_threads[n].median_ms:.2f} / {by_threads[n].p90_ms:.2f}" for n in _threads(network)]
    timed += [" / ".join(number(one.times_ours, 2) for one in row.latencies)] * bool(timed)
    return [
        f"{row.engine} {row.version}",
        row.precision,
        *timed,
        mean(row.dice, 2, 100),
        mean(row.hc_absolute_difference_mm, 2),
        str(row.n_hc_refused),
        number(row.mask_dice, 4),
        number(row.size_bytes, 2, _MB),
        number(row.peak_memory_bytes, 0, _MB),
        number(row.engine_bytes, 0, _MB),
    ]
