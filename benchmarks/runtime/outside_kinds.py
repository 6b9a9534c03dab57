"""The frames of a folder by kind, and the references beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.artifact.manifest import Manifest
from edge_runtime.common.cli import counted
from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.image_files import read_image
from edge_runtime.frame.image_folders import SUFFIXES, list_images
from edge_runtime.head.ellipse import Ellipse, EllipseError, fit_ellipse, outline_points
from train.data.others import HEADS, MASK, NOT_HEADS, STRAY, head_region

Meaning = Literal["heads", "not heads", "unknown"]
"""What frames show: heads that are to be measured, no head that can be measured, or nobody said which."""


@dataclass(frozen=True)
class Kind:
    """Frames of one kind: those of one folder.

    Attributes:
        name: The folder's path below the one that was asked for, such as ``heads/spain``.
        meaning: What the frames show.
        frames: The image files, sorted by name.
        masks: The reference of a frame, by the frame's file.
        lone_masks: Masks without a frame.
    """

    name: str
    meaning: Meaning
    frames: tuple[Path, ...]
    masks: dict[Path, Path] = field(default_factory=dict)
    lone_masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Reference:
    """The head as somebody drew it.

    Attributes:
        mask: bool (H, W): one region without holes, cut off where the head leaves the frame.
        ellipse: The ellipse fitted to its outline, in pixels.
    """

    mask: NDArray[np.bool_]
    ellipse: Ellipse


def find_kinds(folder: Path, limit: int | None = None) -> list[Kind]:
    """Find the frames in a folder and all below it. Each folder that holds some is a kind; hidden folders are left out.

    Args:
        folder: The folder.
        limit: Most frames of a kind, spread evenly over its files. None for all.

    Returns:
        The kinds in the order of their folders' names, each with a frame or a mask.

    Raises:
        UsageError: There is no such folder, it has no frames, it cannot be read, or frames that should show no head
            have masks.
    """
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder}. Name a folder of image files, or one with a folder for each kind."
        )
    below = sorted(path for path in folder.rglob("*") if path.is_dir())
    kinds = [_kind(place, folder, limit) for place in (folder, *below)]
    if not any(kind.frames for kind in kinds):
        raise UsageError(f"{folder} and the folders below it have no images ({', '.join(SUFFIXES)}).")
    return [kind for kind in kinds if kind.frames or kind.lone_masks]


def unseen(kinds: Sequence[Kind], manifest: Manifest) -> list[Kind]:
    """The kinds that an artifact's network was not trained on, nor its limits derived from.

    Raises:
        UsageError: There are none.
    """
    records = manifest.checkpoint.get("data", {}), manifest.quality.get("from", {})
    known = {name for record in records for name in record.get("others") or {}}
    # A kind's name depends on the folder that was asked for: it is "lung" below "not_heads".
    ends = known | {name.split("/")[-1] for name in known}
    found = [kind for kind in kinds if kind.name not in ends]
    if not any(kind.frames for kind in found):
        raise UsageError(
            f"{manifest.name} was trained on all these kinds ({', '.join(kind.name for kind in kinds)}), or its limits "
            "were derived from them. Measure them without --unseen, or train with --leave-out KIND."
        )
    return found


def _kind(place: Path, folder: Path, limit: int | None) -> Kind:
    parts, top = place.relative_to(folder).parts, folder.resolve().name
    name = "/".join(parts) or top
    if any(part.startswith(".") for part in parts):
        return Kind(name, "unknown", ())
    images = list_images(place).images
    masks = {path.stem.removesuffix(MASK): path for path in images if path.stem.endswith(MASK)}
    frames = [path for path in images if not path.stem.endswith(MASK)]
    stems = {path.stem for path in frames}
    if limit is not None and limit < len(frames):
        frames = [frames[i * len(frames) // limit] for i in range(limit)]
    return Kind(
        name,
        _meaning((top, *parts), place, bool(masks)),
        tuple(frames),
        {frame: masks[frame.stem] for frame in frames if frame.stem in masks},
        tuple(path for stem, path in masks.items() if stem not in stems),
    )


def _meaning(parts: tuple[str, ...], place: Path, has_masks: bool) -> Meaning:
    if NOT_HEADS in parts:
        if has_masks:
            raise UsageError(
                f"{place} has masks (files named NAME{MASK}.png), but a folder named {NOT_HEADS} says that no head can "
                "be measured in these frames. Move the masks, or the folder."
            )
        return "not heads"
    return "heads" if has_masks or HEADS in parts else "unknown"


def read_reference(path: Path, size: tuple[int, int]) -> Reference:
    """Read a mask, the filled head. Values above 127 are head; of a colour image, those of its first channel.

    Args:
        path: The image file.
        size: (H, W) of its frame.

    Raises:
        InputError: It cannot be read, has another size, or is not one region with an outline.
        UsageError: There is no such file.
    """
    pixels = read_image(path)
    mask = (pixels if pixels.ndim == 2 else pixels[:, :, 0]) > 127
    if mask.shape != size:
        (height, width), (high, wide) = mask.shape, size
        raise InputError(
            f"{path} has {width} x {height} pixels, its frame {wide} x {high}. Draw it at the frame's size."
        )
    region, count, stray = head_region(mask)
    if stray > STRAY:
        raise InputError(
            f"{path} has {counted(count, 'region')}; {stray:.0%} of it lies beside the largest. A reference is one "
            "region, the filled head."
        )
    try:
        return Reference(region, fit_ellipse(outline_points(region, 0.5)))
    except EllipseError as error:
        raise InputError(f"{path} is not the mask of a head: {error}. White is the head, black all else.") from error
