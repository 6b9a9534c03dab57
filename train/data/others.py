"""Frames from elsewhere: other scanners' heads with rough masks, and frames without a head that can be measured."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.cli import counted, say
from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.image_folders import list_images
from edge_runtime.frame.preprocess import to_gray
from edge_runtime.head.components import largest_region
from edge_runtime.head.ellipse import Ellipse, EllipseError, fit_ellipse, outline_points

MASK = "_mask"
"""``NAME_mask.png`` is the mask of ``NAME.png``, filled, bright on black."""

STRAY = 0.01
"""Share of a mask beside its largest region from which it does not outline a head: parts of the brain were marked."""

HEADS, NOT_HEADS = "heads", "not_heads"


@dataclass(frozen=True)
class Other:
    """A frame from elsewhere.

    Attributes:
        path: The image.
        kind: The folder it is in, relative to the set's, such as ``not_heads/breast``.
        mask: Its mask; None if there is no head in it that can be measured.
    """

    path: Path
    kind: str
    mask: Path | None

    def frame(self) -> NDArray[np.uint8]:
        """The image in grey, uint8 (H, W)."""
        return to_gray(read_image(self.path))

    def head(self) -> Ellipse | None:
        """The ellipse fitted to the mask, in pixels. None without a mask, and of a mask that is not one whole region.

        Raises:
            InputError: The mask has another size than the image, or no ellipse fits it.
        """
        if self.mask is None:
            return None
        marked = to_gray(read_image(self.mask)) > 127
        if marked.shape != self.frame().shape:
            raise InputError(f"{self.mask} is {marked.shape[::-1]}, its image {self.frame().shape[::-1]} pixels large.")
        region, _, stray = head_region(marked)
        if stray > STRAY:
            return None
        try:
            return fit_ellipse(outline_points(region, 0.5))
        except EllipseError as error:
            raise InputError(f"{self.mask}: no ellipse can be fitted to this mask: {error}.") from error


def head_region(marked: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int, float]:
    """The region of a mask that is the head.

    Args:
        marked: bool (H, W).

    Returns:
        The largest region, bool (H, W); the number of regions; and the share of the mask beside it, 0 to 1. Above
        :data:`STRAY`, the mask does not outline a head.
    """
    region, count = largest_region(marked)
    return region, count, np.count_nonzero(marked & ~region) / max(1, np.count_nonzero(marked))


def read_others(root: Path) -> list[Other]:
    """Read a folder of frames from elsewhere: ``heads/SET`` with a mask beside each image, and ``not_heads/KIND``.

    Args:
        root: The folder.

    Returns:
        Its frames, sorted by kind and name, without heads whose mask is not one whole region.

    Raises:
        UsageError: There is no such folder, or it holds no frames.
        InputError: A head has no mask, or a mask no image.
    """
    found: list[Other] = []
    for part in (HEADS, NOT_HEADS):
        place = root / part
        for folder in sorted(p for p in place.iterdir() if p.is_dir()) if place.is_dir() else ():
            kind = f"{part}/{folder.name}"
            images = {p.stem: p for p in list_images(folder).images}
            masks = {name[: -len(MASK)]: p for name, p in images.items() if name.endswith(MASK)}
            frames = {name: p for name, p in images.items() if not name.endswith(MASK)}
            if part == HEADS and (bare := sorted(frames.keys() - masks.keys())):
                raise InputError(f"{frames[bare[0]]} has no mask: {bare[0]}{MASK}.png is missing. Move the image away.")
            if alone := sorted(masks.keys() - frames.keys()):
                raise InputError(f"{masks[alone[0]]} is the mask of no image. Move it away.")
            found += [Other(p, kind, masks.get(name)) for name, p in sorted(frames.items())]
    torn = [other for other in found if other.mask is not None and other.head() is None]
    if torn:
        say(f"{root}: {counted(len(torn), 'head')} left out: the mask is not one whole region")
    found = [other for other in found if other not in torn]
    if not found:
        raise UsageError(
            f"{root} holds no frames from elsewhere. It needs folders {HEADS}/SET, with a NAME{MASK}.png beside each "
            f"NAME.png, or {NOT_HEADS}/KIND."
        )
    return found


def find_others() -> Path | None:
    """The folder of frames from elsewhere on this machine: ``data/outside``, ``../shared/outside``; else None."""
    return next((p for p in (Path("data/outside"), Path("../shared/outside")) if p.is_dir()), None)


def without_kinds(others: Sequence[Other], kinds: Sequence[str]) -> list[Other]:
    """The frames that are of none of these kinds.

    Raises:
        UsageError: There is no such kind.
    """
    known = sorted({other.kind for other in others})
    if unknown := [kind for kind in kinds if kind not in known]:
        raise UsageError(f"There are no frames of the kind '{unknown[0]}'. There are: {', '.join(known) or 'none'}.")
    return [other for other in others if other.kind not in kinds]


def first_of_kinds(others: Sequence[Other], limit: int | None) -> list[Other]:
    """At most the first ``limit`` frames of each kind; all without a limit."""
    seen: Counter[str] = Counter()
    kept = []
    for other in others:
        seen[other.kind] += 1
        if limit is None or seen[other.kind] <= limit:
            kept.append(other)
    return kept


def count_kinds(others: Sequence[Other]) -> dict[str, int]:
    """Number of frames of each kind."""
    return dict(sorted(Counter(other.kind for other in others).items()))


def hash_others(others: Sequence[Other]) -> str:
    """One sha256 over the kinds, names and bytes of all frames and masks."""
    digest = hashlib.sha256()
    for other in others:
        digest.update(f"{other.kind}/{other.path.name}\n".encode())
        digest.update(other.path.read_bytes())
        if other.mask is not None:
            digest.update(other.mask.read_bytes())
    return digest.hexdigest()
