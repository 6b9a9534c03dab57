"""A model's operators against the roofline: what the machine's arithmetic and memory allow, measured in one run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from benchmarks.common.tables import text_table
from benchmarks.roofline.moved import bytes_moved
from benchmarks.roofline.operators import count_macs, fused
from benchmarks.roofline.peak import CHANNELS, MACS, SIDE, peak_model
from edge_runtime.common.record import LEFT_OUT
from edge_runtime.errors import ModelError
from export.tflite.apart import Apart
from export.tflite.model import Model, Operator
from export.tflite.timing import time_groups

COPIED_BYTES = 64 << 20
"""An array of this size does not fit into the caches of a small CPU."""

_COPIES = 7

HOW = (
    f"arithmetic: a 1x1 convolution of {CHANNELS:,} to {CHANNELS:,} channels on {SIDE}x{SIDE} pixels by LiteRT, "
    f"median, in turns with the model; memory: the fastest of {_COPIES} copies of {COPIED_BYTES >> 20} MiB by numpy, "
    "bytes read and written; all on one thread"
)


@dataclass(frozen=True)
class Ceilings:
    """What one core of the machine can do at most, as measured.

    Attributes:
        int8_gmac_s: Multiply-accumulates of int8 in 1e9 a second.
        float32_gmac_s: The same of float32.
        memory_gb_s: Bytes read and written from and to main memory, in 1e9 a second.
        how: How they were measured.
    """

    int8_gmac_s: float
    float32_gmac_s: float
    memory_gb_s: float
    how: str


@dataclass(frozen=True)
class OperatorShare:
    """A fused operator.

    Attributes:
        index: Its place in the order of computation.
        kind: TensorFlow Lite's name; with the PAD that belongs to it.
        shape: Shape of its output.
        macs: Multiply-accumulates.
        moved_bytes: Bytes that it reads and writes: weights and activations.
        bound_ms: The least time by the ceilings, in ms.
        bound_by: Which of them it is.
        ms: Time that it takes alone; None if it was not timed.
        share: ``bound_ms`` over ``ms``; above 1 where its bytes come from a cache. None likewise.
        not_timed: Why it was not timed.
    """

    index: int
    kind: str
    shape: tuple[int, ...]
    macs: int
    moved_bytes: int
    bound_ms: float
    bound_by: Literal["arithmetic", "memory"]
    ms: float | None
    share: float | None
    not_timed: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Profile:
    """Where a model's time goes, on one thread. Times are medians.

    Attributes:
        artifact: Its name.
        threads: CPU threads, 1.
        arithmetic: ``int8`` or ``float32``.
        ceilings: What the machine can do.
        whole_ms: Time of the model, in ms.
        alone_ms: Sum of its operators' times, each alone, in ms.
        gmac: Multiply-accumulates of a frame, in 1e9.
        moved_mb: Bytes that its operators read and write, in 1e6.
        bound_ms: Sum of its operators' least times, in ms.
        share: ``bound_ms`` over ``whole_ms``.
        operators: Its fused operators in the order of computation.
    """

    artifact: str
    threads: int
    arithmetic: Literal["int8", "float32"]
    ceilings: Ceilings
    whole_ms: float
    alone_ms: float
    gmac: float
    moved_mb: float
    bound_ms: float
    share: float
    operators: tuple[OperatorShare, ...]


def memory_gb_s() -> float:
    """Speed of copying in main memory: bytes read and written in 1e9 a second."""
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.zeros_like(source)  # written once, so that its pages are there
    target[:] = 1
    best = np.inf
    for _ in range(_COPIES):
        started = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - started)
    return 2 * COPIED_BYTES / best / 1e9


def profile(model: Model, name: str, runs: int | None = None) -> Profile:
    """Time a model's operators and the machine's ceilings.

    Args:
        model: The model.
        name: The artifact's name.
        runs: Runs of each; None for as many as fit into half a minute.

    Raises:
        ModelError: LiteRT cannot run it, or a shape is open.
        FetalHeadError: LiteRT is not installed.
    """
    if any(-1 in tensor.shape for tensor in model.tensors):
        raise ModelError(f"{name} leaves the length of an axis open")
    integer = any(tensor.dtype == "int8" for tensor in model.tensors if not tensor.is_constant)
    groups = fused(model)
    with Apart(model.data) as apart:
        times = time_groups(apart, model, groups, [peak_model(True), peak_model(False)], runs)
    int8, float32 = (MACS / 1e9 / spent for spent in times.extra_s)
    ceilings = Ceilings(int8, float32, memory_gb_s(), HOW)
    peak = int8 if integer else float32
    operators = tuple(
        _operator(model, group, spent, times.not_timed.get(place), peak, ceilings.memory_gb_s)
        for place, (group, spent) in enumerate(zip(groups, times.alone_s, strict=True))
    )
    bound_ms = sum(operator.bound_ms for operator in operators)
    return Profile(
        artifact=name,
        threads=1,
        arithmetic="int8" if integer else "float32",
        ceilings=ceilings,
        whole_ms=times.whole_s * 1e3,
        alone_ms=sum(operator.ms or 0.0 for operator in operators),
        gmac=sum(operator.macs for operator in operators) / 1e9,
        moved_mb=sum(operator.moved_bytes for operator in operators) / 1e6,
        bound_ms=bound_ms,
        share=bound_ms / (times.whole_s * 1e3),
        operators=operators,
    )


def _operator(
    model: Model,
    group: tuple[Operator, ...],
    spent_s: float | None,
    not_timed: str | None,
    peak_gmac_s: float,
    gb_s: float,
) -> OperatorShare:
    last = group[-1]
    macs, moved = count_macs(model, last), sum(bytes_moved(model, group))
    bound_ms, by = bound(macs, moved, peak_gmac_s, gb_s)
    ms = None if spent_s is None else spent_s * 1e3
    return OperatorShare(
        index=last.index,
        kind=" + ".join(operator.kind for operator in group),
        shape=model.tensors[last.outputs[0]].shape if last.outputs else (),
        macs=macs,
        moved_bytes=moved,
        bound_ms=bound_ms,
        bound_by=by,
        ms=ms,
        share=bound_ms / ms if ms else None,
        not_timed=not_timed,
    )


def bound(macs: int, n_bytes: int, peak_gmac_s: float, gb_s: float) -> tuple[float, Literal["arithmetic", "memory"]]:
    """The least time of an operator in ms by the roofline (Williams, Waterman, Patterson 2009), and what sets it."""
    computing, moving = macs / peak_gmac_s / 1e6, n_bytes / gb_s / 1e6
    return (computing, "arithmetic") if computing >= moving else (moving, "memory")


def profile_text(found: Profile, most: int = 8) -> str:
    """The slowest operators as a table, and a line on the ceilings."""
    timed = sorted(((row, row.ms) for row in found.operators if row.ms is not None), key=lambda pair: -pair[1])
    rows = [_cells(row, ms, found.alone_ms) for row, ms in timed[:most]]
    header = ("operator", "output", "MMAC", "MB", "ms", "of all", "least ms", "by", "achieved")
    ceilings = found.ceilings
    lines = [
        f"{found.artifact}, the slowest, on 1 thread: {found.whole_ms:.2f} ms for {found.gmac:.2f} GMAC and "
        f"{found.moved_mb:.1f} MB; {found.bound_ms:.2f} ms at the ceilings, so {found.share:.0%} is achieved",
        f"ceilings: {ceilings.int8_gmac_s:.0f} GMAC/s int8, {ceilings.float32_gmac_s:.0f} GMAC/s float32, "
        f"{ceilings.memory_gb_s:.1f} GB/s memory",
        text_table(header, rows),
    ]
    missing = sum(row.ms is None for row in found.operators)
    return "\n".join([*lines, *([f"{missing} operators could not be timed alone"] if missing else [])])


def _cells(row: OperatorShare, ms: float, alone_ms: float) -> list[str]:
    shape = "x".join(map(str, row.shape[1:]))
    sizes = [f"{row.macs / 1e6:.1f}", f"{row.moved_bytes / 1e6:.2f}"]
    times = [f"{ms:.3f}", f"{ms / alone_ms:.0%}", f"{row.bound_ms:.3f}", row.bound_by, f"{row.bound_ms / ms:.0%}"]
    return [row.kind.lower(), shape, *sizes, *times]
