"""Frames and pixel sizes of every shape, type, layout and content that a program could pass by mistake."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fuzz.rig import Rig, Violation, attempt, check_measurement

_DTYPES = (
    np.bool_, np.int8, np.uint16, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64, np.complex64,
    "U3", "S1", "M8[s]", object, [("a", "u1")],
)  # fmt: skip
_SIZES: tuple[Any, ...] = (
    0, -0.1, 1e-300, 1e300, 5e-324, float("nan"), float("inf"), -float("inf"), True, False, "0.1", "", b"1", [0.1, 0.1],
    (0.1,), (), (0.1, 0.1, 0.1), (0.1, None), (0.1, float("nan")), (1e-4, 100.0), (0.1, -0.1), 10**400, -(10**400),
    10**5000, Decimal("0.1"), 1j, {}, object(), np.float32(0.2), np.float64(0.2), np.array(0.1), np.array([0.1, 0.2]),
    np.int64(1), np.bool_(True), (True, 1), 0.0001, 100.0, 100.1,
)  # fmt: skip
_NO_FRAMES: tuple[Any, ...] = (
    None,
    0,
    1.5,
    "frame",
    b"\0" * 4096,
    [[0] * 64] * 64,
    (),
    {},
    object(),
    memoryview(b"abc"),
)


def frame_case(rng: np.random.Generator, rig: Rig) -> str:
    """Call ``measure`` once, perhaps with an impossible frame or pixel size."""
    frame, size = _frame(rng), _pixel_size(rng)
    if isinstance(frame, np.ndarray) and frame.ndim > 1 and frame.size and rng.random() < 0.5:
        size = float(rng.uniform(100, 350)) / min(frame.shape[:2]) / 2  # a head then has a plausible size
    outcome, result = attempt(lambda: rig.segmenter.measure(frame, size))
    if result is None:
        return outcome
    outcome = check_measurement(result, frame.shape)
    if rng.random() < 0.25:  # the layout in memory must not matter
        plain = np.array(frame, dtype=np.uint8, order="C", copy=True, subok=False)
        again = rig.segmenter.measure(plain, size)
        if (again.head_circumference_mm, again.reason) != (result.head_circumference_mm, result.reason):
            raise Violation(f"{again.head_circumference_mm} of a frame's copy, {result.head_circumference_mm} of it")
    return outcome


def _pixel_size(rng: np.random.Generator) -> Any:
    kind = rng.random()
    if kind < 0.2:
        return _SIZES[rng.integers(len(_SIZES))]
    if kind < 0.25:
        return None
    size = float(np.exp(rng.uniform(np.log(0.02), np.log(2.0))))
    if kind < 0.4:
        return (size, size * float(np.exp(rng.uniform(-2.5, 2.5))))
    return size


def _frame(rng: np.random.Generator) -> Any:
    kind = rng.random()
    if kind < 0.03:
        return _NO_FRAMES[rng.integers(len(_NO_FRAMES))]
    shape = _shape(rng)
    if kind < 0.13:
        dtype = np.dtype(_DTYPES[rng.integers(len(_DTYPES))])
        frame = np.zeros(tuple(min(n, 300) for n in shape), dtype)
        if dtype.kind == "f":
            frame[...] = rng.choice([np.nan, np.inf, 0.5, 255.0])
        return frame
    return _layout(rng, _content(rng, shape))


def _shape(rng: np.random.Generator) -> tuple[int, ...]:
    kind = rng.random()
    if kind < 0.04:  # any number of axes, even empty ones
        return tuple(int(n) for n in rng.integers(0, 40, rng.integers(0, 6)))
    if kind < 0.06:  # at the limits
        shape = int(rng.choice([31, 32, 33, 16384, 16385])), int(rng.choice([31, 32, 33]))
        return shape if rng.random() < 0.5 else shape[::-1]
    high = 1200 if kind < 0.1 else 300
    height, width = (int(np.exp(rng.uniform(np.log(30), np.log(high)))) for _ in range(2))
    channels = rng.choice([0] * 12 + [1, 1, 2, 3, 3, 4, 4, 5])
    return (height, width, int(channels)) if channels else (height, width)


def _content(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    kind = rng.integers(12)
    if kind == 0 or len(shape) < 2 or 0 in shape:
        return np.full(shape, rng.integers(256), np.uint8)
    if kind == 1:
        return rng.integers(0, 256, shape, np.uint8)
    y, x = (np.arange(n, dtype=np.float64) for n in shape[:2])
    field: NDArray[Any]
    if kind == 2:
        field = np.add.outer(y, x) * rng.uniform(0, 9)
    elif kind == 3:
        step = int(rng.integers(1, 40))
        field = np.add.outer(y // step, x // step) % 2 * 255
    else:  # a head: a dark ellipse on a bright ground, anywhere or near the middle
        if kind < 6:
            cy, cx, b, a = rng.uniform(0.2, 0.8, 4) * (shape[0], shape[1], shape[0] / 2, shape[1] / 2)
        else:
            cy, cx = rng.uniform(0.4, 0.6, 2) * shape[:2]
            a = rng.uniform(0.2, 0.4) * min(shape[:2])
            b = a * rng.uniform(0.6, 1.0)
        radius = np.hypot.outer((y - cy) / b, (x - cx) / a)
        field = np.where(radius < 1, 8, 170) + (rng.normal(0, 12, radius.shape) if kind % 2 else 0)
    gray = np.clip(field, 0, 255).astype(np.uint8)
    return gray if len(shape) == 2 else np.broadcast_to(gray.reshape(gray.shape + (1,) * (len(shape) - 2)), shape)


def _layout(rng: np.random.Generator, frame: Any) -> Any:
    kind = rng.integers(10)
    if frame.ndim == 0:
        return frame
    if kind == 0:
        return np.asfortranarray(frame)
    if kind == 1:
        return frame[::-1]
    if kind == 2 and frame.ndim >= 2:
        return frame[::2, ::-1]
    if kind == 3 and frame.ndim == 2:
        return frame.T
    if kind == 4 and frame.ndim == 2 and frame.size:
        return np.broadcast_to(frame[:1], frame.shape)
    if kind == 5 and frame.ndim == 2:
        return np.asmatrix(frame)
    if kind == 6:
        return np.ma.masked_array(frame, mask=False)  # type: ignore[no-untyped-call]
    if kind == 7:
        frame = frame.copy()
        frame.setflags(write=False)
    return frame
