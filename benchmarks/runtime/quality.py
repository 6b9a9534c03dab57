"""What a model refuses, the error of what it shows, and whether its intervals hold."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.reasons import kind_of_reason
from benchmarks.runtime.quality_document import (
    COVERAGES,
    LARGE_MM,
    WRONG_MM,
    Count,
    Earned,
    Findings,
    Group,
    Intervals,
    Kept,
    LookFound,
    Points,
    Refusals,
    Risk,
    Times,
)
from edge_runtime.quality.evidence import gather_evidence
from edge_runtime.quality.limits import MORE_IS_BETTER, Limits
from edge_runtime.segmenter import Segmenter
from export.quality.cases import (
    COMPOUND,
    REAL,
    Examined,
    gather,
    gather_others,
    is_shown,
    looks_unlike,
    parts_of,
    refused,
)
from export.quality.derive_limits import LESS_IS_BETTER
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample
from train.data.others import Other


def risk(cases: Sequence[Examined], limits: Limits) -> Risk:
    """Error against coverage: refused frames are dropped first, then those with the largest expected error.

    Args:
        cases: Frames with a known circumference. Those that the runtime's general limits refuse are left out.
        limits: The artifact's.
    """
    cases = [c for c in cases if c.figures is not None]
    error = np.array([abs(c.error_mm) for c in cases])
    expected = np.array([limits.expected_error_mm(c.blur_mm) for c in cases])
    score = expected + 1e6 * np.array(refused(cases, limits))
    trust = np.array([limits.trust(c.figures) for c in cases if c.figures is not None])

    def kept(coverage: float) -> Kept:
        count = round(coverage * len(cases))
        by_us, perfect = (error[np.argsort(order, kind="stable")[:count]] for order in (score, error))
        return Kept(count / len(cases), _p95(by_us), _p95(perfect), count)

    return Risk(
        n=len(cases),
        n_above_5_mm=int((error > LARGE_MM).sum()),
        auroc=_auroc(score, error > LARGE_MM),
        auroc_trust=_auroc(-trust, error > LARGE_MM),
        rank_correlation=float(np.corrcoef(_ranks(trust), _ranks(error))[0, 1]),
        curve=tuple(kept(coverage) for coverage in COVERAGES),
    )


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks


def look_found(cases: Sequence[Examined], limits: Limits) -> LookFound:
    """Count what an artifact shows of frames of one look, and how wrong it is."""
    shown = [c for c in cases if is_shown(c, limits)]
    errors = [abs(c.error_mm) for c in shown]
    far = [looks_unlike(c, limits) for c in shown]
    held = [holds(c, limits) for c in shown]
    return LookFound(
        n=len(cases),
        n_refused=len(cases) - len(shown),
        n_wrong=sum(error > WRONG_MM for error in errors),
        n_unlike=sum(far),
        n_inside=sum(held),
        median_mm=float(np.median(errors)) if errors else None,
        n_unlike_inside=sum(one and other for one, other in zip(far, held, strict=True)),
    )


def interval_of(case: Examined, limits: Limits) -> tuple[float, float]:
    """The interval that is shown beside a circumference, in mm."""
    return limits.interval_mm(case.hc_mm or 0.0, case.blur_mm, looks_unlike(case, limits))


def holds(case: Examined, limits: Limits) -> bool:
    """Whether the true circumference lies in the interval that is shown."""
    low, high = interval_of(case, limits)
    return low <= case.true_hc_mm <= high


def points(cases: Sequence[Examined], limits: Limits) -> Points:
    """Expected and true errors of the frames that the runtime's general limits do not refuse."""
    shown = [c for c in cases if c.figures is not None]
    return Points(
        tuple(round(limits.expected_error_mm(c.blur_mm), 3) for c in shown),
        tuple(round(c.error_mm, 3) for c in shown),
    )


def _p95(values: NDArray[np.float64]) -> float:
    return float(np.percentile(values, 95))


def _auroc(score: NDArray[np.float64], large: NDArray[np.bool_]) -> float | None:
    if large.all() or not large.any():
        return None
    above = score[large][:, None] - score[~large]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def intervals(cases: Sequence[Examined], limits: Limits) -> Intervals:
    """How many true circumferences lie inside the interval, over the real images that are not refused."""
    shown = [c for c, out in zip(cases, refused(cases, limits), strict=True) if not out]
    inside = np.array([holds(c, limits) for c in shown])
    widths = [high - low for low, high in (interval_of(c, limits) for c in shown)]
    truth = np.array([c.true_hc_mm for c in shown])
    small = truth < np.median(truth)
    return Intervals(
        n=len(shown),
        n_inside=int(inside.sum()),
        coverage=float(inside.mean()),
        coverage_small_heads=float(inside[small].mean()),
        coverage_large_heads=float(inside[~small].mean()),
        mean_width_mm=float(np.mean(widths)),
        n_marked=sum(limits.expected_error_mm(c.blur_mm) > limits.caution_mm for c in shown),
    )


