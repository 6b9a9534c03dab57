"""What a network is trained on: heads as they are and in other looks, and frames without a head, all prepared once.

Each image has several altered looks, of which an epoch takes one. Frames without a head have an empty mask, and are
drawn by kind, so that a kind of few frames counts as much as one of many. Free of torch.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.cli import say
from edge_runtime.frame.preprocess import prepare
from edge_runtime.head.ellipse import Ellipse
from train.config import TrainConfig
from train.data.hc18 import Sample
from train.data.others import Other, count_kinds
from train.data.score import place_mask
from train.frames.bad_frames import KINDS, make_bad
from train.frames.head_removed import Scene
from train.frames.looks import LOOKS, make_compound, make_look
from train.frames.photographs import photographs
from train.frames.view import View

UNSURE = 255
"""Value of a mask where nothing is to be learned. 0 to 254 stand for a coverage of 0 to 1."""

UNSURE_BAND = 0.05
"""Half the width of the band along the outline of a head from elsewhere in which nothing is learned, relative to its
radius. Masks and landmarks of other hospitals disagree about the circumference by 4 %."""

OTHER_HEAD_LOOKS, NOT_HEAD_LOOKS = 6, 3
"""Altered looks of each frame from elsewhere, at least: of kinds without a head that have few frames, each has more."""

OTHER_HEAD_TURNS = 2
"""How often an epoch takes each head from elsewhere."""

FRAMES_EACH = 120
"""Generated bad frames of each kind, at most; frames of each kind without a head from elsewhere, at least."""

BAD_PER_IMAGE = 4.5
"""Generated bad frames of all kinds, relative to the images."""

HARD = ("half-cropped", "half-shifted", "half-zoomed", "tiles", "strips", "halves", "smear", "ghosts", "lost-sync")
"""Generated bad frames that come twice as often as others: parts of a head can be seen in them."""

PLAIN_SHARE = 0.4
"""Share of the epochs in which an image comes as it is."""

_PHOTOGRAPH_PARTS = 3
"""Photographs are divided as the limits divide them: the first part trains."""


@dataclass(frozen=True)
class Pool:
    """Prepared frames and masks.

    Attributes:
        images: uint8 (N, h, w).
        masks: uint8 (N, h, w): coverage, 0 to 254, or :data:`UNSURE`.
        heads: For each image with a head, the indices of its looks, the image as it is first.
        turns: How often an epoch takes each of them.
        empty: For each kind of frames without a head, their indices: those from elsewhere, then the generated ones.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    heads: tuple[NDArray[np.intp], ...]
    turns: tuple[int, ...]
    empty: tuple[dict[str, NDArray[np.intp]], ...]

    def draw(self, seed: int, epoch: int, share: float) -> NDArray[np.intp]:
        """The frames of one epoch, in random order.

        Args:
            seed: Of the run.
            epoch: Number of the epoch.
            share: Frames without a head, relative to those with one.
        """
        rng = np.random.default_rng([seed, epoch])
        drawn = [
            looks[0] if len(looks) == 1 or rng.random() < PLAIN_SHARE else looks[int(rng.integers(1, len(looks)))]
            for looks, turns in zip(self.heads, self.turns, strict=True)
            for _ in range(turns)
        ]
        sources = [(kinds, [*kinds, *(kind for kind in HARD if kind in kinds)]) for kinds in self.empty if kinds]
        for number in range(round(share * len(drawn)) if sources else 0):
            kinds, names = sources[number % len(sources)]
            of = kinds[names[int(rng.integers(len(names)))]]
            drawn.append(of[int(rng.integers(len(of)))])
        return rng.permutation(np.array(drawn, dtype=np.intp))


@dataclass(frozen=True)
class _Task:
    """A frame to make: which source, what of it, and with which seed."""

    source: Sample | Other
    what: str
    seed: int
    other: Sample | None = None


def make_pool(samples: Sequence[Sample], others: Sequence[Other], config: TrainConfig) -> Pool:
    """Make and prepare all frames of a run, in two processes. The same arguments give the same bytes.

    Args:
        samples: The training part.
        others: Frames from elsewhere.
        config: ``looks`` and ``negatives`` say what to add to the samples, ``seed`` how it is drawn.
    """
    heads: list[list[_Task]] = []
    looks = (config.looks, min(config.looks, OTHER_HEAD_LOOKS))
    with_head = [other for other in others if other.mask is not None]
    sources: list[Sample | Other] = [*samples, *with_head]
    for number, source in enumerate(sources):
        count = looks[0] if number < len(samples) else looks[1]
        heads.append([_Task(source, "", 0), *(_Task(source, _look(k), number * 100 + k) for k in range(count))])
    empty: tuple[dict[str, list[_Task]], ...] = ({}, {})
    if config.negatives:
        rng = np.random.default_rng([config.seed, 1])
        each = min(FRAMES_EACH, max(1, round(BAD_PER_IMAGE * len(samples) / len(KINDS))))
        without = [other for other in others if other.mask is None]
        counts = count_kinds(without)
        for number, other in enumerate(without):
            count = max(NOT_HEAD_LOOKS, math.ceil(each / counts[other.kind]) - 1)
            tasks = [_Task(other, "", 0), *(_Task(other, _look(k), number * 100 + k) for k in range(count))]
            empty[0].setdefault(other.kind, []).extend(tasks)
        for kind in KINDS:
            pairs = [[samples[i] for i in rng.choice(len(samples), 2)] for _ in range(each)]
            empty[1][kind] = [_Task(one, kind, n, other) for n, (one, other) in enumerate(pairs)]
    tasks = [task for of in heads for task in of] + [t for kinds in empty for of in kinds.values() for t in of]
    made = _make_all(tasks, config)
    ends = np.cumsum([0, *(len(of) for of in heads), *(len(of) for kinds in empty for of in kinds.values())])
    groups = [np.array([i for i in range(a, b) if made[i] is not None]) for a, b in pairwise(ends)]
    names = iter(groups[len(heads) :])
    blank = np.zeros((2, *config.image_size), dtype=np.uint8)
    both = [blank if pair is None else pair for pair in made]
    return Pool(
        np.stack([pair[0] for pair in both]),
        np.stack([pair[1] for pair in both]),
        tuple(groups[: len(heads)]),
        tuple([1] * len(samples) + [OTHER_HEAD_TURNS] * len(with_head)),
        tuple({kind: of for kind in kinds if len(of := next(names))} for kinds in empty),
    )


