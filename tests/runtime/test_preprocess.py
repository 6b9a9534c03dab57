from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import InputError
from edge_runtime.frame.geometry import LETTERBOX, SAMPLED, STRETCH, Box, Geometry
from edge_runtime.frame.preprocess import prepare, to_gray
from edge_runtime.frame.resize import MOST_SAMPLES, resize, sample_places
from tests.helpers import slow_reference


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
    whole = Geometry((50, 100), Box(0, 50, 0, 100), (50, 40), Box(0, 50, 0, 40))
    x = whole.window().to_frame(np.stack([np.arange(40.0), np.zeros(40)], axis=1))[:, 0]
    assert np.allclose(small[0], x, atol=0.1)
    grown = resize(small, (50, 100))
    assert np.allclose(grown[:, 5:-5], ramp[:, 5:-5], atol=0.1)


@settings(deadline=None)
@given(st.integers(32, 700), st.integers(32, 700), st.integers(0, 999))
def test_the_mean_of_samples_is_that_of_the_slow_way(h: int, w: int, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (h, w)).astype(np.uint8)
    found = prepare(frame, (64, 96), rule=SAMPLED)
    area = prepare(frame, (64, 96), rule=LETTERBOX)
    assert (found.geometry.content, found.geometry.place) == (area.geometry.content, area.geometry.place)
    seen, place = frame[found.geometry.content.slices], found.geometry.place
    if min(h_in - h_out for h_in, h_out in zip(seen.shape, place.size, strict=True)) < 0:
        assert np.array_equal(found.image, area.image)
        return
    places = []
    for n_in, n_out in zip(seen.shape, place.size, strict=True):
        count = min(max(2, int(n_in / n_out + 0.5)), MOST_SAMPLES)
        middle = (np.arange(n_out)[:, None] + (np.arange(count) + 0.5) / count) * n_in / n_out
        places.append(np.floor(middle + 1e-9).astype(int))
    for y in (0, place.size[0] // 2, place.size[0] - 1):
        for x in (0, place.size[1] // 3, place.size[1] - 1):
            mean = seen[np.ix_(places[0][y], places[1][x])].mean()
            assert found.seen[y, x] == int(mean + 0.5 + 1e-9)


def test_samples_are_spread_over_their_pixel_and_stay_inside() -> None:
    assert sample_places(540, 160).tolist()[0][:3] == [0, 3, 7] and len(sample_places(540, 160)) == 3
    for n_in, n_out in ((160, 160), (161, 160), (300, 160), (16384, 96), (97, 96)):
        places = sample_places(n_in, n_out)
        assert 2 <= len(places) <= MOST_SAMPLES and places.min() >= 0 and places.max() < n_in
        assert (np.diff(places, axis=0) >= 0).all() and (np.diff(places, axis=1) >= 0).all()
    bright = np.full((4000, 6000), 255, np.uint8)
    assert (prepare(bright, (160, 240), rule=SAMPLED).seen == 255).all()


def test_equal_channels_give_their_own_value_and_alpha_is_ignored() -> None:
    gray = np.arange(256, dtype=np.uint8).repeat(8).reshape(32, 64)
    rgb = np.stack([gray] * 3, axis=2)
    rgba = np.concatenate([rgb, np.zeros((32, 64, 1), np.uint8)], axis=2)
    for frame in (rgb, rgba, gray[:, :, None]):
        assert np.array_equal(to_gray(frame), gray)


VIEWS = {
    "plain": lambda frame: frame,
    "upside down": lambda frame: frame[::-1],
    "mirrored": lambda frame: frame[:, ::-1],
    "every second": lambda frame: np.repeat(np.repeat(frame, 2, axis=0), 2, axis=1)[::2, 1::2],
    "Fortran": np.asfortranarray,
    "cut out": lambda frame: np.pad(frame, ((3, 5), (7, 2)) + ((0, 0),) * (frame.ndim - 2))[3:-5, 7:-2],
    "one row for all": lambda frame: np.broadcast_to(frame[:1], frame.shape),
}


@settings(deadline=None)
@given(
    st.tuples(st.integers(32, 400), st.integers(32, 400)),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.sampled_from([(), (1,), (3,), (4,)]),
    st.sampled_from(sorted(VIEWS)),
    st.tuples(st.integers(0, 80), st.integers(0, 80)),
    st.integers(0, 255),
    st.integers(0, 10**6),
)
def test_every_frame_gives_the_bytes_of_the_slow_reference(
    shape: tuple[int, int],
    size: tuple[int, int],
    channels: tuple[int, ...],
    view: str,
    margin: tuple[int, int],
    level: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (*shape, *channels)).astype(np.uint8)
    frame[: margin[0]] = level
    frame[:, shape[1] - margin[1] :] = level
    seen = VIEWS[view](frame)
    seen.setflags(write=False)
    before = seen.tobytes()
    assert np.array_equal(prepare(seen, size, rule=STRETCH).image, slow_reference.prepare(seen, size))
    pixel = (1.0, float(rng.uniform(0.5, 2)))
    assert np.array_equal(prepare(seen, size, pixel).image, slow_reference.letterbox(seen, size, pixel))
    assert seen.tobytes() == before


@pytest.mark.parametrize("shape", [(540, 800), (16384, 40), (33, 16384), (1080, 1920, 3)])
@pytest.mark.parametrize("size", [(160, 240), (256, 256)])
def test_large_and_long_frames_too(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(prepare(frame, size, rule=STRETCH).image, slow_reference.prepare(frame, size))
    assert np.array_equal(prepare(frame, size).image, slow_reference.letterbox(frame, size))


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 120), st.integers(1, 120), st.integers(0, 999))
def test_fields_give_the_bytes_of_the_slow_reference(h: int, w: int, oh: int, ow: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(h, w))
    kept = values.copy()
    out = resize(values, (oh, ow))
    assert np.array_equal(out, slow_reference.resize(values, (oh, ow)))
    assert np.array_equal(values, kept) and not np.shares_memory(out, values)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (np.zeros((1, 1), np.uint8), "1 high and 1 wide"),
        (np.zeros((64, 64), np.float32), "float32"),
        (np.zeros((64, 64), np.uint16), "uint16"),
        (np.zeros((64, 64, 2), np.uint8), r"\(64, 64, 2\)"),
        (np.zeros(64, np.uint8), r"\(64,\)"),
        (np.zeros((0, 64), np.uint8), "0 high"),
        ([[1, 2], [3, 4]], "list"),
        (None, "NoneType"),
        (np.full((64, 64), np.nan), "float64"),
        (np.zeros((64, 64), bool), "bool"),
        (np.zeros((64, 64), np.int8), "int8"),
        (np.zeros((64, 64), object), "object"),
        (np.zeros((64, 64), [("gray", np.uint8)]), "gray"),
        (np.zeros((3, 64, 64), np.uint8), r"\(3, 64, 64\)"),
        (np.zeros((1, 64, 64, 1), np.uint8), r"\(1, 64, 64, 1\)"),
        (np.zeros((64, 16385), np.uint8), "16385 wide"),
        (np.ma.masked_array(np.zeros((64, 64), np.uint8)), "MaskedArray"),
        (np.asmatrix(np.zeros((64, 64), np.uint8)), "matrix"),
        (np.zeros((64, 64), np.uint8).view(np.recarray), "recarray"),
        (np.uint8(7), "uint8"),
    ],
)
def test_what_is_no_frame_is_refused_with_what_was_seen(frame: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        prepare(frame, (64, 64))
