"""What find_head makes of logits, quickly, against the slow way: the same pixels, and ellipses up to rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.artifact.golden import golden_frames
from edge_runtime.frame.geometry import RESIZE_RULES, Box, Geometry, ResizeRule
from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.preprocess import Prepared, prepare
from edge_runtime.head.components import likeliest_region
from edge_runtime.head.ellipse import outline_points
from edge_runtime.head.find_head import find_head
from edge_runtime.head.mask import positive_at
from edge_runtime.quality.verdict import judge
from tests.helpers import slow_reference
from tests.helpers.shipped import load_shipped


def smooth(seed: int, shape: tuple[int, int], grain: int) -> np.ndarray:
    """Noise of a grain in pixels: with a coarse one blobs and holes, with 1 speckle."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(max(1, shape[0] // grain), max(1, shape[1] // grain)))
    return slow_reference.resize(coarse, shape) + np.float32(rng.normal(0, 0.5))


FIELDS = st.builds(
    smooth,
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(1, 12),
)


@settings(deadline=None, max_examples=300)
@given(FIELDS, st.integers(1, 300), st.integers(1, 300))
def test_the_mask_has_the_pixels_of_the_interpolated_field(field: np.ndarray, height: int, width: int) -> None:
    axes = slow_reference.even(field.shape[0], height), slow_reference.even(field.shape[1], width)
    assert np.array_equal(positive_at(field, (height, width)), slow_reference.read(field, (height, width), axes) > 0)


@settings(deadline=None, max_examples=300)
@given(
    FIELDS,
    *[st.integers(1, 300)] * 2,
    *[st.floats(0, 1)] * 2,
    *[st.floats(0.3, 14)] * 2,
)
def test_samples_may_lie_anywhere_among_the_pixels(
    field: np.ndarray, height: int, width: int, down: float, across: float, tall: float, wide: float
) -> None:
    """As in a window, the first sample is at most a step from the first pixel."""
    axes = (down * tall, tall), (across * wide, wide)
    assert np.array_equal(
        positive_at(field, (height, width), axes), slow_reference.read(field, (height, width), axes) > 0
    )


@pytest.mark.parametrize("size", [(540, 800), (160, 240), (32, 32), (16384, 240), (40, 16384), (159, 241)])
def test_masks_of_every_frame_size(size: tuple[int, int]) -> None:
    field = smooth(3, (160, 240), 30)
    axes = slow_reference.even(160, size[0]), slow_reference.even(240, size[1])
    assert np.array_equal(positive_at(field, size), slow_reference.read(field, size, axes) > 0)


def check(logits: np.ndarray, geometry: Geometry, threshold: float) -> None:
    head = find_head(logits, geometry, threshold=threshold)
    stride = geometry.network[0] // logits.shape[0]
    content, place = geometry.content, geometry.place
    rows, columns = (
        [k for k in range(n) if low <= (k + 0.5) * stride <= high]
        for n, low, high in zip(logits.shape, (place.top, place.left), (place.bottom, place.right), strict=True)
    )
    corner = np.array([[columns[0], rows[0]]])
    field = logits[np.ix_(rows, columns)] - np.float32(np.log(threshold / (1 - threshold)))
    found = likeliest_region(field)
    region, count = found.region, found.regions
    tiny = np.float32(1e-3)
    field = np.where(region, np.maximum(field, tiny), np.minimum(field, -tiny))
    assert head.regions == count
    mask = np.zeros(geometry.frame, dtype=bool)
    scales = [side / part for side, part in zip(content.size, place.size, strict=True)]
    starts = [(rows[0] + 0.5) * stride - place.top, (columns[0] + 0.5) * stride - place.left]
    down, across = ((start * scale - 0.5, stride * scale) for start, scale in zip(starts, scales, strict=True))
    seen = slow_reference.read(field, content.size, (down, across)) > 0
    mask[content.top : content.bottom, content.left : content.right] = seen
    assert np.array_equal(head.mask, mask)
    assert head.area_fraction == region.mean()
    padded = np.pad(region, 1)
    inner = padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2]
    outer = region & ~inner
    border = np.zeros_like(outer)
    border[[0, -1]] = border[:, [0, -1]] = True
    assert head.border_contact == (outer & border).sum() / max(1, outer.sum())
    ellipse = head.ellipse
    if ellipse is None or ellipse.semi_minor < 0.4 * ellipse.semi_major or ellipse.semi_major > 4 * max(mask.shape):
        return  # no head's shape or size: refused, and its ellipse hangs on the last digits
    slow = slow_reference.fit_ellipse(slow_reference.to_frame(outline_points(field, 0.0) + corner, geometry, stride))
    assert head.ellipse.perimeter == pytest.approx(slow.perimeter, rel=1e-7)
    assert head.ellipse.semi_minor == pytest.approx(slow.semi_minor, rel=1e-7)


