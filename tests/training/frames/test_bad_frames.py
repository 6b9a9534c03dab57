"""Bad frames that show no head: the part of a frame beside it, and a trunk in its place."""

from __future__ import annotations

import numpy as np

from edge_runtime.head.ellipse import Ellipse
from train.data.phantom import make_phantom
from train.frames.bad_frames import make_bad
from train.frames.head_removed import Scene


def scene(seed: int = 0) -> Scene:
    frame, head, _ = make_phantom(seed)
    return Scene(frame, head, make_phantom(seed + 1)[0], [])


def test_what_lies_beside_a_head_shows_none_of_it() -> None:
    for seed in range(12):
        made = scene(seed)
        marked = made.head.interior((540, 800)) * np.uint8(255)
        found = make_bad("beside", Scene(marked, made.head, made.other, []), seed)
        assert found.size and not found.any(), "a part of the head"
        assert min(found.shape) >= 0.18 * 540 and max(found.shape) in (540, 800)


def test_where_there_is_no_room_beside_a_head_there_is_tissue() -> None:
    frame = make_phantom(0)[0]
    filling = Ellipse(399.5, 269.5, 390, 262, 0)
    found = make_bad("beside", Scene(frame, filling, frame, []), 0)
    assert found.shape == frame.shape and not np.array_equal(found, frame)


def test_a_trunk_lies_where_the_head_was_and_has_no_skull() -> None:
    edges, middles = [], []
    for seed in range(12):
        made = scene(seed)
        found = make_bad("trunk", made, seed)
        assert found.shape == made.frame.shape and found.dtype == np.uint8
        changed = found != made.frame
        assert changed[made.head.interior((540, 800))].mean() > 0.5
        x, y = np.rint(made.head.outline(200)).astype(int).T
        edges.append(float(found[y, x].mean()) - float(made.frame[y, x].mean()))
        middles.append(float(found[int(made.head.center_y), int(made.head.center_x)]))
    assert np.mean(edges) < 0, "the skull was brighter"
    assert np.std(middles) > 5, "trunks differ"
