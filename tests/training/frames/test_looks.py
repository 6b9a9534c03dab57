from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import UsageError
from edge_runtime.head.ellipse import Ellipse, fit_ellipse, outline_points
from train.data.phantom import make_phantom
from train.frames.looks import FAMILIES, LOOKS, draw_compound, make_compound, make_look
from train.frames.view import View, moved, placed, resampled

PLACES = [name for name, look in LOOKS.items() if look.family in ("turn", "zoom", "margin", "screen")] + [
    "patient-bar",
    *(name for name in LOOKS if name.startswith(("resized", "pixels"))),
]
"""Looks that move the head."""


def phantom(seed: int, size: tuple[int, int] = (540, 800)) -> View:
    frame, head, pixel_size = make_phantom(seed, size)
    return View(frame, head, (pixel_size, pixel_size))


VIEW = phantom(3)


def drawn(head: Ellipse, size: tuple[int, int] = (540, 800)) -> View:
    """A white ellipse on black, its edge as soft as a pixel."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    radius = head.radius(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(size)
    edge = np.clip(0.5 + (1 - radius) * np.sqrt(head.semi_major * head.semi_minor), 0, 1)
    return View((255 * edge).astype(np.uint8), head, (0.2, 0.2))


def assert_drawn(view: View, within: float = 1.0) -> None:
    """The white ellipse in the frame is the view's head."""
    inside = np.where(view.head.interior(view.size), view.frame, 0)
    level = np.median(inside[inside > 0]) / 2
    wide = replace(view.head, semi_major=1.1 * view.head.semi_major, semi_minor=1.1 * view.head.semi_minor)
    # beyond the head there may be a bright wall, a bezel, text
    near = np.where(wide.interior(view.size), view.frame, 0)
    found = fit_ellipse(outline_points(near, float(level)))
    assert (found.center_x, found.center_y) == pytest.approx((view.head.center_x, view.head.center_y), abs=within)
    assert np.abs(view.head.radius(found.outline(40)) - 1).max() * view.head.semi_major < within


@pytest.mark.parametrize("kind", LOOKS)
def test_a_look_is_a_frame_of_the_same_head_and_the_same_each_time(kind: str) -> None:
    made = [make_look(kind, VIEW, 5) for _ in range(2)]
    assert made[0] is not None and made[1] is not None
    assert made[0].frame.dtype == np.uint8 and made[0].frame.ndim == 2 and min(made[0].size) >= 32
    assert made[0].hc_mm == pytest.approx(VIEW.hc_mm, rel=1e-6)
    assert np.array_equal(made[0].frame, made[1].frame) and made[0].head == made[1].head
    assert made[0].frame.shape != VIEW.frame.shape or not np.array_equal(made[0].frame, VIEW.frame)
    assert made[0].shows_head()


def test_there_are_81_kinds_and_another_seed_gives_another_look() -> None:
    assert len(LOOKS) == 81
    first, second = make_look("shadows-2", VIEW, 0), make_look("shadows-2", VIEW, 1)
    assert first is not None and second is not None and not np.array_equal(first.frame, second.frame)


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"no look 'spekle-3px'.*speckle-3px"):
        make_look("spekle-3px", VIEW, 0)


@pytest.mark.parametrize("kind", PLACES)
def test_the_ellipse_follows_the_pixels(kind: str) -> None:
    for seed, angle in ((0, 20.0), (1, 110.0)):
        made = make_look(kind, drawn(Ellipse(380.3, 280.7, 190.0, 150.0, angle)), seed)
        assert made is not None
        assert_drawn(made, within=1.5 if kind.startswith("photographed") else 1.0)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 360), st.floats(0.3, 1.6), st.floats(-0.1, 0.1), st.booleans())
