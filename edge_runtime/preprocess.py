"""From a scanner's frame to the network's input, the one definition used in training, calibration and on the device.

Everything here is element-wise float32 in a fixed order, so the same frame gives the same bytes on every machine.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError

RESIZE_RULE = "area-stretch"
"""Name of the rule below in manifests: each axis on its own, averaged down by area or interpolated up linearly."""

MIN_FRAME_SIDE = 32
"""Pixels. Below this a head spans too few pixels to be measured."""

MAX_FRAME_SIDE = 16384
"""Pixels. Above this the frame is taken for a mistake rather than an image."""

# ITU-R BT.601 luma in thousandths: integer, so equal channels give exactly their own value.
_LUMA = (299, 587, 114)


def check_frame(frame: object) -> NDArray[np.uint8]:
    """Check that an object is a frame the runtime takes.

    Args:
        frame: uint8 array, (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, each side 32 to 16384 pixels.

    Returns:
        The same array; of a subclass, whose operators may mean something else, its plain numpy view.

    Raises:
        InputError: Not an array, another dtype, another number of axes or channels, or a side out of range.
    """
    if not isinstance(frame, np.ndarray):
        raise InputError(f"A frame is a numpy array, not {type(frame).__name__}. Convert it with numpy.asarray(frame).")
    if frame.dtype != np.uint8:
        raise InputError(
            f"A frame has dtype uint8 (0 to 255), not {frame.dtype}. Scale it to 8 bits the way your display does; "
            "how to scale it is not guessed here, since it changes what the network sees."
        )
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (1, 3, 4)):
        raise InputError(f"A frame has shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {frame.shape}.")
    height, width = frame.shape[:2]
    if min(height, width) < MIN_FRAME_SIDE or max(height, width) > MAX_FRAME_SIDE:
        raise InputError(
            f"A frame's sides are {MIN_FRAME_SIDE} to {MAX_FRAME_SIDE} pixels; this one is {height} high, {width} wide."
        )
    return np.asarray(frame)


def to_gray(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce a frame to one grey channel (ITU-R BT.601 luma; alpha is ignored).

    Args:
        frame: As :func:`check_frame` takes it.

    Returns:
        uint8 array (H, W).
    """
    frame = check_frame(frame)
    if frame.ndim == 2:
        return frame
    if frame.shape[2] == 1:
        return frame[:, :, 0]
    red, green, blue = (frame[:, :, c].astype(np.int32) * _LUMA[c] for c in range(3))
    return np.asarray((red + green + blue + 500) // 1000, dtype=np.uint8)


@lru_cache(maxsize=32)
def _taps(n_in: int, n_out: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Indices and weights (K, n_out) that make each output sample from K input samples along one axis."""
    scale = n_in / n_out
    if scale > 1:  # average over the input interval [i * scale, (i + 1) * scale)
        start = np.arange(n_out) * scale
        first = np.floor(start).astype(np.intp)
        taps = int(np.ceil(scale)) + 1
        index = first + np.arange(taps)[:, None]
        overlap = np.minimum(index + 1, start + scale) - np.maximum(index, start)
        weight = np.clip(overlap, 0, None)
    else:  # linear interpolation between pixel centres
        centre = (np.arange(n_out) + 0.5) * scale - 0.5
        first = np.floor(centre).astype(np.intp)
        index = first + np.arange(2)[:, None]
        weight = np.stack([1 - (centre - first), centre - first])
    weight = weight / weight.sum(axis=0)
    return np.clip(index, 0, n_in - 1), weight.astype(np.float32)


def _resize_rows(values: NDArray[np.float32], n_out: int) -> NDArray[np.float32]:
    if values.shape[0] == n_out:
        return values
    index, weight = _taps(values.shape[0], n_out)
    out: NDArray[np.float32] = values[index[0]] * weight[0][:, None]
    for k in range(1, len(index)):
        out += values[index[k]] * weight[k][:, None]
    return out


def resize(values: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a 2-D field; pixel centres lie at half-integers, so the field's outline stays put.

    Args:
        values: (H, W), any real dtype.
        size: (height, width) wanted, in pixels.

    Returns:
        float32 array of shape ``size``: area average along an axis that shrinks, linear along one that grows.
    """
    rows = _resize_rows(values.astype(np.float32), size[0])
    return np.ascontiguousarray(_resize_rows(np.ascontiguousarray(rows.T), size[1]).T)


def prepare(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Make the network's input from a frame.

    Args:
        frame: As :func:`check_frame` takes it.
        size: (height, width) of the network's input, in pixels.

    Returns:
        uint8 array of shape ``size``. The network reads byte / 255; a ``full_int8`` model takes the bytes.
    """
    return np.rint(resize(to_gray(frame), size)).astype(np.uint8)


def to_unit(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The network's real input of a prepared frame, byte / 255: float32 in [0, 1], of the frame's shape."""
    return frame.astype(np.float32) / np.float32(255)


def to_frame_xy(
    points: NDArray[np.float64], network_size: tuple[int, int], frame_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Map points from network pixels to frame pixels (pixel centres at integer coordinates).

    Args:
        points: (N, 2), columns x and y.
        network_size: (height, width) of the network's output.
        frame_size: (height, width) of the frame.

    Returns:
        (N, 2) float64.
    """
    scale = np.array([frame_size[1] / network_size[1], frame_size[0] / network_size[0]])
    return np.asarray((points + 0.5) * scale - 0.5)
