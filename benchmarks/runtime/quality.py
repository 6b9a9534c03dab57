"""``python -m benchmarks quality``: what a model refuses, the error of what it shows, whether its intervals hold."""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.arguments import add_data, add_out, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import UsageError
from edge_runtime.quality.evidence import gather_evidence
from edge_runtime.quality.limits import UNLIKE, Limits, read_limits
from edge_runtime.segmenter import DEFAULT_MODEL, Segmenter
from export.quality.cases import BAD_EACH, REAL, Examined, bad_cases, gather, parts_of, refused
from export.quality.derive_limits import REFUSED_SHARE, fit_trust, within
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample, find_data
from train.data.splits import make_split
from train.frames.bad_frames import DAMAGES, KINDS

SCHEMA_VERSION = 1
LARGE_MM = 5.0
"""|HC error| that the area under the curve is about."""

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
GOALS = {"fall": 0.30, "bad": 0.99, "good": 0.02, "interval": 0.9}


def risk(cases: Sequence[Examined], limits: Limits) -> dict[str, Any]:
    """Risk and coverage of frames: the refused go first, then those of the largest expected error.

    Args:
        cases: Measured under the wide limits; others are left out.
        limits: The artifact's.

    Returns:
        The 95th percentile of |error| at each of :data:`COVERAGES`, a perfect order's beside it, and the area under the
        curve for errors above 5 mm.
    """
    cases = [c for c in cases if c.figures is not None]
    error = np.array([abs(c.error_mm) for c in cases])
    expected = np.array([limits.expected_error_mm(c.blur_mm) for c in cases])
    score = expected + 1e6 * np.array(refused(cases, limits))
    rows = []
    for coverage in COVERAGES:
        count = round(coverage * len(cases))
        by_us, perfect = (error[np.argsort(order, kind="stable")[:count]] for order in (score, error))
        rows.append(
            {"coverage": count / len(cases), "p95_mm": _p95(by_us), "p95_perfect_mm": _p95(perfect), "n": count}
        )
    return {
        "n": len(cases),
        "n_above_5_mm": int((error > LARGE_MM).sum()),
        "auroc": _auroc(score, error > LARGE_MM),
        "curve": rows,
        "fall": 1 - rows[1]["p95_mm"] / rows[0]["p95_mm"],
        "fall_perfect": 1 - rows[1]["p95_perfect_mm"] / rows[0]["p95_mm"],
    }


def points(cases: Sequence[Examined], limits: Limits) -> dict[str, list[float]]:
    """Expected |error| and error in mm of the frames that the wide limits show, for the picture."""
    shown = [c for c in cases if c.figures is not None]
    return {
        "expected_mm": [round(limits.expected_error_mm(c.blur_mm), 3) for c in shown],
        "error_mm": [round(c.error_mm, 3) for c in shown],
    }


def _p95(values: NDArray[np.float64]) -> float:
    return float(np.percentile(values, 95))


def _auroc(score: NDArray[np.float64], large: NDArray[np.bool_]) -> float | None:
    if large.all() or not large.any():
        return None
    above = score[large][:, None] - score[~large]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def intervals(cases: Sequence[Examined], limits: Limits) -> dict[str, Any]:
    """How many true circumferences lie within the interval, of real frames that are shown, and its mean width."""
    shown = [c for c, out in zip(cases, refused(cases, limits), strict=True) if not out]
    expected = np.array([limits.expected_error_mm(c.blur_mm) for c in shown])
    off = np.array([-c.error_mm for c in shown])
    low, high = limits.interval
    inside = (off >= low * expected) & (off <= high * expected)
    truth = np.array([c.true_hc_mm for c in shown])
    small = truth < np.median(truth)
    return {
        "n": len(shown),
        "n_inside": int(inside.sum()),
        "coverage": float(inside.mean()),
        "coverage_small_heads": float(inside[small].mean()),
        "coverage_large_heads": float(inside[~small].mean()),
        "mean_width_mm": float(((high - low) * expected).mean()),
        "n_marked": int((expected > limits.caution_mm).sum()),
    }


def refusals(cases: Sequence[Examined], limits: Limits) -> dict[str, Any]:
    """Frames and refused frames: real, variants and bad, and by kind; bad ones with the reasons given."""
    out = refused(cases, limits)
    groups: dict[str, Callable[[Examined], bool]] = {
        "real": lambda c: c.kind == REAL,
        "variants": lambda c: c.good and c.kind != REAL,
        "bad": lambda c: not c.good,
    }
    found: dict[str, Any] = {}
    for name, belongs in groups.items():
        chosen = [(c, flag) for c, flag in zip(cases, out, strict=True) if belongs(c)]
        kinds = {
            kind: {"n": len(flags), "n_refused": sum(flags)}
            for kind in dict.fromkeys(c.kind for c, _ in chosen)
            if (flags := [flag for c, flag in chosen if c.kind == kind])
        }
        reasons = Counter(_reason(c, limits) for c, flag in chosen if flag)
        found[name] = {
            "n": len(chosen),
            "n_refused": sum(flag for _, flag in chosen),
            "kinds": kinds,
            "reasons": dict(reasons.most_common()),
        }
    return found