def test_an_affine_map_moves_the_head_with_its_frame(turn: float, scale: float, lean: float, mirror: bool) -> None:
    angle = np.radians(turn)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = linear @ np.array([[-1.0 if mirror else 1.0, lean], [0.0, 1.0]])
    view = drawn(Ellipse(150.2, 120.9, 80.0, 61.0, 33.0), (240, 300))
    made = moved(view, linear, (199.6, 180.3), (360, 400))
    assert made.hc_mm == pytest.approx(view.hc_mm, rel=1e-9)
    assert_drawn(made)
    if lean == 0:
        assert made.pixel_size_mm == pytest.approx((0.2 / scale, 0.2 / scale))


@settings(max_examples=25, deadline=None)
@given(st.integers(60, 500), st.integers(60, 500))
def test_other_pixels_show_the_same_head(height: int, width: int) -> None:
    view = drawn(Ellipse(150.2, 120.9, 80.0, 61.0, 33.0), (240, 300))
    made = resampled(view, (height, width))
    assert made.size == (height, width)
    assert made.hc_mm == pytest.approx(view.hc_mm, rel=1e-9)
    assert made.pixel_size_mm == pytest.approx((0.2 * 300 / width, 0.2 * 240 / height))
    assert_drawn(made)


def test_what_leaves_the_canvas_is_cut_off() -> None:
    view = drawn(Ellipse(150.2, 120.9, 80.0, 61.0, 33.0), (240, 300))
    canvas = np.full((200, 350), 7, dtype=np.uint8)
    made = placed(view, canvas, 100, -30)
    assert np.array_equal(made.frame[:, 100:], view.frame[30:230, :250]) and (made.frame[:, :100] == 7).all()
    assert (made.head.center_x, made.head.center_y) == pytest.approx((250.2, 90.9))
    assert np.array_equal(placed(view, canvas, 400, 0).frame, canvas)


def test_a_head_that_leaves_the_frame_is_no_look() -> None:
    cut = replace(VIEW, head=replace(VIEW.head, center_x=40.0))
    assert make_look("gain-2", cut, 0) is None and make_compound(cut, 0) is None
    assert make_look("zoomed-out", cut, 0) is None  # the move would bring the ellipse in, but not its pixels
    tiny = replace(VIEW, head=replace(VIEW.head, semi_major=14.0, semi_minor=10.0))
    assert make_look("gain-2", tiny, 0) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 5))
def test_compounds_show_the_same_head(seed: int, frame: int) -> None:
    view = phantom(frame, (270, 400))
    made, again = make_compound(view, seed), make_compound(view, seed)
    assert made is not None and again is not None and np.array_equal(made.frame, again.frame)
    assert made.shows_head() and min(made.size) >= 32
    assert made.hc_mm == pytest.approx(view.hc_mm, rel=1e-6)


def test_a_compound_takes_two_to_four_families_in_order() -> None:
    rng = np.random.default_rng(0)
    drawn_kinds = [draw_compound(rng) for _ in range(400)]
    for kinds in drawn_kinds:
        places = [FAMILIES.index(LOOKS[kind].family) for kind in kinds]
        assert 2 <= len(kinds) <= 4 and places == sorted(set(places))
    assert {kind for kinds in drawn_kinds for kind in kinds} == set(LOOKS)


def test_text_and_boxes_hide_hardly_any_outline() -> None:
    for kind in ("measurements", "grey-bar", "labels", "black-boxes"):
        for seed in range(8):
            made = make_look(kind, VIEW, seed)
            assert made is not None
            x, y = np.rint(VIEW.head.outline(180)).astype(int).T
            assert np.mean(made.frame[y, x] != VIEW.frame[y, x]) < 0.06, (kind, seed)


def test_shadows_leave_three_quarters_of_the_outline() -> None:
    for seed in range(8):
        made = make_look("shadows-3", VIEW, seed)
        assert made is not None
        x, y = np.rint(VIEW.head.outline(180)).astype(int).T
        assert np.mean(made.frame[y, x] < 0.8 * VIEW.frame[y, x].astype(float) - 2) < 0.3
