from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.head.ellipse import Ellipse, EllipseError, fit_ellipse, outline_points

ELLIPSES = st.builds(
    lambda cx, cy, major, ratio, angle: Ellipse(cx, cy, major, major * ratio, angle),
    st.floats(-50, 900),
    st.floats(-50, 900),
    st.floats(8, 500),
    st.floats(0.4, 0.98),
    st.floats(0, 179.9),
)


@given(ELLIPSES)
def test_fit_recovers_the_ellipse_its_points_lie_on(ellipse: Ellipse) -> None:
    found = fit_ellipse(ellipse.outline(60))
    assert found.perimeter == pytest.approx(ellipse.perimeter, rel=1e-6)
    assert (found.center_x, found.center_y) == pytest.approx((ellipse.center_x, ellipse.center_y), abs=1e-4)
    turn = abs(found.angle_deg - ellipse.angle_deg)
    assert min(turn, 180 - turn) < 1e-2


@given(ELLIPSES, st.floats(0.05, 3), st.floats(0.05, 3))
def test_scaling_an_ellipse_scales_its_points(ellipse: Ellipse, sx: float, sy: float) -> None:
    scaled = ellipse.scaled(sx, sy)
    assert np.allclose(scaled.radius(ellipse.outline(30) * [sx, sy]), 1, atol=1e-6)


@given(ELLIPSES, st.floats(0, 360), st.floats(0.3, 3), st.floats(-0.5, 0.5), st.booleans())
def test_an_affine_map_of_an_ellipse_maps_its_points(
    ellipse: Ellipse, turn: float, scale: float, lean: float, mirror: bool
) -> None:
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    linear = scale * np.array([[c, -s], [s, c]]) @ np.array([[-1.0 if mirror else 1.0, lean], [0.0, 1.0]])
    shift = np.array([12.5, -70.0])
    mapped = ellipse.mapped(linear, shift)
    assert np.allclose(mapped.radius(ellipse.outline(30) @ linear.T + shift), 1, atol=1e-6)
    back = np.linalg.inv(linear)
    assert mapped.mapped(back, -back @ shift).perimeter == pytest.approx(ellipse.perimeter, rel=1e-9)


def test_a_map_onto_a_line_has_no_ellipse() -> None:
    with pytest.raises(EllipseError, match="has no inverse"):
        Ellipse(0, 0, 10, 8, 0).mapped(np.array([[1.0, 2.0], [2.0, 4.0]]), np.zeros(2))


def test_perimeter_of_a_circle_and_against_integration() -> None:
    assert Ellipse(0, 0, 10, 10, 0).perimeter == pytest.approx(20 * math.pi)
    points = Ellipse(0, 0, 100, 60, 30).outline(200_000)
    length = np.hypot(*(points - np.roll(points, 1, axis=0)).T).sum()
    assert Ellipse(0, 0, 100, 60, 30).perimeter == pytest.approx(length, rel=1e-8)


def test_a_binary_mask_gives_its_ellipse_without_the_half_pixel_bias() -> None:
    ellipse = Ellipse(200.3, 150.7, 120.2, 90.9, 33.0)
    found = fit_ellipse(outline_points(ellipse.interior((300, 400)), 0.5))
    assert found.perimeter == pytest.approx(ellipse.perimeter, rel=3e-4)


def test_a_head_that_leaves_the_frame_is_fitted_by_its_visible_outline() -> None:
    ellipse = Ellipse(90.0, 100.0, 120.0, 90.0, 10.0)  # cut at the left
    found = fit_ellipse(outline_points(ellipse.interior((220, 300)), 0.5))
    assert found.perimeter == pytest.approx(ellipse.perimeter, rel=5e-3)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 2)),
        np.zeros((50, 2)),
        np.random.default_rng(0).random((11, 2)),
        np.stack([np.arange(50.0), 2 * np.arange(50.0)], axis=1),
        np.stack([np.linspace(-2, 2, 50), np.linspace(-2, 2, 50) ** 2], axis=1),
        np.full((20, 2), np.nan),
    ],
    ids=["none", "one place", "too few", "a line", "a parabola", "nan"],
)
def test_points_of_no_ellipse_are_refused_or_fit_badly(points: np.ndarray) -> None:
    try:
        ellipse = fit_ellipse(points)
    except EllipseError:
        return
    # the direct fit always returns an ellipse for a parabola: a long one, which the runtime refuses by its axis ratio
    assert ellipse.semi_minor / ellipse.semi_major < 0.5


@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_any_points_give_an_ellipse_or_the_error(seed: int, count: int) -> None:
    points = np.random.default_rng(seed).normal(size=(count, 2)) * 100
    try:
        ellipse = fit_ellipse(points)
    except EllipseError:
        return
    assert 0 < ellipse.semi_minor <= ellipse.semi_major * (1 + 1e-9)
    assert 0 <= ellipse.angle_deg < 180
