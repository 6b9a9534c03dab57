"""Ellipses: the sub-pixel outline of a field, the least-squares fit, perimeter and rasterization."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_POINTS = 12
"""Minimum number of outline points for a fit. Five determine an ellipse, but do not show whether it fits."""


_ON_A_LINE = 1e-12
"""Points lie on a line if at most this share of their variance is off it. Rounding alone gives less."""


_MOST_TURNS = 40
"""Maximum number of times that the inverse is applied. The heads of HC18 need 5 to 8."""

_STILL = 1e-14
"""A change of a unit vector below this is rounding."""


class EllipseError(ValueError):
    """The points do not determine an ellipse."""


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in image coordinates: x points right, y down, and pixel centres are at integers.

    Attributes:
        center_x: x of the centre, in pixels or in the unit that the ellipse was scaled to.
        center_y: y of the centre.
        semi_major: Longer semi-axis, > 0.
        semi_minor: Shorter semi-axis, > 0.
        angle_deg: Angle from the x axis to the longer axis, towards y (clockwise on a screen), in [0, 180).
    """

    center_x: float
    center_y: float
    semi_major: float
    semi_minor: float
    angle_deg: float

    @property
    def perimeter(self) -> float:
        """Perimeter in the ellipse's unit.

        Ramanujan's second approximation (1914). Its relative error is below 1e-9 if one semi-axis is at most twice
        the other.
        """
        a, b = self.semi_major, self.semi_minor
        h = ((a - b) / (a + b)) ** 2
        return math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))

    def matrix(self) -> NDArray[np.float64]:
        """The (2, 2) matrix M with (p - c)' M (p - c) = 1 on the ellipse."""
        xx, xy, yy = self._form()
        return np.array([[xx, xy], [xy, yy]])

    def _form(self) -> tuple[float, float, float]:
        """The matrix's xx, xy and yy."""
        t = math.radians(self.angle_deg)
        cos, sin, long, short = math.cos(t), math.sin(t), self.semi_major**-2, self.semi_minor**-2
        return long * cos * cos + short * sin * sin, (long - short) * cos * sin, long * sin * sin + short * cos * cos

    def scaled(self, scale_x: float, scale_y: float) -> Ellipse:
        """The ellipse with x and y multiplied, for example by the width and height of a pixel in mm."""
        xx, xy, yy = self._form()
        form = xx / scale_x**2, xy / (scale_x * scale_y), yy / scale_y**2
        return _from_form(self.center_x * scale_x, self.center_y * scale_y, *form)

    def mapped(self, linear: NDArray[np.float64], shift: NDArray[np.float64]) -> Ellipse:
        """The ellipse after an affine map of the plane, exactly: a point p goes to linear @ p + shift.

        Args:
            linear: (2, 2), for columns (x, y). A turn, a shear, a mirror image or a change of scale.
            shift: (2,), x and y.

        Raises:
            EllipseError: ``linear`` flattens the plane to a line or a point, or is not finite.
        """
        inverse = _inverse(linear)
        (xx, xy), (_, yy) = (inverse.T @ self.matrix() @ inverse).tolist()
        x, y = (linear @ [self.center_x, self.center_y] + shift).tolist()
        return _from_form(x, y, xx, xy, yy)

    def radius(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normalized radius of points (N, 2): 1 on the ellipse, less inside it, more outside."""
        xx, xy, yy = self._form()
        x, y = points[:, 0] - self.center_x, points[:, 1] - self.center_y
        return np.asarray(np.sqrt(x * (xx * x + 2 * xy * y) + yy * y * y))

    def interior(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The pixels whose centre lies inside, as bool (H, W)."""
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


def _inverse(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of a (2, 2) matrix; LAPACK would warn of nothing where the determinant is a rounding error."""
    (a, b), (c, d) = linear.tolist()
    determinant = a * d - b * c
    if not (math.isfinite(determinant) and abs(determinant) > _ON_A_LINE * (abs(a * d) + abs(b * c))):
        raise EllipseError(f"the map {linear.tolist()} has no inverse")
    return np.array([[d / determinant, -b / determinant], [-c / determinant, a / determinant]])


def _from_form(center_x: float, center_y: float, xx: float, xy: float, yy: float) -> Ellipse:
    """The ellipse with xx x² + 2 xy x y + yy y² = 1 around its centre, from eigenvalues in closed form."""
    large = (xx + yy) / 2 + math.hypot((xx - yy) / 2, xy)
    determinant = xx * yy - xy * xy
    if not (math.isfinite(large) and large > 0 and determinant > 0):
        raise EllipseError("the conic through the points is not an ellipse")
    angle = math.degrees(math.atan2(-2 * xy, yy - xx) / 2) % 180.0
    # The smaller eigenvalue comes from the determinant: as a difference it would lose digits. -1e-15 % 180 is 180.0.
    return Ellipse(center_x, center_y, math.sqrt(large / determinant), large**-0.5, 0.0 if angle >= 180.0 else angle)


def outline_points(field: NDArray[np.generic], level: float) -> NDArray[np.float64]:
    """Find where a field crosses a level between neighbouring pixel centres, by linear interpolation.

    There are no points along the image border, so a head that extends beyond the frame contributes only its visible
    outline. A binary mask (level 0.5) gives the mid-points between inside and outside pixels. They are unbiased,
    whereas the centres of the outermost inside pixels lie half a pixel too far in.

    Args:
        field: (H, W), any real dtype.
        level: The level.

    Returns:
        (N, 2) float64, columns x and y in pixels.
    """
    width = field.shape[1]
    values = field.reshape(-1)
    inside: NDArray[np.bool_] = np.greater(values, level)
    # Only the values on both sides of a crossing are read. `at` and `under` are flat indices of the left or upper one.
    at = np.flatnonzero(inside[1:] != inside[:-1])
    row, col = np.divmod(at, width)
    if np.maximum.reduce(col, initial=0) == width - 1:  # from the end of a row to the start of the next: not real
        at, row, col = (places[col < width - 1] for places in (at, row, col))
    left, right = values[at].astype(np.float64) - level, values[at + 1].astype(np.float64) - level
    under = np.flatnonzero(inside[width:] != inside[:-width])
    above, below = values[under].astype(np.float64) - level, values[under + width].astype(np.float64) - level
    points = np.empty((len(at) + len(under), 2))
    points[: len(at), 0], points[: len(at), 1] = col + left / (left - right), row
    row, col = np.divmod(under, width)
    points[len(at) :, 0], points[len(at) :, 1] = col, row + above / (above - below)
    return points


def fit_ellipse(points: NDArray[np.float64]) -> Ellipse:
    """Fit an ellipse by direct least squares.

    The method is that of Halir and Flusser, "Numerically stable direct least squares fitting of ellipses", WSCG 1998.

    Args:
        points: (N, 2), columns x and y. N is at least 12.

    Returns:
        The ellipse, in the points' unit.

    Raises:
        EllipseError: There are too few points, or they do not determine an ellipse (if all are on a line, for example).
    """
    if len(points) < MIN_POINTS:
        raise EllipseError(f"there are {len(points)} outline points; at least {MIN_POINTS} are needed")
    xy = np.array(points.T, dtype=np.float64, order="C")
    centre = xy.sum(axis=1) / len(points)
    xy -= centre[:, None]
    scale = float(np.abs(xy).sum()) / (2 * len(points))
    if not math.isfinite(scale) or scale == 0:
        raise EllipseError("the outline points coincide or are not finite")
    terms = np.empty((6, len(points)))  # x², xy, y², x, y, 1
    np.divide(xy, scale, out=terms[3:5])
    terms[5] = 1
    np.multiply(terms[3], terms[3:5], out=terms[:2])
    np.multiply(terms[4], terms[4], out=terms[2])
    # The rest is a few products of 3x3 matrices. Plain Python numbers take a third of NumPy's time for them.
    scatter = (terms @ terms.T).tolist()
    t = _linear_terms(scatter, len(points))
    m = [[s[j] + sum(s[3 + k] * t[k][j] for k in range(3)) for j in range(3)] for s in scatter[:3]]
    discriminant, a, b, c = _positive_conic(m)
    if not discriminant > 1e-12:
        raise EllipseError("the conic through the points is not an ellipse")
    d, e, f = (row[0] * a + row[1] * b + row[2] * c for row in t)
    x, y = (b * e - 2 * c * d) / discriminant, (b * d - 2 * a * e) / discriminant
    level = -(f + (d * x + e * y) / 2) * scale**2
    if level == 0:
        raise EllipseError("the conic through the points is not an ellipse")
    cx, cy = centre.tolist()
    return _from_form(cx + x * scale, cy + y * scale, a / level, b / (2 * level), c / level)


def _positive_conic(m: list[list[float]]) -> tuple[float, float, float, float]:
    """Find the eigenvector (a, b, c) of the 3x3 scatter ``m`` that is an ellipse, and return (4ac - b², a, b, c).

    An ellipse has 4ac - b² above 0. Its eigenvalue is by far the smallest of the three, so applying the inverse a few
    times leaves only this eigenvector. LAPACK is used only if that does not converge: after the network its code is no
    longer in the cache, and then it takes longer than everything else here.
    """
    (p, q, r), (s, t, u), (v, w, x) = m
    adjugate = (
        (t * x - u * w, r * w - q * x, q * u - r * t),
        (u * v - s * x, p * x - r * v, r * s - p * u),
        (s * w - t * v, q * v - p * w, p * t - q * s),
    )
    a, b, c = 1.0, 0.0, 1.0
    for _ in range(_MOST_TURNS):
        # 4ac - b² is (a, b, c) times (2c, -b, 2a)
        turned = [2 * row[0] * c - row[1] * b + 2 * row[2] * a for row in adjugate]
        length = math.hypot(*turned)
        if not length > 0:
            break
        before, (a, b, c) = (a, b, c), (value / length for value in turned)
        if max(abs(a - before[0]), abs(b - before[1]), abs(c - before[2])) < _STILL:
            return 4 * a * c - b * b, a, b, c
    try:
        found = np.linalg.eig([[v / 2 for v in m[2]], [-v for v in m[1]], [v / 2 for v in m[0]]])[1].real
    except np.linalg.LinAlgError as error:
        raise EllipseError("the conic through the points is not an ellipse") from error
    return max((4 * a * c - b * b, a, b, c) for a, b, c in found.T.tolist())


def _linear_terms(scatter: list[list[float]], count: int) -> list[list[float]]:
    """The (3, 3) least-squares matrix from a conic's coefficients of x², xy and y² to those of x, y and 1.

    The points are centred, so the scatter of x, y and 1 consists of [[xx, xy], [xy, yy]] and the number of points.
    """
    xx, xy, yy = scatter[3][3], scatter[3][4], scatter[4][4]
    determinant = xx * yy - xy * xy
    if not determinant > _ON_A_LINE * xx * yy:
        raise EllipseError("the outline points lie on a line")
    x, y, one = scatter[3][:3], scatter[4][:3], scatter[5][:3]
    return [
        [(xy * v - yy * u) / determinant for u, v in zip(x, y, strict=True)],
        [(xy * u - xx * v) / determinant for u, v in zip(x, y, strict=True)],
        [-w / count for w in one],
    ]
