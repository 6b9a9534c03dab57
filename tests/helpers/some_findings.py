"""Documents of ``benchmarks quality`` and ``benchmarks outside`` with small round numbers."""

from __future__ import annotations

from typing import Any

from benchmarks.common.measured import here_and_now
from benchmarks.common.scores import summary_of
from benchmarks.runtime.outside_document import SCHEMA_VERSION as OUTSIDE_VERSION
from benchmarks.runtime.outside_document import KindFound, OutsideDocument
from benchmarks.runtime.quality_document import (
    COVERAGES,
    SCHEMA_VERSION,
    Count,
    Earned,
    Group,
    Intervals,
    Kept,
    LookFound,
    Points,
    QualityDocument,
    Refusals,
    Risk,
    Times,
)
from tests.helpers.some_limits import NAMES, make_limits

LOOKS = {
    "speckle-3px": LookFound(10, 1, 0, 4, 8, 1.25, 3),
    "gain-2": LookFound(10, 0, 1, 10, 9, 2.5, 9),
    "9:16": LookFound(10, 10, 0, 0, 0, None, 0),
}


def make_quality(**changes: Any) -> QualityDocument:
    """A document of 10 test images; ``changes`` are fields."""
    real = Group(10, 1, {"real": Count(10, 1)}, {"no head found": 1})
    looks = Group(30, 11, {kind: Count(one.n, one.n_refused) for kind, one in LOOKS.items()}, {"no head found": 11})
    bad = Group(20, 19, {"flat": Count(10, 10), "halves": Count(10, 9)}, {"no image": 10, "no head found": 9})
    risk = Risk(10, 2, 0.75, 0.625, -0.25, tuple(Kept(share, 4.0, 3.0, round(10 * share)) for share in COVERAGES))
    interval = Intervals(9, 8, 8 / 9, 1.0, 0.8, 7.5, 1)
    parts = ("train", "val", "test")
    plain: dict[str, Any] = {
        "artifact": "other-full_int8",
        "model_sha256": "0" * 64,
        "data": "another set",
        "limits": make_limits(),
        "refused": dict.fromkeys(parts, Refusals(real, looks, bad)),
        "refused_without_doubt": 15,
        "looks": LOOKS,
        "compounds": LookFound(20, 2, 1, 9, 17, 1.5, 8),
        "adf_mm": dict.fromkeys(parts, 1.625),
        "risk": dict.fromkeys((*parts, "looks"), risk),
        "points": dict.fromkeys(("val", "test"), Points((1.0, 2.0), (0.5, -3.0))),
        "intervals": dict.fromkeys(parts, interval),
        "earned": dict.fromkeys(NAMES, Earned(0.875, None)),
        "n_earned": (1200, 34, 56),
        "evidence_ms": Times(71.25, 72.5),
    }
    return QualityDocument(**here_and_now(SCHEMA_VERSION, ("numpy",), 1), **{**plain, **changes})


def make_kind(name: str, n: int, n_shown: int, n_right: int | None = None) -> KindFound:
    """A kind of heads if the right outlines are counted, else of frames without a head."""
    heads = n_right is not None
    nothing = summary_of([])
    return KindFound(
        name=name,
        meaning="heads" if heads else "not heads",
        n_frames=n,
        n_unread=0,
        n_unused_masks=0,
        n_shown=n_shown,
        n_trusted=n_shown,
        n_references=n if heads else 0,
        n_right=n_right or 0,
        dice=summary_of([0.95] * n_shown) if heads else nothing,
        hc_percent=summary_of([-1.0] * n_shown) if heads else nothing,
        hc_absolute_percent=summary_of([1.0] * n_shown) if heads else nothing,
        reasons={"no head found": n - n_shown} if n_shown < n else {},
    )


def make_outside(**changes: Any) -> OutsideDocument:
    """A document of two kinds of heads and four without; ``changes`` are fields."""
    kinds = (
        make_kind("heads/spain", 24, 20, 19),
        make_kind("heads/new<b>", 10, 10, 10),
        make_kind("not_heads/fetal_abdomen", 6, 1),
        make_kind("not_heads/fetal_thorax", 6, 0),
        make_kind("not_heads/intrapartum", 80, 0),
        make_kind("not_heads/breast", 100, 2),
    )
    plain: dict[str, Any] = {
        "artifact": "other-full_int8",
        "model_sha256": "0" * 64,
        "has_pixel_sizes": False,
        "most_frames": None,
        "kinds": kinds,
    }
    return OutsideDocument(**here_and_now(OUTSIDE_VERSION, ("numpy",), 1), **{**plain, **changes})
