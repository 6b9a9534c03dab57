"""What of a frame is content: all that could be a head, and neither even margins nor what is written in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from edge_runtime.frame.geometry import Box, find_content
from edge_runtime.head.ellipse import Ellipse
from tests.helpers import slow_reference
from tests.helpers.drawn_head import ASPECTS, draw
from train.data.hc18 import read_dataset
from train.data.phantom import make_phantom
from train.data.splits import evenly_spaced

MARGINS = st.tuples(*[st.integers(0, 150)] * 4)
LEVELS = st.sampled_from([0, 128, 255])


def visible(head: Ellipse, shape: tuple[int, ...]) -> np.ndarray:
    """Those points of an ellipse that lie in the frame, (N, 2)."""
    points = head.outline(720)
    inside = (points > -0.5) & (points < [shape[1] - 0.5, shape[0] - 0.5])
    return points[inside.all(axis=1)]


def holds(content: Box, points: np.ndarray) -> bool:
    low, high = (content.left - 0.5, content.top - 0.5), (content.right - 0.5, content.bottom - 0.5)
    return bool(((points >= low) & (points <= high)).all())


def largest_step(a: Box, b: Box) -> int:
    """Largest difference between two boxes' sides, in pixels."""
    return max(abs(getattr(a, side) - getattr(b, side)) for side in ("top", "bottom", "left", "right"))


