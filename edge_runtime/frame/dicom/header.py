"""The header of an ultrasound image: what is needed to show and measure it, and nothing about the patient.

Only the elements listed here are read, so no name, date or identifier can reach a message or a result.
"""

from __future__ import annotations

import io
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.errors import InputError
from edge_runtime.frame.dicom.codes import COLORS, OTHER_SYNTAXES, SYNTAXES, ULTRASOUND, Syntax
from edge_runtime.frame.dicom.palette import Palette, make_palette
from edge_runtime.frame.dicom.regions import Region
from edge_runtime.frame.dicom.window import ELEMENTS as WINDOW
from edge_runtime.frame.dicom.window import make_window
from edge_runtime.frame.geometry import Box
from edge_runtime.frame.image_files import MAX_IMAGE_PIXELS

MARK, MARK_AT = b"DICM", 128
MAX_FRAMES = 100_000
MAX_REGIONS = 100

_CHANNELS = ("Red", "Green", "Blue")
_TABLES = [f"{part}{c}PaletteColorLookupTable{what}" for c in _CHANNELS for part, what in (
    ("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))]  # fmt: skip
_ELEMENTS = [
    "SOPClassUID", "Modality", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsAllocated", "BitsStored", "PixelRepresentation", "PixelSpacing", "BurnedInAnnotation",
    "SequenceOfUltrasoundRegions", "SeriesNumber", "InstanceNumber", *_TABLES, *WINDOW,
]  # fmt: skip
_LONG = (b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UN", b"UC", b"UR", b"UT")
"""Value representations whose length has four bytes."""


@dataclass(frozen=True)
class Header:
    """What a file says about its picture.

    Attributes:
        syntax: How its pixels are stored.
        size: (height, width), in pixels.
        frames: Number of frames.
        channels: 1 or 3.
        colors: The photometric interpretation, one of :data:`COLORS`.
        palette: The colours of stored values. None without a palette.
        window: The greys that stored values are shown as, uint8 (256,). None without a window, or with colours.
        regions: All ultrasound regions, in the file's order.
        spacing_mm: (x, y) of its PixelSpacing. None if it has none.
        burnt_in: Whether text that could identify the patient is part of the picture. None if the file does not say.
        place: The number of its series in the study, and its own in the series. 0 where the file does not say.
    """

    syntax: Syntax
    size: tuple[int, int]
    frames: int
    channels: int
    colors: str
    palette: Palette | None
    window: NDArray[np.uint8] | None
    regions: tuple[Region, ...]
    spacing_mm: tuple[float, float] | None
    burnt_in: bool | None
    place: tuple[int, int]


_QUIET = threading.RLock()
_LOGS = ("pydicom", "highdicom", "pynetdicom")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back pydicom's warnings and log, and those of what is built on it: they quote values of the file.

    Both belong to the whole process, so one thread at a time reads.
    """
    logs = [logging.getLogger(name) for name in _LOGS]
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = [log.propagate for log in logs]
        for log in logs:
            log.propagate = False
        try:
            yield
        finally:
            for log, propagated in zip(logs, before, strict=True):
                log.propagate = propagated


def read_header(data: bytes) -> Header:
    """Read the header of a DICOM file.

    Args:
        data: The file.

    Raises:
        InputError: It is damaged, not an ultrasound image, or of a form that is not read. The file's name is missing
            from the message.
        FetalHeadError: pydicom is not installed.
    """
    syntax = _syntax(data)
    pydicom = require("pydicom")
    file = io.BytesIO(data)
    try:
        with quiet():
            found = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_ELEMENTS)
            if "Modality" in found:  # its file may be cut short before
                _check_kind(found, pydicom)
            if data[file.tell() : file.tell() + 4] not in (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10"):
                raise InputError("it has no pixels, or is cut short. Copy or export it again")
            _check_kind(found, pydicom)
            return _header(found, syntax, big_endian=syntax.name.endswith("Big Endian"))
    except InputError:
        raise
    except Exception as error:  # on damaged files pydicom raises nearly anything; its text could quote the file
        raise InputError(
            f"its header is damaged or cut short ({type(error).__name__}). Copy or export it again"
        ) from None


def read_syntax(data: bytes) -> str:
    """The UID of a file's transfer syntax, from its first group of elements, before pydicom would inflate anything.

    Raises:
        InputError: There is none.
    """
    at, uid = MARK_AT + 4, ""
    while data[at : at + 2] == b"\x02\0":
        long = data[at + 4 : at + 6] in _LONG
        start = at + (12 if long else 8)
        length = int.from_bytes(data[at + 8 : at + 12] if long else data[at + 6 : at + 8], "little")
        if data[at + 2 : at + 4] == b"\x10\0":
            uid = data[start : start + min(length, 64)].decode("ascii", "replace").rstrip("\0 ")
            break
        at = start + length
    if not re.fullmatch(r"[0-9.]{5,64}", uid):
        raise InputError("its header does not say how it is stored. It is probably damaged; copy or export it again")
    return uid


def _syntax(data: bytes) -> Syntax:
    """The transfer syntax, if it is one that is read."""
    uid = read_syntax(data)
    if uid in SYNTAXES:
        return SYNTAXES[uid]
    name = OTHER_SYNTAXES.get(uid, f"of transfer syntax {uid}")
    read = ", ".join(known.name for known in SYNTAXES.values())
    raise InputError(f"its pixels are {name}, which is not read. Save it as one of: {read}")


def _check_kind(found: Any, pydicom: Any) -> None:
    """Refuse what is not an ultrasound image."""
    modality, kind = str(found.get("Modality", "")), str(found.get("SOPClassUID", ""))
    if modality == "US" and kind in ULTRASOUND:
        return
    name = pydicom.uid.UID(kind).name
    seen = [f"modality {modality}" if re.fullmatch(r"[A-Z]{2,8}", modality) else "no modality"]
    seen += [] if name == kind else [name]  # a number that no name is known for could be anything
    raise InputError(
        f"it is not an ultrasound image ({', '.join(seen)}). Only images and clips that the scanner itself stored as "
        "ultrasound (modality US) are measured"
    )


def _header(found: Any, syntax: Syntax, big_endian: bool) -> Header:
    height, width, channels = int(found.Rows), int(found.Columns), int(found.SamplesPerPixel)
    frames = int(found.get("NumberOfFrames") or 1)
    colors = str(found.PhotometricInterpretation)
    if height * width > MAX_IMAGE_PIXELS:
        raise InputError(f"it claims to have {width} x {height} pixels; at most {MAX_IMAGE_PIXELS} are decoded")
    if not (height and width and 1 <= frames <= MAX_FRAMES):
        raise InputError(f"it claims to have {frames} frames of {width} x {height} pixels, which cannot be")
    if colors not in COLORS or channels != (1 if colors.startswith(("MONO", "PALETTE")) else 3):
        name = colors if re.fullmatch(r"[A-Z0-9_ ]{1,16}", colors) else "unknown"
        raise InputError(
            f"its colours are {name} with {channels} channels; grey (MONOCHROME1, MONOCHROME2), palette, RGB and YBR "
            "are read"
        )
    _check_depth(found, colors)
    listed = found.get("SequenceOfUltrasoundRegions") or []
    if len(listed) > MAX_REGIONS:  # none may be left out: it could contradict the others
        raise InputError(f"it has {len(listed)} ultrasound regions; at most {MAX_REGIONS} are read")
    regions = tuple(map(_region, listed))
    spacing = found.get("PixelSpacing")
    return Header(
        syntax,
        (height, width),
        frames,
        channels,
        colors,
        _palette(found, big_endian) if colors == "PALETTE COLOR" else None,
        make_window(found) if colors.startswith("MONO") else None,
        regions,
        (float(spacing[1]), float(spacing[0])) if spacing else None,  # the file gives the height first
        {"YES": True, "NO": False}.get(str(found.get("BurnedInAnnotation", ""))),
        (int(found.get("SeriesNumber") or 0), int(found.get("InstanceNumber") or 0)),
    )


def _check_depth(found: Any, colors: str) -> None:
    allocated, stored, signed = int(found.BitsAllocated), int(found.BitsStored), int(found.PixelRepresentation)
    allowed = (8, 16) if colors == "PALETTE COLOR" else (8,)
    if allocated != stored or stored not in allowed or signed:
        raise InputError(
            f"it has {stored} bits a channel in {allocated}{', signed' * bool(signed)}; 8 in 8 are read, or with a "
            "palette 16 in 16, unsigned. How to scale others is a choice of the display, which is not guessed here. "
            "Save it with 8 bits, as it is displayed"
        )


def _region(item: Any) -> Region:
    left, top, right, bottom = (
        int(item.get(f"RegionLocation{name}", 0)) for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")
    )
    return Region(
        Box(top, bottom + 1, left, right + 1),
        int(item.get("RegionSpatialFormat", 0)),
        int(item.get("RegionDataType", 0)),
        (int(item.get("PhysicalUnitsXDirection", 0)), int(item.get("PhysicalUnitsYDirection", 0))),
        (float(item.get("PhysicalDeltaX", 0)), float(item.get("PhysicalDeltaY", 0))),
    )


def _palette(found: Any, big_endian: bool) -> Palette:
    segmented = "RedPaletteColorLookupTableData" not in found
    prefix = "Segmented" if segmented else ""
    tables = tuple(bytes(found[f"{prefix}{c}PaletteColorLookupTableData"].value) for c in _CHANNELS)
    descriptors = [[int(v) for v in found[f"{c}PaletteColorLookupTableDescriptor"].value] for c in _CHANNELS]
    if descriptors.count(descriptors[0]) != 3:
        raise InputError("its palette has channels of different length, which is not read. Save it as RGB")
    count, first, bits = descriptors[0]
    return make_palette((count, first, bits), tables, big_endian, segmented)