def refusals(cases: Sequence[Examined], limits: Limits) -> Refusals:
    """Count frames and refused frames: real images, other looks of them and bad frames."""
    out = refused(cases, limits)

    def group(belongs: Callable[[Examined], bool]) -> Group:
        chosen = [(c, flag) for c, flag in zip(cases, out, strict=True) if belongs(c)]
        kinds = {
            kind: Count(len(flags), sum(flags))
            for kind in dict.fromkeys(c.kind for c, _ in chosen)
            if (flags := [flag for c, flag in chosen if c.kind == kind])
        }
        reasons = Counter(_reason(c, limits) for c, flag in chosen if flag)
        return Group(len(chosen), sum(flag for _, flag in chosen), kinds, dict(reasons.most_common()))

    return Refusals(
        real=group(lambda c: c.kind == REAL),
        looks=group(lambda c: c.good and c.kind != REAL),
        bad=group(lambda c: not c.good),
    )


def _reason(case: Examined, limits: Limits) -> str:
    text = case.reason or (limits.refusal(case.figures, looks_unlike(case, limits)) if case.figures else None) or "-"
    return kind_of_reason(text)


def earned(cases: Sequence[Examined]) -> tuple[dict[str, Earned], tuple[int, int, int]]:
    """What each figure of the limits tells, and the number of frames behind it (see :class:`Findings`)."""
    seen = [c for c in cases if c.figures is not None]
    right = np.array([c.is_right(LARGE_MM) for c in seen])
    wrong = np.array([c.good for c in seen]) & ~right
    no_head = ~np.array([c.good for c in seen])
    found = {}
    for name in (*MORE_IS_BETTER, *LESS_IS_BETTER):
        values = np.array([c.figures[name] for c in seen if c.figures is not None])
        worse = -values if name in MORE_IS_BETTER else values
        found[name] = Earned(*(_auroc(worse[right | bad], bad[right | bad]) for bad in (wrong, no_head)))
    return found, (int(right.sum()), int(wrong.sum()), int(no_head.sum()))


def cost_ms(segmenter: Segmenter, sample: Sample, repeats: int = 300) -> Times:
    """Time that the figures of one frame take."""
    stages = segmenter.examine(sample.frame(), sample.pixel_size_mm)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        gather_evidence(stages.head, stages.prepared, stages.logits)
        times.append((time.perf_counter() - started) * 1e3)
    return Times(min(times), statistics.median(times))


def measure(segmenter: Segmenter, dataset: Dataset, others: Sequence[Other], limits: Limits) -> Findings:
    """Measure all that the page shows.

    Args:
        segmenter: The artifact.
        dataset: Its training, validation and test images.
        others: Frames from elsewhere, which its trust was fitted to.
        limits: The artifact's.
    """
    samples = parts_of(segmenter, dataset)
    check_samples(dataset, [s for part in samples.values() for s in part])
    cases = {part: gather(segmenter, samples[part], part) for part in samples}
    real = {part: [c for c in of if c.kind == REAL] for part, of in cases.items()}
    looks = [c for c in cases["test"] if c.good and c.kind != REAL]
    kinds = [kind for kind in dict.fromkeys(c.kind for c in looks) if kind != COMPOUND]
    elsewhere = gather_others(segmenter, others)
    figures, n_earned = earned([*cases["train"], *cases["val"], *elsewhere, *cases["test"]])
    return Findings(
        refused={part: refusals(of, limits) for part, of in cases.items()},
        refused_without_doubt=refusals(cases["test"], replace(limits, most_doubt=(math.inf, math.inf))).bad.n_refused,
        looks={kind: look_found([c for c in looks if c.kind == kind], limits) for kind in kinds},
        compounds=look_found([c for c in looks if c.kind == COMPOUND], limits),
        adf_mm={part: shown_adf(of, limits) for part, of in real.items()},
        risk={part: risk(of, limits) for part, of in (real | {"looks": looks}).items()},
        points={part: points(real[part], limits) for part in ("val", "test")},
        intervals={part: intervals(of, limits) for part, of in real.items()},
        earned=figures,
        n_earned=n_earned,
        evidence_ms=cost_ms(segmenter, samples["test"][0]),
    )


def shown_adf(cases: Sequence[Examined], limits: Limits) -> float:
    """Mean |HC error| of what is shown, in mm; NaN if nothing is."""
    errors = [abs(c.error_mm) for c, out in zip(cases, refused(cases, limits), strict=True) if not out]
    return float(np.mean(errors)) if errors else float("nan")
