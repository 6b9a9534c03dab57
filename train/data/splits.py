"""Which images train, choose and test."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from edge_runtime.common.cli import counted
from edge_runtime.common.text import read_text
from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.image_folders import canonical_name
from train.data.hc18 import Dataset, exam_of
from train.data.reference import Reference

R = TypeVar("R", bound=Reference)

SplitName = Literal[
    "paper", "grouped", "fold-1", "fold-2", "fold-3", "fold-4", "fold-5",
    "cross-1", "cross-2", "cross-3", "cross-4", "cross-5",
]  # fmt: skip
SPLITS: tuple[SplitName, ...] = ("paper", "grouped")
"""Those that a network is reported on."""

FOLDS: tuple[SplitName, ...] = ("fold-1", "fold-2", "fold-3", "fold-4", "fold-5")
"""Cross-validation, to choose between ways of training without the test part of ``grouped``."""

CROSS: tuple[SplitName, ...] = ("cross-1", "cross-2", "cross-3", "cross-4", "cross-5")
"""Cross-validation of every exam, to score all images by networks that have not seen them."""

VAL_SHARE = 0.1
"""Share of exams (of the training list) that ``grouped`` sets aside to choose the epoch on."""

LEAST_VAL = 22
"""Exams that ``cross-K`` sets aside at least, where there are twice as many: limits need 20 measured images."""


@dataclass(frozen=True)
class Split:
    """Names of the images of each part, each sorted.

    Attributes:
        name: ``paper``, ``grouped``, ``fold-1`` to ``fold-5`` or ``cross-1`` to ``cross-5``.
        train: Trained on.
        val: The epoch is chosen on these; empty for ``paper`` and folds, which keep the last.
        test: Reported.
    """

    name: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Hash of the three lists."""
        text = "\n".join(f"{part} {name}" for part in ("train", "val", "test") for name in getattr(self, part))
        return hashlib.sha256(text.encode()).hexdigest()


def make_split(dataset: Dataset, name: SplitName, seed: int = 0) -> Split:
    """Divide a data set.

    ``paper`` is the lists ``splits/paper_train.txt`` and ``paper_test.txt`` where present, else a seeded 80/20 over
    images. ``grouped`` has no exam on two sides: its test part is what ``paper_test.txt`` holds of exams that
    ``paper_train.txt`` lacks; train and val are ``paper_train.txt`` divided by exam. Without lists, 80/10/10 by exam.
    One's own lists ``splits/val.txt`` and ``splits/test.txt`` come first; the other images train.
    ``fold-K`` leaves the test part of ``grouped`` out, divides the other exams in five, tests on the K-th fifth and
    trains on the others. ``cross-K`` divides all exams in five, tests on the K-th fifth, and sets some of the others
    aside to validate on.

    Args:
        dataset: What to divide.
        name: One of :data:`SPLITS`, :data:`FOLDS` or :data:`CROSS`.
        seed: Of the random divisions.
    """
    if name in FOLDS:
        return _fold(dataset, name, seed)
    if name in CROSS:
        return _cross(dataset, name, seed)
    lists = _paper_lists(dataset)
    if name == "paper":
        train, test = lists or _take(sorted(dataset.samples), 0.2, seed)
        return Split(name, tuple(sorted(train)), (), tuple(sorted(test)))
    if own := _own_lists(dataset):
        return own
    if lists:
        train, test = lists
        seen = {exam_of(n) for n in train}
        test = [n for n in test if exam_of(n) not in seen]
        train_exams, val_exams = _take(sorted(seen), VAL_SHARE, seed)
    else:
        train = test = list(dataset.samples)
        exams = sorted({exam_of(n) for n in train})
        if len(exams) < 3:
            raise InputError(
                f"{dataset.root} has {counted(len(train), 'image')} of {counted(len(exams), 'exam')} (what stands "
                "before the first _ in a name), and three parts need at least 3. Add images, or name them "
                "EXAM_anything."
            )
        rest, test_exams = _take(exams, 0.1, seed)
        train_exams, val_exams = _take(rest, 1 / 9, seed)
        test = [n for n in test if exam_of(n) in set(test_exams)]
    parts = [tuple(sorted(n for n in train if exam_of(n) in set(exams))) for exams in (train_exams, val_exams)]
    return Split(name, parts[0], parts[1], tuple(sorted(test)))


def _fold(dataset: Dataset, name: SplitName, seed: int) -> Split:
    test_exams = {exam_of(n) for n in make_split(dataset, "grouped", seed).test}
    names = sorted(n for n in dataset.samples if exam_of(n) not in test_exams)
    exams = sorted({exam_of(n) for n in names})
    chosen = set(random.Random(seed).sample(exams, len(exams))[FOLDS.index(name) :: len(FOLDS)])
    parts = [tuple(n for n in names if (exam_of(n) in chosen) == inside) for inside in (False, True)]
    return Split(name, parts[0], (), parts[1])


