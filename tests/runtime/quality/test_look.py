"""How a frame looks, and how far that is from known looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_runtime.frame.greys import count_greys
from edge_runtime.frame.preprocess import prepare
from edge_runtime.quality.look import FIGURES, KnownLook, look_figures
from train.data.phantom import make_phantom


def known(centre: np.ndarray, spread: np.ndarray, most: float = 1.5) -> KnownLook:
    """The look of images with this mean and this root of the covariance, lower triangular."""
    return KnownLook(tuple(centre.tolist()), tuple(map(tuple, np.linalg.inv(spread).tolist())), most)


def test_images_of_the_known_look_have_a_mean_squared_distance_of_1() -> None:
    rng = np.random.default_rng(0)
    count = len(FIGURES)
    spread = np.tril(rng.uniform(0.05, 0.5, (count, count))) + 0.2 * np.eye(count)
    centre = rng.normal(size=count)
    look = known(centre, spread)
    drawn = centre + rng.normal(size=(4000, count)) @ spread.T
    squares = [look.distance(figures) ** 2 for figures in drawn]
    assert np.mean(squares) == pytest.approx(1, abs=0.03)
    assert look.distance(centre) == 0
    assert look.distance(centre + 3 * spread[:, 0]) == pytest.approx(3 / math.sqrt(count))


def figures(frame: np.ndarray) -> np.ndarray:
    return look_figures(prepare(frame, (160, 240)).greys, 0.4, 0.3)


def test_gain_takes_a_frame_out_of_the_known_look() -> None:
    frames = [make_phantom(seed)[0] for seed in range(20)]
    looks = np.array([figures(frame) for frame in frames])
    spread = np.linalg.cholesky(np.cov(looks.T) + 1e-4 * np.eye(len(FIGURES)))
    look = known(looks.mean(axis=0), spread)
    for frame in frames[:5]:
        darker = figures((frame * 0.25).astype(np.uint8))
        assert look.distance(darker) > 3 > 2 > look.distance(figures(frame))


def test_a_turned_frame_looks_the_same() -> None:
    image = prepare(make_phantom(1)[0], (160, 240)).seen
    even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]  # every second row of it, whichever way it lies
    assert np.allclose(look_figures(count_greys(even), 0.4, 0.3), look_figures(count_greys(even.T.copy()), 0.3, 0.4))


@pytest.mark.parametrize("level", [0, 3, 255])
def test_an_even_frame_has_a_look(level: int) -> None:
    found = look_figures(count_greys(np.full((32, 32), level, np.uint8)), 0.0, 0.0)
    assert found.shape == (len(FIGURES),) and np.isfinite(found).all()
    assert found[FIGURES.index("dark")] == (level < 7) and found[FIGURES.index("spread")] == pytest.approx(0)


def test_brightness_is_that_of_the_tissue_alone() -> None:
    image = np.full((40, 60), 80, np.uint8)
    bordered = np.zeros((40, 120), np.uint8)
    bordered[:, 30:90] = image
    one, other = look_figures(count_greys(image), 0.4, 0.3), look_figures(count_greys(bordered), 0.4, 0.3)
    assert np.allclose(one[:-1], other[:-1]) and (one[-1], other[-1]) == (0, 0.5)
