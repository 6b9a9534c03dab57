"""The pixels of one frame of a DICOM file, as viewers show them: grey or RGB, 8 bits a channel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.common.stderr import without_remarks
from edge_runtime.errors import InputError
from edge_runtime.frame.dicom.encoded import Stream, look_into
from edge_runtime.frame.dicom.header import Header, quiet

_PACKAGES = {"pillow": "PIL", "gdcm": "gdcm"}
"""Module that each of pydicom's plugins needs."""

_END = b"\xff\xd9"  # of a JPEG


def decode(data: bytes, header: Header, frame: int) -> NDArray[np.uint8]:
    """Decode one frame.

    Args:
        data: The file.
        header: Its header.
        frame: Which frame, counted from 1, at most ``header.frames``.

    Returns:
        uint8 (H, W) or (H, W, 3), RGB.

    Raises:
        InputError: The pixels are damaged. The file's name is missing from the message.
        FetalHeadError: A package is not installed.
    """
    pydicom_pixels, plugin = require("pydicom.pixels"), header.syntax.plugin
    if plugin in _PACKAGES:
        require(_PACKAGES[plugin])
    try:
        with quiet(), without_remarks(everything=plugin == "gdcm"):  # its JPEG library prints what it finds damaged
            if header.syntax.stream:
                _check_stream(_stream(data, header, frame), header)
            stored = pydicom_pixels.pixel_array(io.BytesIO(data), index=frame - 1, decoding_plugin=plugin)
        return _shown(stored, header)
    except InputError:
        raise
    except Exception as error:  # on damaged pixels decoders raise nearly anything
        raise InputError(
            f"the pixels of frame {frame} are damaged or cut short ({type(error).__name__}). Copy or export it again"
        ) from None


def _stream(data: bytes, header: Header, frame: int) -> bytes:
    """The compressed bytes of a frame."""
    file = io.BytesIO(data)
    found = require("pydicom").dcmread(file, stop_before_pixels=True, specific_tags=_OFFSETS)
    file.seek(12, io.SEEK_CUR)  # tag, representation and length of the pixels, all of which are explicit here
    offsets = tuple(bytes(found[name].value) for name in _OFFSETS if name in found)
    extended: Any = offsets if len(offsets) == 2 else None
    stream: bytes = require("pydicom.encaps").get_frame(
        file, frame - 1, number_of_frames=header.frames, extended_offsets=extended
    )
    return stream


_OFFSETS = ["ExtendedOffsetTable", "ExtendedOffsetTableLengths"]


def _check_stream(stream: bytes, header: Header) -> None:
    if header.syntax.plugin == "gdcm" and not stream.rstrip(b"\0").endswith(_END):  # the others notice by themselves
        raise InputError("its pixels are cut short. Copy or export it again")
    found = look_into(stream, header.syntax.stream)
    wanted = Stream(*header.size, header.channels, 16 if header.palette and found and found.bits > 8 else 8)
    if found is None:
        raise InputError(f"its pixels are not {header.syntax.name}, as its header says. Export it again")
    if found != wanted:
        raise InputError(
            f"its pixels are {found.width} x {found.height} with {found.channels} channels of {found.bits} bits, but "
            f"its header says {wanted.width} x {wanted.height} with {wanted.channels} of {wanted.bits}. Export it again"
        )


def _shown(stored: NDArray[Any], header: Header) -> NDArray[np.uint8]:
    """Stored values as they are shown."""
    shape = header.size if header.channels == 1 else (*header.size, 3)
    if stored.shape != shape or stored.dtype.kind != "u" or stored.dtype.itemsize > (2 if header.palette else 1):
        raise ValueError
    if header.palette is not None:
        return header.palette.apply(stored)
    windowed = stored if header.window is None else header.window[stored]
    shown = 255 - windowed if header.colors == "MONOCHROME1" else windowed
    return np.ascontiguousarray(shown)
