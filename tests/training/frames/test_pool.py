"""What a network is trained on: which frames an epoch takes, and what their masks say."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.frame.geometry import SAMPLED
from edge_runtime.frame.preprocess import prepare
from train.config import PROTOCOLS, TrainConfig
from train.data.hc18 import Sample, read_dataset
from train.data.others import read_others
from train.data.phantom import make_phantom
from train.frames.bad_frames import KINDS
from train.frames.no_frames import clouds, noise
from train.frames.pool import BAD_PER_IMAGE, FRAMES_EACH, OTHER_HEAD_TURNS, PLAIN_SHARE, UNSURE, Pool, make_pool

SIZE = (64, 96)


def config(**changes: object) -> TrainConfig:
    return TrainConfig(**{"image_size": SIZE, "looks": 2, "negatives": 0.5, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def samples(phantom: Path) -> list[Sample]:
    return list(read_dataset(phantom).samples.values())[:6]


@pytest.fixture(scope="module")
def pool(samples: list[Sample]) -> Pool:
    return make_pool(samples, [], config())


def made(counts: tuple[int, ...] = (5, 5, 5), few: int = 2, many: int = 40) -> Pool:
    """A pool without images: heads with so many looks, and two sources of frames without a head."""
    ends = np.cumsum([0, *counts])
    heads = tuple(np.arange(a, b) for a, b in pairwise(ends))
    at = int(ends[-1])
    empty = (
        {"not_heads/few": np.arange(at, at + few), "not_heads/many": np.arange(at + few, at + few + many)},
        {"flat": np.arange(at + few + many, at + few + many + 10)},
    )
    blank = np.zeros((0, *SIZE), np.uint8)
    return Pool(blank, blank, heads, (1,) * len(counts), empty)


def test_an_epoch_takes_every_head_and_the_same_seed_gives_the_same_order() -> None:
    pool = made()
    drawn = pool.draw(0, 3, 1.0)
    for looks in pool.heads:
        assert np.isin(drawn, looks).sum() == 1
    assert len(drawn) == 6 and np.array_equal(drawn, pool.draw(0, 3, 1.0))
    assert not np.array_equal(drawn, pool.draw(0, 4, 1.0)) and not np.array_equal(drawn, pool.draw(1, 3, 1.0))
    assert len(pool.draw(0, 0, 0.0)) == 3
    assert len(Pool(pool.images, pool.masks, pool.heads, (1, 1, 2), ({}, {})).draw(0, 0, 5.0)) == 4


def test_heads_come_plain_as_often_as_they_should_and_then_in_every_look() -> None:
    pool = made(counts=(5, 1))
    drawn = Counter(int(n) for epoch in range(2000) for n in pool.draw(0, epoch, 0.0))
    assert drawn[0] / 2000 == pytest.approx(PLAIN_SHARE, abs=0.03)
    assert [drawn[n] / 2000 for n in range(1, 5)] == pytest.approx([(1 - PLAIN_SHARE) / 4] * 4, abs=0.03)
    assert drawn[5] == 2000, "a head without looks"


def test_frames_without_a_head_are_drawn_by_source_and_kind() -> None:
    pool = made(counts=(1,) * 10)
    drawn = np.concatenate([pool.draw(0, epoch, 0.8) for epoch in range(500)])
    few, many, flat = [np.isin(drawn, of).sum() for kinds in pool.empty for of in kinds.values()]
    assert few + many == flat == 4 * 500, "half from elsewhere, half generated"
    assert few / (few + many) == pytest.approx(0.5, abs=0.04), "a kind of 2 counts as much as one of 40"


def test_a_pool_holds_heads_looks_and_generated_frames(samples: list[Sample], pool: Pool) -> None:
    assert len(pool.heads) == 6 and pool.turns == (1,) * 6 and set(pool.empty[1]) <= set(KINDS) and not pool.empty[0]
    assert {"flat", "beside", "trunk", "halves"} <= set(pool.empty[1])
    each = min(FRAMES_EACH, max(1, round(BAD_PER_IMAGE * 6 / len(KINDS))))
    assert {len(of) for of in pool.empty[1].values()} == {each}
    assert pool.images.shape == pool.masks.shape and pool.images.shape[1:] == SIZE and pool.images.dtype == np.uint8
    for sample, looks in zip(samples, pool.heads, strict=True):
        plain = prepare(sample.frame(), SIZE, (sample.pixel_size_mm,) * 2, SAMPLED)
        assert np.array_equal(pool.images[looks[0]], plain.image) and 1 <= len(looks) <= 3
        area = pool.masks[looks[0]].sum() / (UNSURE - 1) * np.prod(plain.geometry.window().step)
        assert area == pytest.approx(sample.mask().sum(), rel=5e-3)
        for look in looks[1:]:
            assert pool.masks[look].any() and not np.array_equal(pool.images[look], plain.image)
    of_hc18 = np.concatenate(pool.heads)
    assert not (pool.masks[of_hc18] == UNSURE).any(), "references are exact"
    assert not pool.masks[np.concatenate(list(pool.empty[1].values()))].any(), "no head, and that is certain"


def test_the_same_settings_give_the_same_bytes(samples: list[Sample], pool: Pool) -> None:
    again = make_pool(samples, [], config())
    assert np.array_equal(pool.images, again.images) and np.array_equal(pool.masks, again.masks)
    other = make_pool(samples, [], config(seed=1))
    assert not np.array_equal(pool.images, other.images)


def test_hc18_alone_has_no_looks_and_no_other_frames(samples: list[Sample]) -> None:
    plain = make_pool(samples, [], TrainConfig(SIZE, protocol="leak-free", **PROTOCOLS["leak-free"]))
    assert len(plain.images) == 6 and [len(looks) for looks in plain.heads] == [1] * 6 and plain.empty == ({}, {})
    assert sorted(plain.draw(0, 0, 0.0)) == list(range(6))
    assert np.array_equal(plain.images[0], prepare(samples[0].frame(), SIZE, rule="area-stretch").image)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two heads with masks, and three frames of two kinds without a head."""
    root = tmp_path_factory.mktemp("elsewhere")
    rng = np.random.default_rng(0)
    pictures = {f"not_heads/sky/{n}": clouds((200, 300), rng) for n in "ab"} | {
        "not_heads/snow/a": noise((99, 90), rng)
    }
    for seed in (50, 51):
        frame, head, _ = make_phantom(seed, (270, 400))
        pictures |= {
            f"heads/there/{seed}": frame,
            f"heads/there/{seed}_mask": head.interior((270, 400)) * np.uint8(255),
        }
    for name, pixels in pictures.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / f"{name}.png")
    return root


