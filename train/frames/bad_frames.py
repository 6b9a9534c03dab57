"""Make frames that must not be measured, from a seed. The limits are calibrated and tested on them.

Frames whose head can still be measured (turned, mirrored, darker, slightly cropped) do not belong here;
:mod:`train.frames.looks` makes those. This needs numpy and Pillow. Photographs come from installed packages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_runtime.frame.preprocess import MIN_FRAME_SIDE
from edge_runtime.frame.resize import resize
from train.frames import no_frames
from train.frames.head_removed import Scene, beside, extent, tissue, trunk
from train.frames.no_frames import Frame, Random, to_bytes


@dataclass(frozen=True)
class Kind:
    """A kind of bad frame.

    Attributes:
        why: What is wrong with the frame, so that no head can be measured in it.
        make: Makes a frame from a scene and a random generator.
    """

    why: str
    make: Callable[[Scene, Random], Frame]


def _drawn(draw: Callable[[tuple[int, int], Random], Frame]) -> Callable[[Scene, Random], Frame]:
    return lambda scene, rng: draw((scene.frame.shape[0], scene.frame.shape[1]), rng)


def _cut(scene: Scene, rng: Random) -> tuple[slice, slice]:
    """The rows and columns on one side of a line along an axis, with 40 to 60% of the head's extent cut off."""
    height, width = scene.frame.shape
    reach = 1 - 2 * rng.uniform(0.4, 0.6)
    half_width, half_height = extent(scene.head)
    side = rng.integers(4)
    if side < 2:
        at = scene.head.center_x + (1 if side else -1) * reach * half_width
        at = int(np.clip(at, MIN_FRAME_SIDE, width - MIN_FRAME_SIDE))
        return slice(None), slice(0, at) if side else slice(at, width)
    at = scene.head.center_y + (1 if side == 3 else -1) * reach * half_height
    at = int(np.clip(at, MIN_FRAME_SIDE, height - MIN_FRAME_SIDE))
    return slice(0, at) if side == 3 else slice(at, height), slice(None)


def _half_cropped(scene: Scene, rng: Random) -> Frame:
    rows, columns = _cut(scene, rng)
    return np.ascontiguousarray(scene.frame[rows, columns])


def _half_shifted(scene: Scene, rng: Random) -> Frame:
    """Cut off half of the head, and place the rest in a frame of the original size that is otherwise one grey level."""
    kept = _half_cropped(scene, rng)
    out = np.full(scene.frame.shape, rng.choice([0, 0, 0, int(rng.integers(0, 256))]), dtype=np.uint8)
    rows, columns = _cut_place(kept, scene.frame.shape, rng)
    out[rows, columns] = kept
    return out