def cell(frame: np.ndarray) -> int:
    """Side of the cells in which the content is searched, in pixels."""
    return 4 * max(1, min(frame.shape) // 128)


@settings(deadline=None)
@given(st.sampled_from(sorted(ASPECTS)), MARGINS, LEVELS)
def test_little_is_left_of_even_margins(aspect: str, margins: tuple[int, int, int, int], level: int) -> None:
    scene = draw(ASPECTS[aspect], margins=margins, level=level)
    content = find_content(scene.frame)
    above, below, left, right = margins
    height, width = scene.frame.shape
    image, most = Box(above, height - below, left, width - right), 4 * cell(scene.frame)
    assert holds(content, np.array([[image.left, image.top], [image.right - 1, image.bottom - 1]]))
    assert largest_step(content, image) < most  # what is left of the margins: a part, a cell, and a sliver


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("size", [(540, 800), (32, 32), (33, 4000)])
def test_an_even_frame_is_all_content(level: int, size: tuple[int, int]) -> None:
    assert find_content(np.full(size, level, np.uint8)) == Box(0, size[0], 0, size[1])


Mark = Callable[[ImageDraw.ImageDraw, tuple[int, int]], object]


def write(text: str, x: int, y: int, points: int) -> Mark:
    return lambda pen, size: pen.text((x % size[0], y % size[1]), text, fill=255, font=ImageFont.load_default(points))


def rule_down(x: int, every: int) -> Mark:
    """A vertical ruler: a line with ticks. The search reads every sixth column, and ``x`` is one of them."""

    def draw_ruler(pen: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
        pen.line((x, 60, x, size[1] - 60), fill=200)
        for y in range(60, size[1] - 60, every):
            pen.line((x, y, x + 9, y), fill=200)

    return draw_ruler


def grey_bar(pen: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    for y in range(200, 500):
        pen.line((30, y, 54, y), fill=(500 - y) * 255 // 300)


def specks(pen: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    for x, y in np.random.default_rng(0).integers(0, [size[0], 80], (60, 2)).tolist():
        pen.point((x, y), fill=255)


MARKS: dict[str, Mark] = {
    "a small line": write("HOSPITAL  Patient 0123456  GA 23w4d  MI 0.9  TIs 0.1", 10, 20, 12),
    "a large line": write("HOSPITAL  Patient 0123456  GA 23w4d  MI 0.9  TIs 0.1", 10, 20, 26),
    "a line below": write("HC 23.1 cm   BPD 6.2 cm", 10, -40, 26),
    "loose lines": lambda pen, size: [write(f"Gn {k}", 10, 200 + 60 * k, 20)(pen, size) for k in range(8)],
    "a focus mark": lambda pen, size: pen.polygon([(1120, 300), (1150, 285), (1150, 315)], fill=255),
    "specks": specks,
}


@pytest.mark.parametrize("mark", MARKS)
def test_marks_in_the_margin_do_not_widen_the_content(mark: str) -> None:
    frame = np.pad(make_phantom(3)[0], ((150, 150), (200, 200)))
    picture = Image.fromarray(frame)
    MARKS[mark](ImageDraw.Draw(picture), picture.size)
    marked = np.asarray(picture)
    assert not np.array_equal(marked, frame)
    assert find_content(marked) == find_content(frame) != Box(0, 840, 0, 1200)


LARGE_MARKS: dict[str, Mark] = {
    "a ruler": rule_down(1140, 20),
    "a grey bar": grey_bar,
    "a thin frame": lambda pen, size: pen.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=120),
}


@pytest.mark.parametrize("mark", LARGE_MARKS)
def test_a_large_mark_widens_the_content_and_cuts_nothing(mark: str) -> None:
    """By its size alone it could be an arc of a skull in a dark frame."""
    frame = np.pad(make_phantom(3)[0], ((150, 150), (200, 200)))
    picture = Image.fromarray(frame)
    LARGE_MARKS[mark](ImageDraw.Draw(picture), picture.size)
    before, after = find_content(frame), find_content(np.asarray(picture))
    assert after.top <= before.top and after.bottom >= before.bottom
    assert after.left <= before.left and after.right >= before.right


@settings(deadline=None)
@given(st.integers(0, 30), st.floats(-0.4, 1), st.floats(-0.4, 1), st.integers(0, 40), LEVELS)
def test_a_head_in_a_corner_is_never_cut(seed: int, x: float, y: float, around: int, level: int) -> None:
    """A phantom's head with a little of what is around it, anywhere in an even frame or half out of it."""
    image, head, _ = make_phantom(seed, (270, 400))
    points = head.outline(720)
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - around, 0)
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + around
    cut = image[top:bottom, left:right]
    frame = np.full((image.shape[0] + 2 * cut.shape[0], image.shape[1] + 2 * cut.shape[1]), level, np.uint8)
    free_y, free_x = image.shape[0] - cut.shape[0], image.shape[1] - cut.shape[1]
    to_y = cut.shape[0] + round(y * (free_y if y > 0 else cut.shape[0]))
    to_x = cut.shape[1] + round(x * (free_x if x > 0 else cut.shape[1]))
    frame[to_y : to_y + cut.shape[0], to_x : to_x + cut.shape[1]] = cut
    frame = frame[cut.shape[0] : -cut.shape[0], cut.shape[1] : -cut.shape[1]]
    dx, dy = to_x - cut.shape[1] - left, to_y - cut.shape[0] - top
    moved = replace(head, center_x=head.center_x + float(dx), center_y=head.center_y + float(dy))
    assert holds(find_content(frame), visible(moved, frame.shape))


def test_no_annotated_head_of_hc18_is_cut(hc18: Path) -> None:
    samples = evenly_spaced(list(read_dataset(hc18).samples.values()), 60)
    contents = []
    for sample in samples:
        frame = sample.frame()
        contents.append(find_content(frame))
        assert holds(contents[-1], visible(sample.ellipse(), frame.shape)), sample.name
    assert sum(content.size != (540, 800) for content in contents) > 3


@pytest.mark.parametrize("seed", range(8))
def test_gain_does_not_matter(seed: int) -> None:
    frame = np.pad(make_phantom(seed)[0], ((40, 90), (130, 20)))
    for gain in (0.25, 0.5):
        assert largest_step(find_content((frame * gain).astype(np.uint8)), find_content(frame)) <= cell(frame)


@st.composite
def patchworks(pick: st.DrawFn) -> np.ndarray:
    """Even frames with patches of noise of all sizes and strengths, and a few specks."""
    rng = np.random.default_rng(pick(st.integers(0, 10**6)))
    shape = pick(st.tuples(st.integers(32, 420), st.integers(32, 420)))
    frame = np.full(shape, pick(LEVELS))
    for _ in range(pick(st.integers(0, 5))):
        size = [int(n * rng.uniform(0.02, 0.8) ** 2) + 1 for n in shape]
        top, left = (int(rng.integers(0, n - s + 1)) for n, s in zip(shape, size, strict=True))
        patch = rng.integers(0, int(rng.integers(2, 200)), size)
        frame[top : top + size[0], left : left + size[1]] = patch
    frame.flat[rng.integers(0, frame.size, pick(st.integers(0, 30)))] = 200
    return frame.astype(np.uint8)


@settings(deadline=None, max_examples=200)
@given(patchworks())
def test_the_content_is_the_slow_references(frame: np.ndarray) -> None:
    found = find_content(frame)
    assert (found.top, found.bottom, found.left, found.right) == slow_reference.find_content(frame)