def test_frames_from_elsewhere_have_an_unsure_band_or_no_head(samples: list[Sample], elsewhere: Path) -> None:
    others = read_others(elsewhere)
    pool = make_pool(samples[:3], others, config(looks=1))
    assert pool.turns == (1, 1, 1, OTHER_HEAD_TURNS, OTHER_HEAD_TURNS)
    assert {kind: len(of) for kind, of in pool.empty[0].items()}.keys() == {"not_heads/sky", "not_heads/snow"}
    assert not pool.masks[np.concatenate(list(pool.empty[0].values()))].any()
    heads = [other for other in others if other.mask is not None]
    for other, looks in zip(heads, pool.heads[3:], strict=True):
        truth = other.head()
        assert truth is not None
        prepared = prepare(other.frame(), SIZE, (1.0, 1.0), SAMPLED)
        mask = pool.masks[looks[0]]
        y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
        place = prepared.geometry.place
        points = prepared.geometry.window().to_frame(np.stack([x.ravel() - place.left, y.ravel() - place.top], axis=1))
        radius = truth.radius(points).reshape(SIZE)
        pixel = 1 / np.sqrt(truth.semi_major * truth.semi_minor / np.prod(prepared.geometry.window().step))
        band = mask == UNSURE
        assert band.any() and (np.abs(radius[band] - 1) < 0.05 + pixel).all()
        assert band[np.abs(radius - 1) < 0.05 - pixel].all() if pixel < 0.05 else band.sum() > 20
        assert (mask[radius < 0.95 - pixel] == UNSURE - 1).all() and not mask[radius > 1.05 + pixel].any()
    drawn = pool.draw(0, 0, 0.5)
    assert sum(np.isin(drawn, looks).sum() for looks in pool.heads[3:]) == 2 * OTHER_HEAD_TURNS


def test_many_frames_are_made_in_two_processes_with_the_same_bytes(samples: list[Sample], pool: Pool) -> None:
    more = make_pool(samples, [], config(looks=4))  # 6 heads in 5 looks and 25 bad frames: above 50 tasks
    assert len(more.images) > 50
    for few, many in zip(pool.heads, more.heads, strict=True):
        assert np.array_equal(pool.images[few[0]], more.images[many[0]])
    for kind, of in pool.empty[1].items():
        assert np.array_equal(pool.images[of], more.images[more.empty[1][kind]])