def _cut_place(kept: Frame, shape: tuple[int, ...], rng: Random) -> tuple[slice, slice]:
    free = [shape[0] - kept.shape[0], shape[1] - kept.shape[1]]
    top, left = (int(rng.choice([0, room // 2, room])) for room in free)
    return slice(top, top + kept.shape[0]), slice(left, left + kept.shape[1])


def _half_zoomed(scene: Scene, rng: Random) -> Frame:
    """Cut off half of the head, and crop the other axis, too, so that the frame keeps its proportions."""
    rows, columns = _cut(scene, rng)
    kept = scene.frame[rows, columns]
    share = min(kept.shape[0] / scene.frame.shape[0], kept.shape[1] / scene.frame.shape[1])
    height, width = (max(MIN_FRAME_SIDE, int(share * n)) for n in scene.frame.shape)
    top = int(np.clip(scene.head.center_y - height / 2, 0, max(0, kept.shape[0] - height)))
    left = int(np.clip(scene.head.center_x - width / 2, 0, max(0, kept.shape[1] - width)))
    return np.ascontiguousarray(kept[top : top + height, left : left + width])


def _inside(scene: Scene, rng: Random) -> Frame:
    """Crop a part inside the skull."""
    half_width, half_height = (rng.uniform(0.35, 0.65) * v for v in extent(scene.head))
    x, y = scene.head.center_x, scene.head.center_y
    height, width = scene.frame.shape
    top, bottom = (int(np.clip(v, 0, height)) for v in (y - half_height, y + half_height))
    left, right = (int(np.clip(v, 0, width)) for v in (x - half_width, x + half_width))
    crop = scene.frame[top:bottom, left:right]
    return to_bytes(resize(crop, (max(MIN_FRAME_SIDE, 2 * crop.shape[0]), max(MIN_FRAME_SIDE, 2 * crop.shape[1]))))


def _tiles(scene: Scene, rng: Random) -> Frame:
    """Cut into tiles and shuffle them; sometimes mirror some, too.

    At least one side of the tiles is shorter than the head's minor semi-axis.
    """
    fewest = _fewest(scene)
    down, across = (int(n) for n in rng.integers(2, 9, 2))
    if down < fewest[0] and across < fewest[1]:
        down, across = fewest
    height, width = scene.frame.shape[0] // down, scene.frame.shape[1] // across
    out = np.zeros((height * down, width * across), dtype=np.uint8)
    mirror = rng.random() < 0.3
    for place, source in enumerate(_derangement(down * across, rng)):
        (i, j), (k, m) = divmod(place, across), divmod(source, across)
        tile = scene.frame[k * height : (k + 1) * height, m * width : (m + 1) * width]
        if mirror and rng.random() < 0.5:
            tile = tile[:, ::-1]
        out[i * height : (i + 1) * height, j * width : (j + 1) * width] = tile
    return out


def _derangement(count: int, rng: Random) -> list[int]:
    """A random order of 0 to count - 1 in which at least three quarters have moved."""
    while True:
        order = rng.permutation(count)
        if np.mean(order != np.arange(count)) >= 0.75:
            return [int(n) for n in order]


def _fewest(scene: Scene) -> tuple[int, int]:
    """Minimum number of parts down and across for which each part is shorter than the head's minor semi-axis."""
    down, across = (int(np.ceil(n / scene.head.semi_minor)) for n in scene.frame.shape)
    return max(3, down), max(3, across)


def _strips(scene: Scene, rng: Random) -> Frame:
    """Cut into strips narrower than the head's minor semi-axis, and shuffle them or shift each along itself."""
    down = int(rng.integers(2))
    frame = scene.frame if down else scene.frame.T
    fewest = _fewest(scene)[0 if down else 1]
    parts = np.array_split(frame, int(rng.integers(fewest, 2 * fewest + 12)))
    if rng.random() < 0.5:
        parts = [parts[n] for n in _derangement(len(parts), rng)]
    else:
        parts = [np.roll(part, int(rng.uniform(0.15, 0.85) * part.shape[1]), axis=1) for part in parts]
    out = np.concatenate(parts)
    return np.ascontiguousarray(out if out.shape == scene.frame.shape else out.T)


def _halves(scene: Scene, rng: Random) -> Frame:
    """Cut through the head and swap the halves, or replace one half by that of another frame."""
    height, width = scene.frame.shape
    if rng.random() < 0.6:
        along = int(rng.integers(2))
        by = height // 2 - round(scene.head.center_y), width // 2 - round(scene.head.center_x)
        centred = np.roll(scene.frame, by[along], axis=along)
        return np.roll(centred, int(rng.uniform(0.4, 0.6) * (height, width)[along]), axis=along)
    out = scene.frame.copy()
    rows, columns = _cut(scene, rng)
    other = to_bytes(resize(scene.other, (height, width)))
    out[rows, columns] = other[rows, columns]
    return out


def _photograph(scene: Scene, rng: Random) -> Frame:
    """A random part of a photograph, mirrored at random."""
    photograph = scene.photographs[int(rng.integers(len(scene.photographs)))]
    height, width = photograph.shape
    share = rng.uniform(0.45, 1)
    h, w = max(MIN_FRAME_SIDE, int(share * height)), max(MIN_FRAME_SIDE, int(share * rng.uniform(0.7, 1) * width))
    top, left = int(rng.integers(0, max(1, height - h + 1))), int(rng.integers(0, max(1, width - w + 1)))
    part = photograph[top : top + h, left : left + w]
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


def _cover(scene: Scene, rng: Random, fill: Callable[[], Frame]) -> Frame:
    """Put rectangles over the frame until 55 to 95% of the head's outline are hidden."""
    height, width = scene.frame.shape
    hidden = np.zeros((height, width), dtype=bool)
    outline = np.clip(np.rint(scene.head.outline(200)), 0, [width - 1, height - 1]).astype(int)
    x, y = outline.T
    wanted = rng.uniform(0.55, 0.95)
    reach_x, reach_y = extent(scene.head)
    while hidden[y, x].mean() < wanted:
        at = (
            outline[int(rng.integers(len(outline)))]
            if rng.random() < 0.7
            else (scene.head.center_x, scene.head.center_y)
        )
        half_w, half_h = rng.uniform(0.2, 1.0) * reach_x, rng.uniform(0.2, 1.0) * reach_y
        top, left = max(0, int(at[1] - half_h)), max(0, int(at[0] - half_w))
        hidden[top : int(at[1] + half_h) + 1, left : int(at[0] + half_w) + 1] = True
    return np.where(hidden, fill(), scene.frame).astype(np.uint8)


def _boxes(scene: Scene, rng: Random) -> Frame:
    level = rng.choice([0, 255, int(rng.integers(0, 256))])
    return _cover(scene, rng, lambda: np.full(scene.frame.shape, level, dtype=np.uint8))


def _menus(scene: Scene, rng: Random) -> Frame:
    """Put almost opaque menus and pictures over the head."""
    size = (scene.frame.shape[0], scene.frame.shape[1])

    def fill() -> Frame:
        if rng.random() < 0.6:
            return no_frames.text(size, rng)
        return to_bytes(resize(_photograph(scene, rng), size))

    alpha = rng.uniform(0.92, 1.0)
    covered = _cover(scene, rng, fill)
    return to_bytes(alpha * covered.astype(np.float32) + (1 - alpha) * scene.frame)


def _shifted(frame: Frame, dy: int, dx: int) -> Frame:
    """Shift a frame, repeating its border pixels."""
    rows = np.clip(np.arange(frame.shape[0]) + dy, 0, frame.shape[0] - 1)
    columns = np.clip(np.arange(frame.shape[1]) + dx, 0, frame.shape[1] - 1)
    return frame[rows][:, columns]


def _smear(scene: Scene, rng: Random) -> Frame:
    """Average along a line, which makes the outline as wide as the line is long.

    The length is 0.35 to 1.6 of the head's minor semi-axis.
    """
    length = rng.uniform(0.35, 1.6) * scene.head.semi_minor
    angle = rng.uniform(0, np.pi)
    out = scene.frame.astype(np.float32)
    step = length / 2
    while step >= 0.5:  # n steps give a box filter with 2 ** n taps
        out = 0.5 * (out + _shifted(out, round(step * np.sin(angle)), round(step * np.cos(angle))))  # type: ignore[arg-type]
        step /= 2
    return to_bytes(np.rint(out))


def _ghosts(scene: Scene, rng: Random) -> Frame:
    """Average the frame and two to four copies of it, each shifted by at least half the head's minor semi-axis."""
    out = scene.frame.astype(np.float32)
    count = int(rng.integers(2, 5))
    for _ in range(count):
        far, angle = rng.uniform(0.5, 1.5) * scene.head.semi_minor, rng.uniform(0, 2 * np.pi)
        out += _shifted(scene.frame, round(far * np.sin(angle)), round(far * np.cos(angle)))
    return to_bytes(out / (count + 1))


def _lost_sync(scene: Scene, rng: Random) -> Frame:
    """Shift rows sideways, singly or in waves. The maximum is 0.5 to 1.2 of the head's minor semi-axis."""
    height, width = scene.frame.shape
    size = rng.uniform(0.5, 1.2) * scene.head.semi_minor
    cells = int(rng.choice([height, height // 4, 24, 12]))
    offsets = resize(rng.uniform(-1, 1, (cells, 1)), (height, 1))[:, 0] * size
    columns = (np.arange(width) + np.rint(offsets).astype(int)[:, None]) % width
    return np.take_along_axis(scene.frame, columns, axis=1)


def _mosaic(scene: Scene, rng: Random) -> Frame:
    """Reduce the frame to blocks of 0.4 to 0.9 of the head's minor semi-axis."""
    height, width = scene.frame.shape
    block = int(rng.uniform(0.4, 0.9) * scene.head.semi_minor)
    cells = resize(scene.frame, (max(2, height // block), max(2, width // block)))
    rows, columns = (np.arange(n) * m // n for n, m in ((height, cells.shape[0]), (width, cells.shape[1])))
    return to_bytes(cells[rows][:, columns])


KINDS: dict[str, Kind] = {
    "flat": Kind("almost a single grey level", _drawn(no_frames.flat)),
    "ramp": Kind("a smooth gradient", _drawn(no_frames.ramp)),
    "noise": Kind("noise", _drawn(no_frames.noise)),
    "clouds": Kind("smooth random shades", _drawn(no_frames.clouds)),
    "speckle": Kind("ultrasound speckle without a head", _drawn(no_frames.speckle)),
    "air": Kind("a probe in the air", _drawn(no_frames.air)),
    "text": Kind("a screen of text", _drawn(no_frames.text)),
    "pattern": Kind("a monitor's test pattern", _drawn(no_frames.pattern)),
    "photograph": Kind("a photograph", _photograph),
    "half-cropped": Kind("40 to 60% of the head cropped away", _half_cropped),
    "half-shifted": Kind("40 to 60% of the head beyond the image's edge", _half_shifted),
    "half-zoomed": Kind("magnified, with 40 to 60% of the head outside the frame", _half_zoomed),
    "inside": Kind("a part inside the skull, without an outline", _inside),
    "tiles": Kind("cut into tiles and shuffled", _tiles),
    "strips": Kind("cut into strips, which are shuffled or shifted", _strips),
    "halves": Kind("cut through the head, with the halves joined wrongly", _halves),
    "tissue": Kind("tissue around a head, without the head", tissue),
    "beside": Kind("the part of a frame beside the head", beside),
    "trunk": Kind("a trunk in the head's place, without a skull", trunk),
    "boxes": Kind("at least 55% of the outline covered by boxes", _boxes),
    "menus": Kind("at least 55% of the outline covered by menus and pictures", _menus),
    "smear": Kind("moved by at least a third of the head's minor semi-axis during the exposure", _smear),
    "ghosts": Kind("three to five positions of the head in one frame", _ghosts),
    "lost-sync": Kind("rows shifted sideways", _lost_sync),
    "mosaic": Kind("blocks too coarse to show an outline", _mosaic),
}  # fmt: skip
"""Kinds of bad frames, by name."""


def make_bad(kind: str, scene: Scene, seed: int) -> Frame:
    """Make one bad frame.

    Args:
        kind: One of :data:`KINDS`.
        scene: The material that it is made from.
        seed: The same scene and seed give the same frame.

    Returns:
        uint8 (H, W), each side at least 32 pixels.
    """
    return KINDS[kind].make(scene, np.random.default_rng([seed, *kind.encode()]))
