"""A part of a frame: what is outside it is not looked at, and mask and ellipse are in the frame's own pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_runtime import Box, Frame, InputError, Segmenter, stream
from edge_runtime.frame.geometry import STRETCH, Geometry
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.quality.verdict import leaves_part
from tests.helpers.shipped import load_shipped
from train.data.phantom import make_phantom

FRAME, _, SIZE_MM = make_phantom(0)
PART = Box(60, 60 + FRAME.shape[0], 110, 110 + FRAME.shape[1])


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load()


def framed(fill: np.ndarray | int) -> np.ndarray:
    """The phantom within a larger frame."""
    frame = np.empty((700, 1000), np.uint8)
    frame[:] = fill
    frame[PART.slices] = FRAME
    return frame


NOISE = np.random.default_rng(0).integers(0, 255, (700, 1000), np.uint8)


@pytest.mark.parametrize("fill", [0, 255, NOISE], ids=["black", "white", "noise"])
def test_a_part_is_measured_as_the_same_picture_alone(segmenter: Segmenter, fill: np.ndarray | int) -> None:
    alone, part = segmenter.measure(FRAME, SIZE_MM), segmenter.measure(framed(fill), SIZE_MM, PART)
    assert alone.head_circumference_mm and part.head_circumference_mm == pytest.approx(alone.head_circumference_mm)
    assert part.quality.figures() == pytest.approx(alone.quality.figures())
    assert part.quality.look_distance == alone.quality.look_distance
    assert alone.ellipse and part.ellipse
    assert part.ellipse.center_x == pytest.approx(alone.ellipse.center_x + PART.left)
    assert part.ellipse.center_y == pytest.approx(alone.ellipse.center_y + PART.top)
    assert (part.mask[PART.slices] == alone.mask).all() and part.mask.sum() == alone.mask.sum() > 0


def test_a_network_that_stretches_sees_the_part_alone_too() -> None:
    segmenter = load_shipped(STRETCH)
    alone, part = segmenter.measure(FRAME, SIZE_MM), segmenter.measure(framed(NOISE), SIZE_MM, PART)
    assert (part.mask[PART.slices] == alone.mask).all() and part.mask.sum() == alone.mask.sum()


@pytest.mark.parametrize(
    "part",
    [
        Box(0, 541, 0, 800), Box(0, 540, 0, 801), Box(-1, 540, 0, 800), Box(0, 540, -1, 800), Box(100, 90, 0, 800),
        Box(0, 540, 5, 5), Box(0, 31, 0, 800), Box(0, 540, 0, 31),
    ],
)  # fmt: skip
def test_a_part_that_is_not_in_the_frame_or_too_small_is_refused(segmenter: Segmenter, part: Box) -> None:
    with pytest.raises(InputError, match=r"of 540 x 800 pixels .* must lie in the frame"):
        segmenter.measure(FRAME, SIZE_MM, part)


def test_an_outline_may_leave_the_frame_but_not_its_part() -> None:
    whole = Box(0, 400, 0, 600)
    geometry = Geometry((400, 600), whole, (160, 240), whole, part=Box(0, 400, 0, 300))
    inside, outside = Ellipse(150, 100, 120, 80, 0), Ellipse(200, 200, 120, 80, 0)
    beyond_the_frame = Ellipse(130, 60, 100, 80, 90)  # above its upper border, where nothing is
    assert not leaves_part(inside, geometry) and not leaves_part(beyond_the_frame, geometry)
    assert leaves_part(outside, geometry)
    assert leaves_part(Ellipse(150, 200, 150.2, 80, 0), geometry)  # by a part of a pixel
    assert not leaves_part(outside, replace(geometry, part=None))


def test_a_head_that_goes_on_outside_the_part_has_no_number(segmenter: Segmenter) -> None:
    whole = segmenter.measure(FRAME, SIZE_MM)
    assert whole.ellipse
    cut = Box(0, 540, 0, int(whole.ellipse.center_x + 0.8 * whole.ellipse.semi_minor))
    result = segmenter.measure(FRAME, SIZE_MM, cut)
    assert result.head_circumference_mm is None and result.ellipse is None
    assert result.reason == "the outline leaves the part of the frame that is measured"


def test_a_streams_frames_bring_their_own_part_and_their_doubts(segmenter: Segmenter) -> None:
    frames = [Frame(framed(255), SIZE_MM, PART), Frame(framed(255), None, PART, doubt="nobody knows the scale")]
    for frame in frames:  # one by one: a stream drops what it has no time for
        with stream(segmenter, [frame], deadline_ms=1e6) as results:
            (result,) = results
        assert result.measurement and result.measurement.mask.shape == (700, 1000)
        alone = segmenter.measure(FRAME, SIZE_MM)
        assert (result.measurement.mask[PART.slices] == alone.mask).all()
        if frame.doubt:
            assert (result.head_circumference_mm, result.reason) == (None, frame.doubt)
        else:
            assert result.head_circumference_mm == pytest.approx(alone.head_circumference_mm)
