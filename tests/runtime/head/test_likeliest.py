"""Which of several regions is taken for the head, and when there is no telling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import Segmenter
from edge_runtime.head.components import CANDIDATE_SHARE, CERTAIN, largest_region, likeliest_region
from edge_runtime.quality.verdict import MAX_RIVAL


def field(*boxes: tuple[int, int, int, float], size: tuple[int, int] = (40, 80)) -> np.ndarray:
    """Logits of -5 with boxes (top, left, side, logit) in them."""
    out = np.full(size, -5.0, np.float32)
    for top, left, side, logit in boxes:
        out[top : top + side, left : left + side] = logit
    return out


def test_a_larger_region_that_the_network_is_less_certain_of_loses() -> None:
    found = likeliest_region(field((5, 5, 20, 2.0), (10, 50, 12, 6.0)))
    assert found.region.sum() == 12 * 12 and found.region[15, 55]
    assert found.regions == 2 and found.rival == pytest.approx(2 / 6)
    assert largest_region(field((5, 5, 20, 2.0), (10, 50, 12, 6.0)) > 0)[0].sum() == 20 * 20


def test_a_speck_is_no_candidate_however_certain() -> None:
    side = int(np.sqrt(CANDIDATE_SHARE) * 20)  # its area is below the share
    found = likeliest_region(field((5, 5, 20, 2.0), (10, 50, side, 50.0)))
    assert found.region.sum() == 400 and (found.regions, found.rival) == (2, 0.0)


def test_certainty_beyond_a_logit_adds_nothing() -> None:
    found = likeliest_region(field((5, 5, 20, CERTAIN), (10, 50, 12, 10 * CERTAIN)))
    assert found.rival == pytest.approx(1)


def test_holes_are_filled_and_nothing_is_found_in_nothing() -> None:
    holed = field((5, 5, 20, 3.0))
    holed[10:14, 10:14] = -1
    assert likeliest_region(holed).region.sum() == 400
    nothing = likeliest_region(field())
    assert not nothing.region.any() and (nothing.regions, nothing.rival) == (0, 0.0)
    one = likeliest_region(field((5, 5, 20, 3.0)))
    assert (one.region.sum(), one.regions, one.rival) == (400, 1, 0.0)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 14), st.integers(1, 14))
def test_the_region_is_the_slow_ways(seed: int, height: int, width: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 4, (height, width)).astype(np.float32)
    found = likeliest_region(logits)
    assert found.region.any() == (logits > 0).any() and 0 <= found.rival <= 1
    left, regions = logits > 0, []
    while left.any():
        y, x = (int(v[0]) for v in np.nonzero(left))
        grown = np.zeros_like(left)
        grown[y, x] = True
        while True:
            padded = np.pad(grown, 1)
            near = sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3)) > 0
            if np.array_equal(near & left, grown):
                break
            grown = near & left
        regions.append(grown)
        left = left & ~grown
    assert found.regions == len(regions)
    most = max((region.sum() for region in regions), default=0)
    means = [
        np.minimum(logits, CERTAIN)[region].mean() if region.sum() >= CANDIDATE_SHARE * most else -1
        for region in regions
    ]
    if regions:
        chosen = regions[int(np.argmax(means))]
        assert found.region[chosen].all() or np.isclose(sorted(means)[-1], sorted(means)[-2])


def test_two_heads_that_look_alike_are_refused(model: Path) -> None:
    segmenter = Segmenter.load(model)
    y, x = np.mgrid[:540, :800]
    frame = 120 + y % 7 + x % 5
    one, two = (((x - at) / 150) ** 2 + ((y - 270) / 115) ** 2 < 1 for at in (210, 590))
    single = segmenter.measure(np.where(one, 5, frame).astype(np.uint8), 0.2)
    assert single.head_circumference_mm is not None and single.quality.rival == 0, single.reason
    double = segmenter.measure(np.where(one | two, 5, frame).astype(np.uint8), 0.2)
    assert double.head_circumference_mm is None and double.ellipse is None
    assert str(double.reason).startswith("two regions look like a head (the second is ")
    assert double.quality.rival > MAX_RIVAL and double.quality.regions == 2
    fainter = np.where(two, 25, np.where(one, 5, frame)).astype(np.uint8)  # the second is nearer to what is no head
    third = segmenter.measure(fainter, 0.2)
    assert third.head_circumference_mm == pytest.approx(single.head_circumference_mm, rel=0.01), third.reason
    assert third.quality.regions == 2 and 0 < third.quality.rival < MAX_RIVAL
