"""What a model refuses, the error of what it shows, and whether its intervals hold."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.reasons import without_figures
from benchmarks.runtime.quality_document import (
    COVERAGES,
    GOAL_COVERAGE,
    LARGE_MM,
    Count,
    Findings,
    Group,
    Intervals,
    Kept,
    Points,
    Refusals,
    Risk,
    Times,
)
from edge_runtime.quality.evidence import gather_evidence
from edge_runtime.quality.limits import UNLIKE, Limits
from edge_runtime.segmenter import Segmenter
from export.quality.cases import BAD_EACH, REAL, Examined, bad_cases, gather, parts_of, refused
from export.quality.derive_limits import REFUSED_SHARE, fit_trust, within
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample
from train.data.splits import make_split
from train.frames.bad_frames import DAMAGES, KINDS


def risk(cases: Sequence[Examined], limits: Limits) -> Risk:
    """Error against coverage: refused frames are dropped first, then those with the largest expected error.

    Args:
        cases: Frames. Those that the runtime's general limits refuse are left out.
        limits: The artifact's.
    """
    cases = [c for c in cases if c.figures is not None]
    error = np.array([abs(c.error_mm) for c in cases])
    expected = np.array([limits.expected_error_mm(c.blur_mm) for c in cases])
    score = expected + 1e6 * np.array(refused(cases, limits))

    def kept(coverage: float) -> Kept:
        count = round(coverage * len(cases))
        by_us, perfect = (error[np.argsort(order, kind="stable")[:count]] for order in (score, error))
        return Kept(count / len(cases), _p95(by_us), _p95(perfect), count)

    curve = {coverage: kept(coverage) for coverage in COVERAGES}
    everything, most = curve[1.0], curve[GOAL_COVERAGE]
    return Risk(
        n=len(cases),
        n_above_5_mm=int((error > LARGE_MM).sum()),
        auroc=_auroc(score, error > LARGE_MM),
        curve=tuple(curve.values()),
        fall=1 - most.p95_mm / everything.p95_mm,
        fall_perfect=1 - most.p95_perfect_mm / everything.p95_mm,
    )


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
    expected = np.array([limits.expected_error_mm(c.blur_mm) for c in shown])
    off = np.array([-c.error_mm for c in shown])
    low, high = limits.interval
    inside = (off >= low * expected) & (off <= high * expected)
    truth = np.array([c.true_hc_mm for c in shown])
    small = truth < np.median(truth)
    return Intervals(
        n=len(shown),
        n_inside=int(inside.sum()),
        coverage=float(inside.mean()),
        coverage_small_heads=float(inside[small].mean()),
        coverage_large_heads=float(inside[~small].mean()),
        mean_width_mm=float(((high - low) * expected).mean()),
        n_marked=int((expected > limits.caution_mm).sum()),
    )


def refusals(cases: Sequence[Examined], limits: Limits) -> Refusals:
    """Count frames and refused frames: real images, mild variants and bad frames."""
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
        variants=group(lambda c: c.good and c.kind != REAL),
        bad=group(lambda c: not c.good),
    )


def _reason(case: Examined, limits: Limits) -> str:
    text = case.reason or (limits.violation(case.figures) if case.figures else None) or UNLIKE
    return without_figures(text)


def left_out_kinds(
    train: Sequence[Examined], validation: Sequence[Examined], test: Sequence[Examined], limits: Limits
) -> dict[str, Count]:
    """Each kind of bad frames of the test part, under a trust that was fitted without this kind."""
    found = {}
    for kind in KINDS:
        weights, bias = fit_trust([c for c in within(train, limits) if c.kind != kind])
        other = replace(limits, weights=weights, bias=bias)
        trusts = [other.trust(c.figures) for c in within((*train, *validation), limits) if c.good and c.figures]
        other = replace(other, least_trust=float(np.quantile(trusts, REFUSED_SHARE)))
        of = [c for c in test if c.kind == kind]
        found[kind] = Count(len(of), sum(refused(of, other)))
    return found


def cost_ms(segmenter: Segmenter, sample: Sample, repeats: int = 300) -> Times:
    """Time that the figures of one frame take."""
    stages = segmenter.examine(sample.frame(), sample.pixel_size_mm)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        gather_evidence(stages.head, stages.prepared, stages.logits)
        times.append((time.perf_counter() - started) * 1e3)
    return Times(min(times), statistics.median(times))


def measure(segmenter: Segmenter, dataset: Dataset, limits: Limits) -> Findings:
    """Measure all that the page shows.

    Args:
        segmenter: The artifact.
        dataset: Its training, validation and test images, and those of the split ``paper``.
        limits: The artifact's.
    """
    samples = parts_of(segmenter, dataset)
    known = {s.name for part in samples.values() for s in part}
    paper = [s for s in dataset.select(make_split(dataset, "paper").test) if s.name not in known]
    check_samples(dataset, [*(s for part in samples.values() for s in part), *paper])
    cases = {part: gather(segmenter, samples[part], part) for part in samples}
    others = gather(segmenter, paper, "test", bad=False)
    both = [*cases["test"], *others]
    alone = replace(limits, weights={}, bias=0.0, least_trust=0.0)
    damaged = list(bad_cases(segmenter, [*samples["test"], *paper], [], 2 * BAD_EACH["test"], 9, kinds=DAMAGES))
    parts = {"train": cases["train"], "val": cases["val"], "test": cases["test"], "paper_test": both}
    real = {part: [c for c in of if c.kind == REAL] for part, of in parts.items()}
    return Findings(
        refused={part: refusals(of, limits) for part, of in parts.items()},
        refused_by_limits_alone=refusals(cases["test"], alone).bad.n_refused,
        left_out_kinds=left_out_kinds(cases["train"], cases["val"], cases["test"], limits),
        risk={part: risk(of, limits) for part, of in real.items()},
        points={part: points(real[part], limits) for part in ("val", "paper_test")},
        risk_damaged=risk([*real["paper_test"], *damaged], limits),
        intervals={part: intervals(of, limits) for part, of in real.items()},
        evidence_ms=cost_ms(segmenter, samples["test"][0]),
    )
