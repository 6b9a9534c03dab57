"""What ``python -m benchmarks quality`` counts, on frames that were examined already."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.runtime.quality import earned, intervals, look_found, refusals, risk, shown_adf
from edge_runtime.quality.look import FIGURES
from export.quality.cases import Examined
from tests.helpers.some_limits import NAMES, examined, make_limits

LIMITS = make_limits(usual={})
"""At a blur of 10 mm, the interval is from 4 mm below to 5 mm above."""


def case(error_mm: float, far: bool = False, **figures: float) -> Examined:
    return examined(error_mm, np.full(len(FIGURES), 9.0 if far else 0.0), **{"softness": 0.05, **figures})


REFUSED = replace(case(0.0), figures=None, look=None, hc_mm=None, reason="no head found")


def test_looks_are_counted_as_they_are_shown() -> None:
    far = [case(6, far=True), case(-12, far=True)]
    found = look_found([case(1), case(-11), *far, case(0, core=-1.0), REFUSED], LIMITS)
    assert (found.n, found.n_refused, found.n_shown) == (6, 2, 4)
    assert (found.n_wrong, found.n_unlike, found.median_mm) == (2, 2, 8.5)
    # blurs are near 10 mm: a known look holds 4 mm above and 5 below, an unknown one 1.4 times as much
    assert (found.n_inside, found.n_unlike_inside) == (1, 0)
    wider = look_found([case(5, far=True), case(5)], LIMITS)
    assert (wider.n_inside, wider.n_unlike_inside) == (1, 1)
    nothing = look_found([REFUSED], LIMITS)
    assert (nothing.n_shown, nothing.median_mm, nothing.n_inside, nothing.n_unlike_inside) == (0, None, 0, 0)


def test_refusals_are_counted_by_kind_and_reason() -> None:
    bad = replace(case(0, core=-2.0), kind="halves", good=False)
    shown = replace(bad, figures=case(0).figures)
    found = refusals([case(0), replace(case(3), kind="gain-2"), bad, shown], LIMITS)
    assert (found.real.n, found.looks.n, found.bad.n, found.bad.n_refused) == (1, 1, 2, 1)
    assert found.bad.reasons == {"part of the head was not recognized": 1} and list(found.looks.kinds) == ["gain-2"]


def test_errors_are_ordered_by_what_is_expected() -> None:
    cases = [case(float(k), softness=0.05 + 0.01 * k) for k in range(10)] + [REFUSED]
    found = risk(cases, replace(LIMITS, usual={"softness": (0.05, 0.05)}))
    assert (found.n, found.n_above_5_mm, found.auroc, found.auroc_trust) == (10, 4, 1.0, 1.0)
    assert found.rank_correlation == pytest.approx(-1)
    assert found.kept(0.5).n == 5 and found.kept(0.5).p95_mm == found.kept(0.5).p95_perfect_mm < found.kept(1.0).p95_mm
    assert shown_adf([case(1), case(-3), REFUSED], LIMITS) == 2


def test_intervals_are_those_that_are_shown() -> None:
    near = [case(float(error), true_hc_mm=100.0 + error) for error in (0, 1, 2, 12)]
    found = intervals([*near, REFUSED], LIMITS)
    assert (found.n, found.n_inside, found.coverage_small_heads, found.coverage_large_heads) == (4, 3, 1.0, 0.5)
    far = intervals([replace(one, look=np.full(len(FIGURES), 9.0)) for one in near], LIMITS)
    assert far.mean_width_mm == pytest.approx(1.4 * found.mean_width_mm)


def test_a_figure_earns_what_it_tells() -> None:
    rng = np.random.default_rng(0)
    right = [case(0, **{name: float(rng.normal()) for name in NAMES} | {"core": 5.0}) for _ in range(50)]
    wrong = [case(9, **{name: float(rng.normal()) for name in NAMES} | {"core": 1.0}) for _ in range(20)]
    empty = [replace(one, good=False) for one in wrong[:10]]
    found, counts = earned([*right, *wrong, *empty, REFUSED])
    assert counts == (50, 20, 10) and set(found) == set(NAMES)
    assert (found["core"].wrong, found["core"].no_head) == (1.0, 1.0)
    assert found["skull"].wrong == pytest.approx(0.5, abs=0.2)
