"""What a program that embeds the runtime may rely on: which frames it takes, and what becomes of memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import InputError, Measurement, Segmenter, UsageError
from edge_runtime.artifact.golden import golden_frames
from edge_runtime.device.fingerprint import peak_memory_bytes
from edge_runtime.frame.geometry import RESIZE_RULES
from edge_runtime.frame.resize import resize
from tests.helpers.shipped import load_shipped

PEAK_BYTES = 1_200_000
"""Python's allocations within one grey frame of 800x540, the mask's 432,000 among them (Segmenter.measure says so)."""


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load()


@pytest.fixture(params=RESIZE_RULES)
def either(request: pytest.FixtureRequest) -> Segmenter:
    """A segmenter of each resize rule."""
    return load_shipped(request.param)


def frame(seed: int = 0, size: tuple[int, int] = (540, 800)) -> np.ndarray:
    return np.rint(resize(golden_frames()[seed], size)).astype(np.uint8)


def same(a: Measurement, b: Measurement) -> bool:
    return np.array_equal(a.mask, b.mask) and (a.head_circumference_mm, a.ellipse) == (
        b.head_circumference_mm,
        b.ellipse,
    )


VIEWS: dict[str, Callable[[np.ndarray, Path], np.ndarray]] = {
    "three channels": lambda f, _: np.stack([f] * 3, axis=2),
    "four channels, of another memory": lambda f, _: np.dstack([f, f, f, 255 - f])[:, ::1],
    "one channel": lambda f, _: f[:, :, None],
    "channels first in memory": lambda f, _: np.stack([f] * 3).transpose(1, 2, 0),
    "bottom up": lambda f, _: f[::-1].copy()[::-1],
    "mirrored": lambda f, _: f[:, ::-1].copy()[:, ::-1],
    "Fortran": lambda f, _: np.asfortranarray(f),
    "of a larger one": lambda f, _: np.pad(f, 9)[9:-9, 9:-9],
    "of bytes": lambda f, _: np.frombuffer(f.tobytes(), np.uint8).reshape(f.shape),
    "in a file": lambda f, folder: in_a_file(f, folder),
}


def in_a_file(values: np.ndarray, folder: Path) -> np.ndarray:
    values.tofile(folder / "frame.bin")
    return np.memmap(folder / "frame.bin", np.uint8, "r", shape=values.shape)


@pytest.mark.parametrize("view", sorted(VIEWS))
def test_a_frame_may_lie_in_memory_as_it_likes(segmenter: Segmenter, view: str, tmp_path: Path) -> None:
    plain = frame()
    wanted = segmenter.measure(plain, 0.2)
    seen = VIEWS[view](plain, tmp_path)
    before = seen.tobytes()
    assert wanted.head_circumference_mm is not None and same(segmenter.measure(seen, 0.2), wanted)
    assert seen.tobytes() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f / np.float32(255),
        lambda f: np.full(f.shape, np.nan),
        lambda f: f > 99,
        lambda f: f.astype(object),
        lambda f: f.astype(np.uint16),
        lambda f: np.ma.masked_less(f, 9),
        lambda f: f[None],
        lambda f: f[:20],
        lambda f: f.tobytes(),
        lambda f: f.tolist(),
    ],
    ids=["float", "nan", "bool", "object", "uint16", "masked", "batch", "20 rows", "bytes", "list"],
)
def test_what_is_no_frame_is_refused_and_the_next_is_measured(
    segmenter: Segmenter, spoil: Callable[[np.ndarray], object]
) -> None:
    good = frame()
    wanted = segmenter.measure(good, 0.2)
    for call in (segmenter.measure, segmenter.segment, segmenter.logits):
        with pytest.raises(InputError):
            call(spoil(good))  # type: ignore[operator]
    assert same(segmenter.measure(good, 0.2), wanted)


@pytest.mark.parametrize(
    "size",
    [
        (0.2, 0.18),
        [0.2, 0.18],
        np.array([0.2, 0.18]),
        (np.float64(0.2), np.float64(0.18)),
    ],
    ids=["tuple", "list", "array", "numpy scalars"],
)
def test_pixels_need_not_be_square(segmenter: Segmenter, size: object) -> None:
    seen = frame()
    found = segmenter.measure(seen, size)  # type: ignore[arg-type]
    assert found.pixel_size_mm == (0.2, 0.18) and found.ellipse is not None
    outline = found.ellipse.outline(10_000) * [0.2, 0.18]
    length = np.hypot(*(outline - np.roll(outline, 1, axis=0)).T).sum()
    assert found.head_circumference_mm == pytest.approx(length, rel=1e-5)
    other = segmenter.measure(seen, (0.18, 0.2)).head_circumference_mm
    assert other is not None and other != found.head_circumference_mm


@pytest.mark.parametrize(
    "size",
    [
        *([0.1], [0.1, 0.2, 0.3], [0.1, "0.2"], [0.1, None], {0.1, 0.2}, "0.1", b"0.1", True, [True, 0.1], 10**400),
        *(np.array([[0.1, 0.2]]), np.array([0.1, np.nan]), np.array("0.1"), 1j, -1e-300, [0.1, 0.0], np.arange(10**6)),
    ],
    ids=repr,
)
def test_what_is_no_pixel_size_is_refused(segmenter: Segmenter, size: object) -> None:
    with pytest.raises(UsageError, match="pixel_size_mm is") as caught:
        segmenter.measure(frame(), size)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 300


def test_a_result_keeps_its_mask_when_the_next_frame_comes(segmenter: Segmenter) -> None:
    sizes = [(540, 800), (540, 800), (480, 640), (200, 300)]
    results = [segmenter.measure(frame(k, size), 0.2) for k, size in enumerate(sizes)]
    logits = [segmenter.logits(frame(k, size)) for k, size in enumerate(sizes)]
    kept = [r.mask.copy() for r in results], [x.copy() for x in logits]
    segmenter.measure(frame(7), 0.2)
    segmenter.logits(frame(6))
    for result, mask in zip(results, kept[0], strict=True):
        assert np.array_equal(result.mask, mask) and result.mask.any()
        result.mask[:] = True  # it is the caller's
    for seen, copy in zip(logits, kept[1], strict=True):
        assert np.array_equal(seen, copy)
    assert np.array_equal(segmenter.measure(frame(0), 0.2).mask, kept[0][0])


@pytest.mark.parametrize("margin", [0, 20], ids=["no margin", "a margin"])
def test_what_a_frame_allocates_is_bounded_and_given_back(either: Segmenter, margin: int) -> None:
    seen = np.pad(frame(size=(540 - 2 * margin, 800 - 2 * margin)), margin)
    assert either.measure(seen, 0.2).reason is None
    tracemalloc.start()
    try:
        np.count_nonzero(either.measure(seen, 0.2).mask)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(10):
            np.count_nonzero(either.measure(seen, 0.2).mask)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 432_000 < peak - before < PEAK_BYTES
    assert now - before < 20_000


def test_memory_stays_where_it_is_over_frames_of_changing_sizes(either: Segmenter) -> None:
    """More sizes than any cache here holds, in turns; after a round of them nothing grows."""
    frames = [frame(k % 8, (200 + 17 * k, 300 + 13 * k)) for k in range(24)]

    def turn() -> None:
        for seen in frames:
            either.measure(seen, 0.2)

    turn()
    tracemalloc.start()
    try:
        turn()
        before = tracemalloc.get_traced_memory()[0]
        peak = peak_memory_bytes()
        turn()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000
    assert peak is None or (peak_memory_bytes() or 0) - peak < 1_000_000
