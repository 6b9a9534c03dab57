from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import InputError
from edge_runtime.preprocess import prepare, resize, to_frame_xy, to_gray


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.integers(1, 60), st.integers(0, 999))
def test_resize_keeps_range_and_constants(h: int, w: int, oh: int, ow: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (h, w)).astype(np.uint8)
    out = resize(values, (oh, ow))
    assert out.shape == (oh, ow)
    assert values.min() - 1e-3 <= out.min() and out.max() <= values.max() + 1e-3
    assert np.allclose(resize(np.full((h, w), 37, np.uint8), (oh, ow)), 37, atol=1e-4)


def test_shrinking_by_a_whole_factor_is_the_block_mean_and_keeps_the_sum() -> None:
    values = np.random.default_rng(0).random((60, 90)).astype(np.float32)
    blocks = values.reshape(20, 3, 30, 3).mean(axis=(1, 3))
    assert np.allclose(resize(values, (20, 30)), blocks, atol=1e-6)
    assert resize(values, (17, 41)).mean() == pytest.approx(values.mean(), abs=1e-4)


def test_a_ramp_stays_where_it_is_within_a_tenth_of_a_pixel() -> None:
    ramp = np.tile(np.arange(100, dtype=np.float32), (50, 1))
    small = resize(ramp, (50, 40))
    x = to_frame_xy(np.stack([np.arange(40.0), np.zeros(40)], axis=1), (50, 40), (50, 100))[:, 0]
    assert np.allclose(small[0], x, atol=0.1)
    grown = resize(small, (50, 100))
    assert np.allclose(grown[:, 5:-5], ramp[:, 5:-5], atol=0.1)


def test_equal_channels_give_their_own_value_and_alpha_is_ignored() -> None:
    gray = np.arange(256, dtype=np.uint8).repeat(8).reshape(32, 64)
    rgb = np.stack([gray] * 3, axis=2)
    rgba = np.concatenate([rgb, np.zeros((32, 64, 1), np.uint8)], axis=2)
    for frame in (rgb, rgba, gray[:, :, None]):
        assert np.array_equal(to_gray(frame), gray)


def test_strided_and_read_only_frames_give_the_same_input() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (90, 140)).astype(np.uint8)
    big = np.zeros((180, 280), np.uint8)
    big[::2, ::2] = frame
    locked = frame.copy()
    locked.setflags(write=False)
    wanted = prepare(frame, (48, 64))
    assert np.array_equal(prepare(big[::2, ::2], (48, 64)), wanted)
    assert np.array_equal(prepare(locked, (48, 64)), wanted)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (np.zeros((1, 1), np.uint8), "1 high, 1 wide"),
        (np.zeros((64, 64), np.float32), "float32"),
        (np.zeros((64, 64), np.uint16), "uint16"),
        (np.zeros((64, 64, 2), np.uint8), r"\(64, 64, 2\)"),
        (np.zeros(64, np.uint8), r"\(64,\)"),
        (np.zeros((0, 64), np.uint8), "0 high"),
        ([[1, 2], [3, 4]], "list"),
    ],
)
def test_what_is_no_frame_is_refused_with_what_was_seen(frame: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        prepare(frame, (64, 64))
