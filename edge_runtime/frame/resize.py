"""Resizing: area average if an axis shrinks, linear interpolation if it grows. Every machine gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Taps:
    """For one axis: the K input samples behind each of the n output samples. They are cached, so do not write to them.

    Attributes:
        index: (K, n), the indices of the input samples.
        weight: float32 (K, n), their weights. None is negative, and over K they add up to 1.
        uniform: For each of the K, whether its n weights are equal. Multiplying by one number takes half the time.
    """

    index: NDArray[np.intp]
    weight: NDArray[np.float32]
    uniform: tuple[bool, ...]

    def without_noise(self) -> Taps:
        """Drop a last tap that is only a rounding error (800 to 240 has one). For sums that are rounded to bytes.

        Its weight is below 2**-44, so it adds less than 2**-36 to a sum of bytes. A float32 sum of 2**-11 or more does
        not change by that, and a smaller sum is rounded to 0 either way.
        """
        if len(self.uniform) == 1 or self.weight[-1].max() >= 2.0**-44:
            return self
        return Taps(self.index[:-1], self.weight[:-1], self.uniform[:-1])


# Each size of a content needs two entries, and contents change by whole cells. An entry takes 0.1 ms to compute.
@lru_cache(maxsize=64)
def find_taps(n_in: int, n_out: int, averages: bool = True) -> Taps:
    """The taps that resize an axis from ``n_in`` samples to ``n_out``; a shrinking one linearly unless ``averages``."""
    scale = n_in / n_out
    if averages and scale > 1:  # average over the input interval [i * scale, (i + 1) * scale)
        start = np.arange(n_out) * scale
        first = np.floor(start).astype(np.intp)
        taps = int(np.ceil(scale)) + 1
        index = first + np.arange(taps)[:, None]
        overlap = np.minimum(index + 1, start + scale) - np.maximum(index, start)
        used = (overlap > 0).any(axis=1)
        index, weight = index[used], np.clip(overlap[used], 0, None)
    else:  # linear interpolation between pixel centres
        index, weight = _between((np.arange(n_out) + 0.5) * scale - 0.5)
    return _taps(index, weight, n_in)


@lru_cache(maxsize=64)  # two entries for each size of a content, too
def linear_taps(n_in: int, n_out: int, first: float, step: float) -> Taps:
    """The taps that read an axis of ``n_in`` samples at ``n_out`` pixels, linearly.

    Args:
        n_in: Number of samples.
        n_out: Number of pixels.
        first: Where the first sample lies, in pixels.
        step: Pixels from one sample to the next.
    """
    index, weight = _between((np.arange(n_out) - first) / step)
    return _taps(index, weight, n_in)


def _between(centre: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    before = np.floor(centre).astype(np.intp)
    return before + np.arange(2)[:, None], np.stack([1 - (centre - before), centre - before])


def _taps(index: NDArray[np.intp], weight: NDArray[np.float64], n_in: int) -> Taps:
    rounded = (weight / weight.sum(axis=0)).astype(np.float32)
    index = np.clip(index, 0, n_in - 1)
    index.setflags(write=False)
    rounded.setflags(write=False)
    return Taps(index, rounded, tuple((rounded == rounded[:, :1]).all(axis=1).tolist()))


def blend(
    values: NDArray[np.generic],
    taps: Taps,
    part: slice,
    axis: int,
    out: NDArray[np.float32],
    term: NDArray[np.float32],
    gathered: NDArray[np.generic],
) -> None:
    """Resize along one axis: add up weighted samples in the order of the taps.

    Args:
        values: (H, W), C-contiguous.
        taps: The taps of that axis.
        part: Which output samples to compute.
        axis: 0 or 1.
        out: float32, receives the sums. Its length along ``axis`` is that of ``part``.
        term: float32, working memory of the shape of ``out``.
        gathered: Working memory of the shape of ``out`` and the dtype of ``values``. It may be ``term`` itself.
    """
    for k, uniform in enumerate(taps.uniform):
        weight = taps.weight[k, :1] if uniform else taps.weight[k, part]
        # with the default, mode="raise", it first fills a copy of its output
        np.take(values, taps.index[k, part], axis=axis, out=gathered, mode="clip")
        np.multiply(gathered, weight[:, None] if axis == 0 else weight, out=term if k else out)
        if k:
            np.add(out, term, out=out)


MOST_SAMPLES = 16
"""Samples of a pixel along each axis, at most: the sum of 16 x 16 bytes still fits 16 bits."""


@lru_cache(maxsize=64)
def sample_places(n_in: int, n_out: int) -> NDArray[np.intp]:
    """Where the samples of each output pixel lie along an axis that shrinks or stays.

    Returns:
        (K, n_out), K from 2 to :data:`MOST_SAMPLES`: the factor by which the axis shrinks, rounded. They are the
        pixels that hold the middles of K equal parts of the output pixel.
    """
    count = min(max(2, (2 * n_in + n_out) // (2 * n_out)), MOST_SAMPLES)
    part = np.arange(n_out) * count + np.arange(count)[:, None]
    places = (2 * part + 1) * n_in // (2 * n_out * count)
    places.setflags(write=False)
    return places


def mean_of_samples(
    values: NDArray[np.uint8],
    down: NDArray[np.intp],
    across: NDArray[np.intp],
    gathered: NDArray[np.uint8],
    rows: NDArray[np.uint16],
) -> NDArray[np.uint16]:
    """Shrink a field along both axes: the mean of samples, rounded half up. All arithmetic is of integers.

    Args:
        values: uint8 (H, W), C-contiguous.
        down: (K, h), rows of the samples, from :func:`sample_places`.
        across: (L, w), their columns.
        gathered: Working memory, (h, W).
        rows: Working memory, (h, W).

    Returns:
        uint16 (h, w), a new array of values 0 to 255.
    """
    for k, places in enumerate(down):
        np.take(values, places, axis=0, out=gathered, mode="clip")
        if k:
            np.add(rows, gathered, out=rows)
        else:
            np.copyto(rows, gathered)
    total, term = np.empty((2, len(rows), across.shape[1]), dtype=np.uint16)
    for k, places in enumerate(across):
        np.take(rows, places, axis=1, out=term if k else total, mode="clip")
        if k:
            np.add(total, term, out=total)
    count = len(down) * len(across)
    total += np.uint16(count // 2)
    total //= np.uint16(count)
    return np.asarray(total)


def resize(values: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a 2-D field. Pixel centres are at half-integers, so the field's border stays where it is.

    Args:
        values: (H, W), any real dtype.
        size: The wanted (height, width), in pixels.

    Returns:
        float32 array of shape ``size``.
    """
    field = np.array(values, dtype=np.float32, order="C")
    for axis in (0, 1):
        if field.shape[axis] == size[axis]:
            continue
        shape = (size[0], field.shape[1] if axis == 0 else size[1])
        out, term = np.empty(shape, np.float32), np.empty(shape, np.float32)
        blend(field, find_taps(field.shape[axis], size[axis]), slice(None), axis, out, term, term)
        field = out
    return field
