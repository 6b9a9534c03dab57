"""Ellipses: sub-pixel outline of a field, least-squares fit, perimeter, rasterization."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_POINTS = 12
"""Outline points below which no ellipse is fitted (five determine one; fewer than this say nothing of its fit)."""


class EllipseError(ValueError):
    """The points do not determine an ellipse."""


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in image coordinates: x to the right, y down, pixel centres at integers.

    Attributes:
        center_x: x of the centre, in pixels (or in the unit it was scaled to).
        center_y: y of the centre.
        semi_major: Longer semi-axis, > 0.
        semi_minor: Shorter semi-axis, > 0.
        angle_deg: Direction of the longer axis from the x axis towards y (clockwise on a screen), in [0, 180).
    """

    center_x: float
    center_y: float
    semi_major: float
    semi_minor: float
    angle_deg: float

    @property
    def perimeter(self) -> float:
        """Perimeter in the ellipse's unit.

        Ramanujan's second approximation (1914), off by less than 1e-9 of its value for semi-axes within a factor 2.
        """
        a, b = self.semi_major, self.semi_minor
        h = ((a - b) / (a + b)) ** 2
        return math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))

    def matrix(self) -> NDArray[np.float64]:
        """The (2, 2) matrix M with (p - c)' M (p - c) = 1 on the ellipse."""
        t = math.radians(self.angle_deg)
        axes = np.array([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])
        return np.asarray(axes @ np.diag([self.semi_major**-2, self.semi_minor**-2]) @ axes.T)

    def scaled(self, scale_x: float, scale_y: float) -> Ellipse:
        """The same ellipse with x and y multiplied, e.g. by a pixel's width and height in mm."""
        shrink = np.diag([1 / scale_x, 1 / scale_y])
        return _from_matrix(self.center_x * scale_x, self.center_y * scale_y, shrink @ self.matrix() @ shrink)

    def radius(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normalized radius of points (N, 2): 1 on the ellipse, less inside, more outside."""
        offset = points - np.array([self.center_x, self.center_y])
        return np.asarray(np.sqrt(np.einsum("ni,ij,nj->n", offset, self.matrix(), offset)))

    def interior(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Pixels whose centre lies inside, as bool (H, W)."""
        m = self.matrix()
        x = np.arange(shape[1]) - self.center_x
        y = (np.arange(shape[0]) - self.center_y)[:, None]
        return np.asarray(m[0, 0] * x * x + 2 * m[0, 1] * x * y + m[1, 1] * y * y <= 1)

    def outline(self, count: int = 360) -> NDArray[np.float64]:
        """Points (count, 2) on the ellipse, evenly spaced in its parameter."""
        t = np.linspace(0, 2 * math.pi, count, endpoint=False)
        angle = math.radians(self.angle_deg)
        u, v = self.semi_major * np.cos(t), self.semi_minor * np.sin(t)
        x = self.center_x + u * math.cos(angle) - v * math.sin(angle)
        y = self.center_y + u * math.sin(angle) + v * math.cos(angle)
        return np.stack([x, y], axis=1)


def _from_matrix(center_x: float, center_y: float, matrix: NDArray[np.float64]) -> Ellipse:
    values, vectors = np.linalg.eigh(matrix)
    if not np.all(np.isfinite(values)) or values[0] <= 0:
        raise EllipseError("the conic through the points is not an ellipse")
    angle = math.degrees(math.atan2(vectors[1, 0], vectors[0, 0])) % 180.0
    # -1e-15 % 180 is 180.0 in floating point
    return Ellipse(center_x, center_y, values[0] ** -0.5, values[1] ** -0.5, 0.0 if angle >= 180.0 else angle)


def outline_points(field: NDArray[np.generic], level: float) -> NDArray[np.float64]:
    """Where a field crosses a level between neighbouring pixel centres, by linear interpolation.

    Nothing is found along the image border, so a head that leaves the frame contributes only its visible outline.
    A binary mask (level 0.5) gives the mid-points between inside and outside pixels: unbiased, where the
    centres of the outermost inside pixels would lie half a pixel too far in.

    Args:
        field: (H, W), any real dtype.
        level: The value to find.

    Returns:
        (N, 2) float64, columns x and y in pixels.
    """
    values = field.astype(np.float64) - level
    inside = values > 0
    row, col = np.nonzero(inside[:, 1:] != inside[:, :-1])
    left, right = values[row, col], values[row, col + 1]
    across = np.stack([col + left / (left - right), row.astype(np.float64)], axis=1)
    row, col = np.nonzero(inside[1:] != inside[:-1])
    above, below = values[row, col], values[row + 1, col]
    down = np.stack([col.astype(np.float64), row + above / (above - below)], axis=1)
    return np.concatenate([across, down])


def fit_ellipse(points: NDArray[np.float64]) -> Ellipse:
    """Fit an ellipse by direct least squares.

    Halir and Flusser, "Numerically stable direct least squares fitting of ellipses", WSCG 1998.

    Args:
        points: (N, 2), columns x and y, N at least 12.

    Returns:
        The ellipse, in the points' unit.

    Raises:
        EllipseError: Too few points, or points that determine no ellipse (all on a line, say).
    """
    if len(points) < MIN_POINTS:
        raise EllipseError(f"{len(points)} outline points, at least {MIN_POINTS} are needed")
    centre = points.mean(axis=0)
    spread = float(np.abs(points - centre).mean())
    if not math.isfinite(spread) or spread == 0:
        raise EllipseError("the outline points coincide or are not finite")
    x, y = ((points - centre) / spread).T
    quadratic = np.stack([x * x, x * y, y * y], axis=1)
    linear = np.stack([x, y, np.ones_like(x)], axis=1)
    s1, s2, s3 = quadratic.T @ quadratic, quadratic.T @ linear, linear.T @ linear
    try:
        # column by column: given a matrix, OpenBLAS starts a thread that then spins on a second core for 20 ms
        t = -np.stack([np.linalg.solve(s3, row) for row in s2], axis=1)
        m = s1 + s2 @ t
        vectors = np.linalg.eig(np.stack([m[2] / 2, -m[1], m[0] / 2]))[1].real
    except np.linalg.LinAlgError as error:
        raise EllipseError("the outline points lie on a line") from error
    discriminant = 4 * vectors[0] * vectors[2] - vectors[1] ** 2
    if not np.any(discriminant > 1e-12):
        raise EllipseError("the conic through the points is not an ellipse")
    a, b, c = vectors[:, int(np.argmax(discriminant))]
    d, e, f = t @ np.array([a, b, c])
    conic = np.array([[a, b / 2], [b / 2, c]])
    middle = np.linalg.solve(2 * conic, -np.array([d, e]))
    level = -(f + 0.5 * (d * middle[0] + e * middle[1]))
    if level == 0:
        raise EllipseError("the conic through the points is not an ellipse")
    cx, cy = centre + middle * spread
    return _from_matrix(float(cx), float(cy), conic / level / spread**2)
