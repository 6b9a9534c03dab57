"""How a frame looks, apart from what it shows: its grain, brightness and contrast, and the distance from known looks.

A number is only as good as the images that it was validated on. This distance says whether a frame looks like them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.greys import Greys, greys_of

FIGURES = ("fine", "coarse", "brightness", "spread", "bright_tail", "dark_tail", "dark")
"""Names of the figures, in the order of :func:`look_figures`."""

_DARK = 6
"""A pixel up to this grey level is dark: beside the sector, in fluid or in a shadow."""


def look_figures(greys: Greys, fine_x: float, fine_y: float) -> NDArray[np.float64]:
    """Describe how a frame looks.

    Args:
        greys: The grey levels of the frame's content in the network's input.
        fine_x: Fineness of the grain along x, as in :class:`edge_runtime.quality.evidence.Evidence`.
        fine_y: The same along y.

    Returns:
        float64 (7,): the fineness in the finer and in the coarser of the two directions; then, of the grey levels, the
        logarithm of the mean grey level of those that are not dark, their standard deviation over
        their mean, the logarithms of the ratios of their 95th to their 50th and of their 50th to their 25th
        percentile, and the share of dark pixels.
    """
    count = greys.count.copy()
    count[: _DARK + 1] = 0
    lit = greys_of(count)
    n_dark = greys.total - lit.total
    if not lit.total:
        lit = greys
    total = lit.total
    low, middle, high = np.searchsorted(np.cumsum(lit.count), (0.25 * total, 0.5 * total, 0.95 * total)).tolist()
    return np.array(
        [
            max(fine_x, fine_y),
            min(fine_x, fine_y),
            math.log(lit.mean + 1),
            lit.deviation / (lit.mean + 1),
            math.log((high + 4) / (middle + 4)),
            math.log((middle + 4) / (low + 4)),
            n_dark / greys.total,
        ]
    )


@dataclass(frozen=True)
class KnownLook:
    """The look of the images that a model was validated on.

    Attributes:
        centre: (7,) mean of each figure.
        whitening: (7, 7), lower triangular: its product with a difference from the centre has unit variance.
        most: Distance up to which a frame looks like these images.
    """

    centre: tuple[float, ...]
    whitening: tuple[tuple[float, ...], ...]
    most: float

    def distance(self, figures: Sequence[float] | NDArray[np.float64]) -> float:
        """Distance of a frame's figures from the known look: the root mean square of the whitened differences.

        Frames of the known look have a distance of about 1 (Mahalanobis, "On the generalized distance in statistics",
        1936, divided by the root of the number of figures).
        """
        difference = np.asarray(figures) - np.array(self.centre)
        whitened = np.array(self.whitening) @ difference
        return math.sqrt(float(whitened @ whitened) / len(difference))
