"""Where a frame lies in the network's input: the way back, and what a head measures that went there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.frame.geometry import (
    LETTERBOX,
    LINEAR,
    RESIZE_RULES,
    STRETCH,
    Box,
    Geometry,
    ResizeRule,
    find_geometry,
)
from edge_runtime.frame.preprocess import Prepared, prepare
from edge_runtime.frame.resize import resize
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.head.find_head import Head, find_head
from edge_runtime.metrics import overlap
from edge_runtime.quality.verdict import measure_head
from tests.helpers import slow_reference
from tests.helpers.drawn_head import ASPECTS, Scene, draw
from tests.helpers.shipped import load_shipped
from train.data.hc18 import read_dataset
from train.data.score import place_mask
from train.data.splits import evenly_spaced

NETWORK = (160, 240)
MARGINS = st.tuples(*[st.integers(0, 150)] * 4)
LEVELS = st.sampled_from([0, 128, 255])


def find(scene: Scene, rule: ResizeRule = LETTERBOX) -> tuple[Prepared, Head]:
    """What a network that knows the scene's head would make of it."""
    prepared = prepare(scene.frame, NETWORK, scene.pixel_size_mm, rule)
    coverage = place_mask(scene.head.interior(scene.frame.shape), prepared.geometry)  # type: ignore[arg-type]
    return prepared, find_head(8 * (coverage - 0.5), prepared.geometry, scene.pixel_size_mm)


def check_way_back(geometry: Geometry, seed: int) -> None:
    content, (h, w) = geometry.content, geometry.place.size
    window = geometry.window()
    ends = window.to_frame(np.array([[-0.5, -0.5], [w - 0.5, h - 0.5]]))
    wanted = [[content.left - 0.5, content.top - 0.5], [content.right - 0.5, content.bottom - 0.5]]
    assert np.allclose(ends, wanted, rtol=0, atol=1e-9)
    height, width = content.size
    points = np.random.default_rng(seed).uniform([0, 0], [width, height], (50, 2)) + wanted[0]
    there = (points - wanted[0]) * [w / width, h / height] - 0.5
    assert np.allclose(window.to_frame(there), points, rtol=0, atol=1e-9)