def _look(number: int) -> str:
    """Every second look is a compound of several."""
    return "compound" if number % 2 else "look"


def _make_all(tasks: Sequence[_Task], config: TrainConfig) -> list[NDArray[np.uint8] | None]:
    if len(tasks) < 50:
        return [_make(config, task) for task in tasks]
    made = []
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        for pair in processes.map(partial(_make, config), tasks, chunksize=8):
            made.append(pair)
            if len(made) % 1000 == 0 or len(made) == len(tasks):
                say(f"  frames prepared: {len(made)} of {len(tasks)}")
    return made


def _make(config: TrainConfig, task: _Task) -> NDArray[np.uint8] | None:
    """Make and prepare one frame: image and mask, uint8 (2, h, w); None if this look does not suit the frame."""
    if isinstance(task.source, Other):
        return _prepared(config, *_from_elsewhere(task.source, task))
    if task.other is not None:
        pictures = _photographs()
        if not pictures and task.what in ("photograph", "menus"):
            return None
        scene = Scene(task.source.frame(), task.source.ellipse(), task.other.frame(), pictures)
        return _prepared(config, View(make_bad(task.what, scene, task.seed), scene.head, (1.0, 1.0)), None, 0.0)
    plain = sample_view(task.source)
    if not task.what:
        return _prepared(config, plain, task.source.mask(config.mask), 0.0)
    view = _altered(plain, task)
    return _prepared(config, view, None if view is None else _interior(view), 0.0)


def _from_elsewhere(other: Other, task: _Task) -> tuple[View | None, NDArray[np.bool_] | None, float]:
    view: View | None
    view, has_head = other_view(other)
    if task.what:
        view = _altered(view, task)
    return view, _interior(view) if has_head and view is not None else None, UNSURE_BAND


@lru_cache(maxsize=1)  # the looks of an image are made one after the other
def sample_view(sample: Sample) -> View:
    """An image of the data set with its head. The last one is kept: do not write to it."""
    return View(sample.frame(), sample.ellipse(), (sample.pixel_size_mm, sample.pixel_size_mm))


@lru_cache(maxsize=1)
def other_view(other: Other, hc_mm: float | None = None) -> tuple[View, bool]:
    """A frame from elsewhere, and whether there is a head in it. The last one is kept: do not write to it.

    Args:
        other: The frame.
        hc_mm: The pixel size, which is not known, is chosen so that the head has this circumference; 1 mm without it.

    Returns:
        The view, and whether there is a head. Without one, the view's stands where a head could be, so that burnt-in
        calipers and shadows go there.
    """
    frame, head = other.frame(), other.head()
    height, width = frame.shape
    place = head or Ellipse(width / 2, height / 2, 0.3 * min(width, height), 0.24 * min(width, height), 0.0)
    size = 1.0 if hc_mm is None else hc_mm / place.perimeter
    return View(frame, place, (size, size)), head is not None


def _altered(view: View, task: _Task) -> View | None:
    if task.what == "compound":
        return make_compound(view, task.seed)
    kinds = list(LOOKS)
    return make_look(kinds[task.seed % len(kinds)], view, task.seed)


def _interior(view: View) -> NDArray[np.bool_]:
    return view.head.interior((view.frame.shape[0], view.frame.shape[1]))


def _prepared(
    config: TrainConfig, view: View | None, mask: NDArray[np.bool_] | None, unsure: float
) -> NDArray[np.uint8] | None:
    """Image and mask of a view, uint8 (2, h, w).

    Args:
        config: The run's.
        view: None if there is none.
        mask: bool (H, W); None if there is no head.
        unsure: Half the width of the band in which nothing is learned.
    """
    if view is None:
        return None
    prepared = prepare(view.frame, config.image_size, view.pixel_size_mm, config.resize_rule)
    coverage: NDArray[np.uint8] = np.zeros(config.image_size, dtype=np.uint8)
    if mask is not None:
        coverage = np.rint(place_mask(mask, prepared.geometry) * (UNSURE - 1)).astype(np.uint8)
        if unsure:
            band = [_scaled(view.head, 1 + sign * unsure).interior(mask.shape) for sign in (1, -1)]  # type: ignore[arg-type]
            coverage[place_mask(band[0] & ~band[1], prepared.geometry) > 0.5] = UNSURE
    return np.stack([prepared.image, coverage])


def _scaled(head: Ellipse, factor: float) -> Ellipse:
    return Ellipse(head.center_x, head.center_y, head.semi_major * factor, head.semi_minor * factor, head.angle_deg)


@lru_cache(maxsize=1)
def _photographs() -> tuple[NDArray[np.uint8], ...]:
    return tuple(photographs(0, _PHOTOGRAPH_PARTS).values())
