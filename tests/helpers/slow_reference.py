"""The runtime's arithmetic the slow and obvious way, which the quick one is held to: bytes where it says so."""

from __future__ import annotations

import numpy as np

from edge_runtime.frame.geometry import Geometry
from edge_runtime.head.ellipse import Ellipse


def taps(n_in: int, n_out: int) -> tuple[np.ndarray, np.ndarray]:
    scale = n_in / n_out
    if scale > 1:
        start = np.arange(n_out) * scale
        index = np.floor(start).astype(np.intp) + np.arange(int(np.ceil(scale)) + 1)[:, None]
        weight = np.clip(np.minimum(index + 1, start + scale) - np.maximum(index, start), 0, None)
    else:
        centre = (np.arange(n_out) + 0.5) * scale - 0.5
        first = np.floor(centre).astype(np.intp)
        index = first + np.arange(2)[:, None]
        weight = np.stack([1 - (centre - first), centre - first])
    return np.clip(index, 0, n_in - 1), (weight / weight.sum(axis=0)).astype(np.float32)


def resize_rows(values: np.ndarray, n_out: int) -> np.ndarray:
    if len(values) == n_out:
        return values
    index, weight = taps(len(values), n_out)
    out = values[index[0]] * weight[0][:, None]
    for k in range(1, len(index)):
        out += values[index[k]] * weight[k][:, None]
    return out


def resize(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return resize_rows(resize_rows(values.astype(np.float32), size[0]).T, size[1]).T


def read(
    values: np.ndarray, size: tuple[int, int], axes: tuple[tuple[float, float], tuple[float, float]]
) -> np.ndarray:
    """A field at pixels; each axis says where the first sample is and how far apart they are, in pixels."""
    field = values.astype(np.float32)
    for n_out, (start, step) in zip(size, axes, strict=True):
        centre = (np.arange(n_out) - start) / step
        before = np.floor(centre).astype(np.intp)
        weight = np.stack([1 - (centre - before), centre - before])
        weight = (weight / weight.sum(axis=0)).astype(np.float32)
        low, high = (np.clip(before + k, 0, len(field) - 1) for k in (0, 1))
        field = (field[low] * weight[0][:, None] + field[high] * weight[1][:, None]).T
    return field


def even(n_in: int, n_out: int) -> tuple[float, float]:
    """The axis of samples that share the pixels evenly."""
    return 0.5 * n_out / n_in - 0.5, n_out / n_in


def gray(frame: np.ndarray) -> np.ndarray:
    if frame.ndim == 2:
        return frame
    if frame.shape[2] == 1:
        return frame[:, :, 0]
    luma = frame[:, :, :3].astype(np.int64) @ [299, 587, 114]
    return ((luma + 500) // 1000).astype(np.uint8)


def prepare(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The whole frame, stretched."""
    return np.rint(resize(gray(frame), size)).astype(np.uint8)


def letterbox(frame: np.ndarray, size: tuple[int, int], pixel_size_mm: tuple[float, float] = (1, 1)) -> np.ndarray:
    """The frame's content in square pixels, with black beside it."""
    top, bottom, left, right = find_content(gray(frame))
    height, width = (bottom - top) * pixel_size_mm[1], (right - left) * pixel_size_mm[0]
    scale = min(size[0] / height, size[1] / width)
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    above, before = (size[0] - h) // 2, (size[1] - w) // 2
    image = np.zeros(size, np.uint8)
    image[above : above + h, before : before + w] = prepare(gray(frame)[top:bottom, left:right], (h, w))
    return image


def find_content(frame: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is not even, ends exclusive."""
    height, width = frame.shape
    step = max(1, min(height, width) // 128)
    samples = [[int(frame[y, x]) for x in range(0, width, step)] for y in range(0, height, step)]
    lively = lively_cells(samples)
    kept, side = set(), 4 * step
    for group in groups(lively):
        if len(group) * 100 >= (len(samples) // 4) * (len(samples[0]) // 4):
            kept |= group
    if not kept:
        return 0, height, 0, width
    ends = []
    for axis, length in ((0, height), (1, width)):
        first, last = min(cell[axis] for cell in kept), max(cell[axis] for cell in kept)
        end = (last + 2) * side
        ends += [max(0, (first - 1) * side), length if end > length - 2 * side else end]
    small = min(ends[1] - ends[0], ends[3] - ends[2]) < min(32, height, width)
    return (0, height, 0, width) if small else (ends[0], ends[1], ends[2], ends[3])


def lively_cells(samples: list[list[int]]) -> set[tuple[int, int]]:
    """Rows and columns of the cells of 4x4 samples that are not even."""
    ranges = {}
    for row in range(len(samples) // 4):
        for column in range(len(samples[0]) // 4):
            cell = [samples[4 * row + i][4 * column + j] for i in range(4) for j in range(4)]
            ranges[row, column] = max(cell) - min(cell)
    strong = sorted(ranges.values(), reverse=True)[len(ranges) // 10]
    return {cell for cell, value in ranges.items() if value >= max(3, strong // 24)}


def groups(cells: set[tuple[int, int]]) -> list[set[tuple[int, int]]]:
    """Cells that touch, also by a corner."""
    left, found = set(cells), []
    while left:
        todo = [left.pop()]
        found.append(set(todo))
        while todo:
            row, column = todo.pop()
            near = left & {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
            left -= near
            found[-1] |= near
            todo += near
    return found


def to_frame(points: np.ndarray, geometry: Geometry, stride: int = 1) -> np.ndarray:
    """Points (x, y) of the whole output, in pixels of the frame. Their centres are at integers."""
    content, place = geometry.content, geometry.place
    x, y = ((points + 0.5) * stride).T
    x = content.left - 0.5 + (x - place.left) * (content.right - content.left) / (place.right - place.left)
    y = content.top - 0.5 + (y - place.top) * (content.bottom - content.top) / (place.bottom - place.top)
    return np.stack([x, y], axis=1)


def fit_ellipse(points: np.ndarray) -> Ellipse:
    """Halir and Flusser by numpy's solvers alone."""
    centre = points.mean(axis=0)
    spread = np.abs(points - centre).mean()
    x, y = ((points - centre) / spread).T
    quadratic, linear = np.stack([x * x, x * y, y * y], axis=1), np.stack([x, y, np.ones_like(x)], axis=1)
    t = -np.linalg.solve(linear.T @ linear, linear.T @ quadratic)
    m = quadratic.T @ quadratic + quadratic.T @ linear @ t
    vectors = np.linalg.eig(np.stack([m[2] / 2, -m[1], m[0] / 2]))[1].real
    a, b, c = vectors[:, int(np.argmax(4 * vectors[0] * vectors[2] - vectors[1] ** 2))]
    d, e, f = t @ [a, b, c]
    conic = np.array([[a, b / 2], [b / 2, c]])
    middle = np.linalg.solve(2 * conic, [-d, -e])
    values, axes = np.linalg.eigh(conic / -(f + (d * middle[0] + e * middle[1]) / 2) / spread**2)
    cx, cy = centre + middle * spread
    return Ellipse(cx, cy, values[0] ** -0.5, values[1] ** -0.5, np.degrees(np.arctan2(axes[1, 0], axes[0, 0])) % 180)