def check_letterbox(geometry: Geometry, pixel_size_mm: tuple[float, float]) -> None:
    """The place is as large as can be, in the middle, and has the content's proportions in mm."""
    place, network = geometry.place, geometry.network
    rooms = [network[0] - place.size[0], network[1] - place.size[1]]
    assert min(rooms) == 0 <= max(rooms) and min(place.size) >= 1
    assert (place.top, place.left) == (rooms[0] // 2, rooms[1] // 2)
    height, width = (n * mm for n, mm in zip(geometry.content.size, reversed(pixel_size_mm), strict=True))
    scale = min(network[0] / height, network[1] / width)
    assert abs(place.size[0] - height * scale) < (0.501 if height * scale > 0.5 else 1)
    assert abs(place.size[1] - width * scale) < (0.501 if width * scale > 0.5 else 1)


@settings(deadline=None)
@given(
    st.tuples(st.integers(32, 16384), st.integers(32, 16384)),
    st.tuples(st.integers(1, 600), st.integers(1, 600)),
    st.floats(0.1, 10),
    st.integers(0, 10**6),
)
def test_points_come_back_exactly_from_frames_of_any_size(
    frame: tuple[int, int], network: tuple[int, int], pixel_ratio: float, seed: int
) -> None:
    even = np.broadcast_to(np.uint8(7), frame)  # needs no memory
    for rule in RESIZE_RULES:
        geometry = find_geometry(even, network, (pixel_ratio, 1.0), rule)
        assert geometry.frame == geometry.content.size == frame
        check_way_back(geometry, seed)
        if rule in (STRETCH, LINEAR):
            assert geometry.place == Box(0, network[0], 0, network[1])
        else:
            check_letterbox(geometry, (pixel_ratio, 1.0))


@settings(deadline=None)
@given(st.sampled_from(sorted(ASPECTS)), st.floats(0.1, 10), MARGINS, LEVELS, st.integers(0, 10**6))
def test_points_come_back_exactly_from_a_content(
    aspect: str, pixel_ratio: float, margins: tuple[int, int, int, int], level: int, seed: int
) -> None:
    scene = draw(ASPECTS[aspect], 1.0, seed, margins, level)
    geometry = find_geometry(scene.frame, NETWORK, (pixel_ratio, 1.0))
    check_letterbox(geometry, (pixel_ratio, 1.0))
    check_way_back(geometry, seed)


@settings(deadline=None)
@given(st.sampled_from(sorted(ASPECTS)), st.floats(0.5, 2), MARGINS, LEVELS, st.integers(0, 10**6))
def test_a_head_keeps_its_circumference_and_its_mask(
    aspect: str, pixel_ratio: float, margins: tuple[int, int, int, int], level: int, seed: int
) -> None:
    scene = draw(ASPECTS[aspect], pixel_ratio, seed, margins, level)
    prepared, head = find(scene)
    _, hc_mm, reason = measure_head(head, prepared, scene.pixel_size_mm)
    assert reason is None and hc_mm == pytest.approx(scene.hc_mm, rel=3e-3)
    assert overlap(head.mask, scene.head.interior(scene.frame.shape))[0] >= 0.995  # type: ignore[arg-type]
    beside = prepared.image.copy()
    beside[prepared.geometry.place.slices] = 0
    assert not beside.any()


@pytest.mark.parametrize("rule", RESIZE_RULES)
@pytest.mark.parametrize("flat", [1.0, 0.75])
def test_shape_is_judged_in_mm(rule: ResizeRule, flat: float) -> None:
    found = []
    for pixel_ratio in (1.0, 1.33, 0.6, 2.0):
        scene = draw(4 / 3 / pixel_ratio, pixel_ratio, seed=4, flat=flat)
        prepared, head = find(scene, rule)
        quality, hc_mm, reason = measure_head(head, prepared, scene.pixel_size_mm)
        assert reason is None and hc_mm == pytest.approx(scene.hc_mm, abs=0.5)
        assert quality.ellipse_residual < 0.005
        found.append((hc_mm, quality.axis_ratio))
    assert np.allclose([ratio for _, ratio in found], flat, rtol=0, atol=0.005)
    assert np.ptp([hc for hc, _ in found]) < 0.5


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_a_real_head_in_wide_pixels_is_measured_as_in_square_ones(hc18: Path, rule: ResizeRule) -> None:
    segmenter, differences = load_shipped(rule), []
    for sample in evenly_spaced(list(read_dataset(hc18).samples.values()), 8):
        frame, size = sample.frame(), sample.pixel_size_mm
        height, width = frame.shape
        narrow = round(width / 1.33)
        wide = np.rint(resize(frame, (height, narrow))).astype(np.uint8)
        square, other = segmenter.examine(frame, size), segmenter.examine(wide, (size * width / narrow, size))
        assert square.verdict.reason is None and other.verdict.reason is None, sample.name
        hc_mm, other_mm = square.verdict.head_circumference_mm, other.verdict.head_circumference_mm
        assert hc_mm is not None and other_mm == pytest.approx(hc_mm, abs=1)  # a cell more of margin moves the network
        differences.append(abs(other_mm - hc_mm))
    assert np.median(differences) < 0.15


@pytest.mark.parametrize("size", [(32, 32), (32, 4000), (4000, 32), (32, 16384), (16384, 33)])
@pytest.mark.parametrize("pixel_size_mm", [(0.2, 0.2), (0.1, 1.0), (1.0, 0.1)])
def test_the_smallest_and_longest_frames_are_taken(size: tuple[int, int], pixel_size_mm: tuple[float, float]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    geometry = find_geometry(frame, NETWORK, pixel_size_mm)
    assert geometry.content == Box(0, size[0], 0, size[1])
    check_letterbox(geometry, pixel_size_mm)
    found = load_shipped(LETTERBOX).measure(frame, pixel_size_mm)
    assert found.mask.shape == size and found.head_circumference_mm is None and found.reason
    assert 0 <= found.quality.border_contact <= 1
    assert ("the frame is too long" in found.reason) == (min(geometry.place.size) < 16)


def test_a_frame_too_long_to_show_a_head_is_refused_whatever_is_found() -> None:
    """A head in mm that is a line in the network's input; the figures of the outline need some pixels of it."""
    speckle = np.random.default_rng(0).integers(40, 200, (1200, 60), dtype=np.uint8)
    reasons = []
    for pixel in ((0.8, 0.8), (1.0, 0.5)):
        scene = Scene(speckle, Ellipse(30.0, 600.0, 40.0, 24.0, 90.0), pixel)
        prepared, head = find(scene)
        reasons.append(measure_head(head, prepared, pixel)[2])
    assert reasons[1] is None
    assert reasons[0] == "no image: the frame is too long (it has 8 network pixels across, at least 16 are needed)"


def test_stretching_takes_the_whole_frame_whatever_it_shows() -> None:
    scene = draw(16 / 9, 1.5, margins=(50, 60, 70, 80))
    prepared = prepare(scene.frame, NETWORK, scene.pixel_size_mm, STRETCH)
    assert prepared.geometry.content.size == scene.frame.shape and prepared.geometry.place.size == NETWORK
    assert np.array_equal(prepared.image, slow_reference.prepare(scene.frame, NETWORK))