@pytest.mark.parametrize("threshold", [0.5, 0.3])
@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_real_images_give_the_slow_ways_head(hc18: Path, threshold: float, rule: ResizeRule) -> None:
    segmenter = load_shipped(rule)
    for path in sorted((hc18 / "training_set").glob("*HC.png"))[::100]:
        frame = read_image(path)
        check(segmenter.logits(frame), prepare(frame, segmenter.size, rule=rule).geometry, threshold)


@settings(deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(2, 40),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 40), st.integers(0, 40)),
)
def test_blobs_holes_and_speckle_give_the_slow_ways_head(
    seed: int, grain: int, size: tuple[int, int], around: tuple[int, int, int, int]
) -> None:
    """Of fields that are a part of the network's output, for contents that are a part of the frame."""
    (h, w), (above, before, top, left) = size, around
    content = Box(top, top + 2 * h + 7, left, left + 3 * w)
    frame, network = (content.bottom + left, content.right + top), (h + 2 * above, w + before)
    place = Box(above, above + h, before, before + w)
    check(smooth(seed, network, grain), Geometry(frame, content, network, place), 0.5)


@settings(deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(2, 20),
    st.tuples(st.integers(4, 160), st.integers(4, 240)),
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_logits_at_a_quarter_give_the_slow_ways_head(
    seed: int, grain: int, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    (h, w), (top, left) = size, corner
    content = Box(top, top + 3 * h + 1, left, left + 4 * w)
    above, before = (160 - h) // 2, (240 - w) // 2
    place = Box(above, above + h, before, before + w)
    geometry = Geometry((content.bottom + left, content.right + top), content, (160, 240), place)
    check(smooth(seed, (40, 60), grain), geometry, 0.5)


def whole(frame: np.ndarray) -> Geometry:
    """Of a frame that is the network's input."""
    box = Box(0, frame.shape[0], 0, frame.shape[1])
    return Geometry(frame.shape, box, frame.shape, box)  # type: ignore[arg-type]


def test_contrast_is_the_standard_deviation() -> None:
    head = find_head(np.full((64, 64), -1, np.float32), whole(np.zeros((64, 64))))
    rng = np.random.default_rng(0)
    frames = [*golden_frames(), np.full((99, 300), 255, np.uint8), rng.integers(0, 256, (300, 257)).astype(np.uint8)]
    for frame in frames:
        deviation = frame[::2, ::2].std()
        assert judge(head, Prepared(frame, whole(frame)), None)[0].contrast == pytest.approx(deviation, abs=1e-6)
        padded = np.pad(frame, ((3, 4), (0, 9)))
        place = Box(3, 3 + frame.shape[0], 0, frame.shape[1])
        geometry = Geometry(padded.shape, place, padded.shape, place)  # type: ignore[arg-type]
        assert judge(head, Prepared(padded, geometry), None)[0].contrast == pytest.approx(deviation, abs=1e-6)
