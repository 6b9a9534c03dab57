"""The runtime's arithmetic the slow and obvious way, which the quick one is held to: bytes where it says so."""

from __future__ import annotations

import numpy as np

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


def gray(frame: np.ndarray) -> np.ndarray:
    if frame.ndim == 2:
        return frame
    if frame.shape[2] == 1:
        return frame[:, :, 0]
    luma = frame[:, :, :3].astype(np.int64) @ [299, 587, 114]
    return ((luma + 500) // 1000).astype(np.uint8)


def prepare(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.rint(resize(gray(frame), size)).astype(np.uint8)


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