def _cross(dataset: Dataset, name: SplitName, seed: int) -> Split:
    exams = sorted({exam_of(n) for n in dataset.samples})
    if len(exams) < len(CROSS):
        raise InputError(f"{dataset.root} has {counted(len(exams), 'exam')}; a cross-validation needs {len(CROSS)}.")
    test = set(random.Random(seed).sample(exams, len(exams))[CROSS.index(name) :: len(CROSS)])
    rest = [exam for exam in exams if exam not in test]
    count = max(round(VAL_SHARE * len(rest)), min(LEAST_VAL, len(rest) // 2))
    val = set(random.Random(seed).sample(rest, count))
    parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for image in sorted(dataset.samples):
        exam = exam_of(image)
        parts["test" if exam in test else "val" if exam in val else "train"].append(image)
    return Split(name, *map(tuple, parts.values()))


def draw(names: Sequence[str], count: int) -> list[str]:
    """So many of a split's names, at random but always the same, sorted; fewer are a part of more.

    Raises:
        UsageError: There are not so many.
    """
    if count > len(names):
        raise UsageError(f"--train-images is {count}; the training part holds {len(names)} images.")
    return sorted(random.Random(0).sample(sorted(names), len(names))[:count])


def evenly_spaced(samples: Sequence[R], count: int) -> list[R]:
    """At most ``count`` samples, evenly spaced in the order of their head circumference, the extremes included.

    Head circumference follows gestational age, and with it what a frame looks like.
    """
    ordered = sorted(samples, key=lambda s: (s.hc_mm, s.name))
    if count >= len(ordered):
        return ordered
    return [ordered[i] for i in np.linspace(0, len(ordered) - 1, count).round().astype(int)]


def _take(items: list[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Divide a sorted list into the rest and a random share (at least one of each)."""
    if len(items) < 2:
        raise InputError(f"A split needs at least 2 images or exams to divide; there is {len(items)}.")
    shuffled = random.Random(seed).sample(items, len(items))
    count = min(max(1, round(share * len(items))), len(items) - 1)
    return shuffled[count:], shuffled[:count]


def _own_lists(dataset: Dataset) -> Split | None:
    """``grouped`` by one's own lists of validation and test images; None without such lists.

    Raises:
        InputError: A list is missing or empty, names an image that is not there, leaves none to train on, or shares
            an exam with another part.
    """
    paths = [dataset.root / "splits" / f"{part}.txt" for part in ("val", "test")]
    if not any(path.exists() for path in paths):
        return None
    if missing := [path for path in paths if not path.exists()]:
        raise InputError(
            f"{missing[0]} is missing. Your own division needs both lists: {paths[0].name}, {paths[1].name}."
        )
    val, test = (_read_list(path) for path in paths)
    _check_there(dataset, [*val, *test])
    train = [name for name in dataset.samples if name not in {*val, *test}]
    parts = {"the training part": train, paths[0].name: val, paths[1].name: test}
    for name, images in parts.items():
        if not images:
            raise InputError(f"{dataset.root / 'splits'}: {name} holds no images. Each part needs some.")
    for (one, some), (other, others) in itertools.combinations(parts.items(), 2):
        if both := sorted({exam_of(n) for n in some} & {exam_of(n) for n in others}):
            raise InputError(
                f"{dataset.root / 'splits'}: exam {both[0]} (what stands before the first _ in a name) is in {one} and "
                f"in {other}. Put all images of an exam into one part."
            )
    return Split("grouped", *(tuple(sorted(images)) for images in (train, val, test)))


def _paper_lists(dataset: Dataset) -> tuple[list[str], list[str]] | None:
    folder = dataset.root / "splits"
    paths = [folder / "paper_train.txt", folder / "paper_test.txt"]
    if not all(p.exists() for p in paths):
        return None
    train, test = (_read_list(path) for path in paths)
    both = sorted(set(train) & set(test))
    if both:
        raise InputError(
            f"{folder}: {len(both)} images are in paper_train.txt and in paper_test.txt, the first is {both[0]}. "
            "A network may not be tested on what it was trained on: take them out of one list."
        )
    _check_there(dataset, [*train, *test])
    return train, test


def _check_there(dataset: Dataset, names: Sequence[str]) -> None:
    """Raise an error that names the first image in a list that the data set lacks."""
    if missing := sorted(set(names) - set(dataset.samples)):
        folder = dataset.root / "splits"
        raise InputError(f"{folder} lists {len(missing)} images that {dataset.root} lacks, the first is {missing[0]}.")


def _read_list(path: Path) -> list[str]:
    """The names in a list, one a line, each once."""
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a list of image names: {error}.") from error
    return list(dict.fromkeys(canonical_name(line.strip()) for line in lines if line.strip()))