def _reason(case: Examined, limits: Limits) -> str:
    text = case.reason or (limits.violation(case.figures) if case.figures else None) or UNLIKE
    return re.sub(r"^[\d.]+ mm is", "that is", text.split(" (")[0].split(":")[0])


def left_out_kinds(
    train: Sequence[Examined], validation: Sequence[Examined], test: Sequence[Examined], limits: Limits
) -> Any:
    """Share of each kind of bad frames that is refused by a trust fitted without that kind, on the test part."""
    found = {}
    for kind in KINDS:
        weights, bias = fit_trust([c for c in within(train, limits) if c.kind != kind])
        other = replace(limits, weights=weights, bias=bias)
        trusts = [other.trust(c.figures) for c in within((*train, *validation), limits) if c.good and c.figures]
        other = replace(other, least_trust=float(np.quantile(trusts, REFUSED_SHARE)))
        of = [c for c in test if c.kind == kind]
        found[kind] = {"n": len(of), "n_refused": sum(refused(of, other))}
    return found


def cost_ms(segmenter: Segmenter, sample: Sample, repeats: int = 300) -> dict[str, float]:
    """Time the figures of one frame take, in ms: least and median."""
    stages = segmenter.examine(sample.frame(), sample.pixel_size_mm)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        gather_evidence(stages.head, stages.network_input, stages.logits)
        times.append((time.perf_counter() - started) * 1e3)
    return {"least": min(times), "median": statistics.median(times)}


def measure(segmenter: Segmenter, dataset: Dataset, limits: Limits) -> dict[str, Any]:
    """Everything the page shows."""
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
    return {
        "refused": {part: refusals(of, limits) for part, of in parts.items()},
        "refused_by_limits_alone": refusals(cases["test"], alone)["bad"]["n_refused"],
        "left_out_kinds": left_out_kinds(cases["train"], cases["val"], cases["test"], limits),
        "risk": {part: risk(of, limits) for part, of in real.items()},
        "points": {part: points(real[part], limits) for part in ("val", "paper_test")},
        "risk_damaged": risk([*real["paper_test"], *damaged], limits),
        "intervals": {part: intervals(of, limits) for part, of in real.items()},
        "evidence_ms": cost_ms(segmenter, samples["test"][0]),
    }


def table(found: dict[str, Any]) -> str:
    """The goals, met or missed."""
    bad = found["refused"]["test"]["bad"]
    unseen = [found["refused"][part]["real"] for part in ("val", "paper_test")]
    n_good, lost = sum(g["n"] for g in unseen), sum(g["n_refused"] for g in unseen)
    lines = [
        _goal(
            "bad frames refused, test part",
            bad["n_refused"] / bad["n"],
            GOALS["bad"],
            f"{bad['n_refused']} of {bad['n']}",
        ),
        _goal("good frames refused, not trained on", lost / n_good, GOALS["good"], f"{lost} of {n_good}", most=True),
    ]
    for part in ("val", "test", "paper_test"):
        of, interval = found["risk"][part], found["intervals"][part]
        fall = f"a perfect order's {of['fall_perfect']:.0%}; AUROC {of['auroc'] or float('nan'):.2f}"
        lines.append(_goal(f"fall of the 95th percentile, {part}", of["fall"], GOALS["fall"], fall))
        width = f"{interval['n_inside']} of {interval['n']}, mean width {interval['mean_width_mm']:.1f} mm"
        lines.append(_goal(f"inside the interval, {part}", interval["coverage"], GOALS["interval"], width))
    return "\n".join(lines)


def _goal(name: str, value: float, goal: float, detail: str, most: bool = False) -> str:
    met = value <= goal if most else value >= goal
    return f"{name:<46} {value:>7.1%}  goal {goal:.0%}, {'met' if met else 'MISSED'} ({detail})"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, metavar="FILE", help="default: the shipped one")
    add_data(parser)
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Judge an artifact's limits, trust and interval on images they were not made from, and on bad frames of these."""
    checked_out(args.out, args.overwrite)
    segmenter, dataset = Segmenter.load(args.model), find_data(args.data)
    limits = read_limits(segmenter.manifest.quality)
    if limits is None:
        raise UsageError(
            f"{segmenter.manifest.name} has no limits of its own. Make them with: python -m export quality {args.model}"
        )
    found = measure(segmenter, dataset, limits)
    say(table(found))
    if args.out:
        document = {
            "schema_version": SCHEMA_VERSION,
            "artifact": segmenter.manifest.name,
            "model_sha256": segmenter.manifest.model_sha256,
            "data": dataset.title,
            "limits": limits.to_json(),
            **found,
            "device": fingerprint(),
            "git_commit": git_commit(),
            "tools": tool_versions(("numpy", "pillow", "ai-edge-litert", "scikit-image", "matplotlib")),
        }
        write_json(args.out, document)
        say(f"written: {args.out}")
    return 0
