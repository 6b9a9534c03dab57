"""Where the tissue is in an ultrasound picture, and how large its pixels are (PS3.3, C.8.5.5).

A pixel size is used only if nothing in the file speaks against it. Otherwise the reason takes its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.dicom.codes import CM, DATA_TYPES, FORMATS, NO_FORMAT, TISSUE, TWO_D, UNITS
from edge_runtime.frame.geometry import Box
from edge_runtime.frame.pixel_sizes import check_pixel_sizes
from edge_runtime.frame.preprocess import MIN_FRAME_SIDE

_SAME = 0.01
"""Pixel sizes that differ by less than this share are taken for the same number, rounded in another way."""


@dataclass(frozen=True)
class Region:
    """An ultrasound region as its file describes it.

    Attributes:
        box: Where it is. The file gives the last row and column; this is one beyond.
        spatial_format: Code of what its axes are; 1 is 2-D.
        data_type: Code of what it shows; 1 is tissue.
        units: Codes of the units of x and y; 3 is cm.
        delta: Size of a pixel along x and y, in these units. Its sign tells the direction of the axis.
    """

    box: Box
    spatial_format: int
    data_type: int
    units: tuple[int, int]
    delta: tuple[float, float]

    @property
    def name(self) -> str:
        """What it shows, in words: ``2-D tissue``."""
        form = FORMATS.get(self.spatial_format, f"format {self.spatial_format}")
        return f"{form} {DATA_TYPES.get(self.data_type, f'data of type {self.data_type}')}"

    @property
    def is_tissue(self) -> bool:
        """Whether it shows tissue in two dimensions."""
        return (self.spatial_format, self.data_type) == (TWO_D, TISSUE)

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"columns {self.box.left} to {self.box.right - 1}, rows {self.box.top} to {self.box.bottom - 1}"


@dataclass(frozen=True)
class Scale:
    """The part of a picture to measure, and its pixel size.

    Attributes:
        part: The tissue region. None for the whole picture, if no region says where the tissue is.
        pixel_size_mm: (x, y). None if there is none that can be relied on.
        doubt: Why there is none. None if there is one.
    """

    part: Box | None
    pixel_size_mm: tuple[float, float] | None
    doubt: str | None


def find_scale(
    regions: Sequence[Region],
    size: tuple[int, int],
    spacing_mm: tuple[float, float] | None = None,
    chosen: int | None = None,
) -> Scale:
    """Find the tissue region of a picture, and its pixel size.

    Args:
        regions: All regions of the file.
        size: (height, width) of the picture, in pixels.
        spacing_mm: (x, y) of the file's PixelSpacing. None if it has none. It can only contradict the region.
        chosen: Which of several tissue regions to measure, counted from 1. None if there is one.

    Raises:
        InputError: There are several, and none is chosen.
        UsageError: There is no region with the chosen number.
    """
    tissues = list(dict.fromkeys(region for region in regions if region.is_tissue))
    if not tissues:
        if chosen is not None:
            raise UsageError(f"there is no tissue region {chosen}: this file has none. Leave out --region")
        return Scale(None, None, _nothing_found(regions))
    region = _choose(tissues, chosen)
    height, width = size
    beyond = next((other for other in (region, *regions) if not _is_inside(other, size)), None)
    if beyond is not None:
        return Scale(
            None,
            None,
            f"an ultrasound region ({beyond.place}) lies outside of the picture ({width}x{height}), which was "
            "probably scaled or cut, so the file's pixel size does not hold",
        )
    box = region.box
    part = Box(box.top, min(box.bottom, height), box.left, min(box.right, width))
    if min(part.size) < MIN_FRAME_SIDE:
        return Scale(None, None, f"the tissue region ({region.place}) is too small to measure in")
    doubt = _doubt(region, regions, spacing_mm)
    return Scale(part, None, doubt) if doubt else Scale(part, _size_mm(region), None)


def _nothing_found(regions: Sequence[Region]) -> str:
    if not regions:
        return "the file has no ultrasound region, so it does not say how large a pixel is"
    names = ", ".join(dict.fromkeys(region.name for region in regions[:5]))
    return f"none of the file's ultrasound regions is 2-D tissue (found: {names}), so the pixel size is unknown"


def _choose(tissues: Sequence[Region], chosen: int | None) -> Region:
    if chosen is None and len(tissues) > 1:
        places = "; ".join(f"{n}: {region.place}" for n, region in enumerate(tissues[:8], 1))
        raise InputError(
            f"it has {len(tissues)} tissue regions, and one is measured. Choose it: --region N ({places})",
        )
    if chosen is not None and not 1 <= chosen <= len(tissues):
        count = f"{len(tissues)} tissue region{'s' * (len(tissues) > 1)}"
        raise UsageError(f"it has {count}; there is no region {chosen}. Regions are counted from 1")
    return tissues[(chosen or 1) - 1]


def _is_inside(region: Region, size: tuple[int, int]) -> bool:
    """Whether a region lies in the picture. Some scanners write an end that is one pixel beyond."""
    return region.box.within((size[0] + 1, size[1] + 1))


def _doubt(region: Region, regions: Sequence[Region], spacing_mm: tuple[float, float] | None) -> str | None:
    """Why the region's pixel size must not be used."""
    x, y = (UNITS.get(unit, f"code {unit}") for unit in region.units)
    if region.units[0] != region.units[1]:
        return f"the tissue region's pixel size has two units ({x} across, {y} down)"
    if region.units != (CM, CM):
        return f"the tissue region's pixel size is in another unit than cm ({x})"
    try:
        size = _size_mm(region)
    except (UsageError, ValueError):
        return f"the tissue region's pixel size cannot be ({region.delta[0]:g} x {region.delta[1]:g} cm)"
    for other in regions:
        if other.spatial_format != NO_FORMAT and _overlap(region.box, other.box) and not _same_scale(region, other):
            return (
                f"another ultrasound region ({other.name}, {other.place}) with another scale lies on the tissue "
                f"region ({region.place})"
            )
    if spacing_mm is not None and not _close(size, spacing_mm, _SAME):
        return (
            f"the file gives two pixel sizes ({size[0]:.4g} x {size[1]:.4g} mm in its tissue region, "
            f"{spacing_mm[0]:.4g} x {spacing_mm[1]:.4g} mm as PixelSpacing)"
        )
    return None


def _size_mm(region: Region) -> tuple[float, float]:
    return check_pixel_sizes((abs(region.delta[0]) * 10, abs(region.delta[1]) * 10))


def _overlap(a: Box, b: Box) -> bool:
    return a.top < b.bottom and b.top < a.bottom and a.left < b.right and b.left < a.right


def _same_scale(a: Region, b: Region) -> bool:
    return b.spatial_format == TWO_D and a.units == b.units and _close(a.delta, b.delta, 1e-6)


def _close(a: tuple[float, float], b: tuple[float, float], share: float) -> bool:
    """Whether two sizes of a pixel are the same but for a small share. Their signs do not matter."""
    return all(math.isclose(abs(p), abs(q), rel_tol=share) for p, q in zip(a, b, strict=True))
