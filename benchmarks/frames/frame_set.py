"""Frame sets: grey frames with their references, packed in one file. Reading one needs only numpy and the runtime.

The file is a line ``fetal-head-edge frames VERSION SHA256``, a line of JSON (:class:`Header`), and the frames, each a
zlib stream of its grey bytes, row by row. The line's SHA-256 is that of everything after it. In the streams, a
grey byte is its difference from the one on its left, and that its difference from the one above, modulo 256: zlib packs
this better.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.files import read_bounded, write_bytes
from edge_runtime.common.record import from_json, to_json
from edge_runtime.errors import FetalHeadError, InputError, ModelError, UsageError
from edge_runtime.frame.pixel_sizes import check_pixel_sizes
from edge_runtime.frame.preprocess import check_frame
from edge_runtime.head.ellipse import Ellipse

VERSION = 1
MAGIC = b"fetal-head-edge frames"
SUFFIX = ".frames"

MAX_BYTES = 1 << 30
"""A larger file is not read. HC18's 999 images take about 250 MB."""

MAX_PIXELS = 1 << 28
"""A frame with more pixels is not unpacked."""

MAKE = "python -m benchmarks pack --out FILE"


@dataclass(frozen=True)
class Entry:
    """One frame in the header.

    Attributes:
        name: Name of the image file that it was.
        height: In pixels.
        width: In pixels.
        sha256: Of its grey bytes, row by row.
        packed_bytes: Length of its zlib stream.
        pixel_size_mm: Side of a pixel in mm.
        hc_mm: Reference head circumference in mm.
        ellipse: Reference ellipse in pixels; its interior is the reference mask.
    """

    name: str
    height: int
    width: int
    sha256: str
    packed_bytes: int
    pixel_size_mm: float
    hc_mm: float
    ellipse: Ellipse


@dataclass(frozen=True)
class Header:
    """What a frame set says of itself.

    Attributes:
        data: Title of the data set that it was made from.
        is_phantom: The frames are procedural phantoms, not ultrasound.
        split: Name of the split whose test part the frames are from.
        split_sha256: Of the split.
        n_images_in_test_part: Images in the test part.
        images_sha256: Of the image files and annotations; where the grey bytes were changed, of the frames in here.
        frames: The frames, in order.
    """

    data: str
    is_phantom: bool
    split: str
    split_sha256: str
    n_images_in_test_part: int
    images_sha256: str
    frames: tuple[Entry, ...]


@dataclass(frozen=True)
class PackedFrame:
    """A frame with its reference; to be scored like an image of a data set.

    Attributes:
        entry: Its line in the header.
        grey: uint8 (H, W).
    """

    entry: Entry
    grey: NDArray[np.uint8]

    @property
    def name(self) -> str:
        """Name of the image file that it was."""
        return self.entry.name

    @property
    def pixel_size_mm(self) -> float:
        """Side of a pixel in mm."""
        return self.entry.pixel_size_mm

    @property
    def hc_mm(self) -> float:
        """Reference head circumference in mm."""
        return self.entry.hc_mm

    def frame(self) -> NDArray[np.uint8]:
        """The frame, uint8 (H, W)."""
        return self.grey

    def ellipse(self) -> Ellipse:
        """The reference ellipse in pixels."""
        return self.entry.ellipse

    def mask(self) -> NDArray[np.bool_]:
        """The reference mask, bool (H, W)."""
        return self._mask

    @cached_property
    def _mask(self) -> NDArray[np.bool_]:
        return self.entry.ellipse.interior((self.entry.height, self.entry.width))


@dataclass(frozen=True)
class FrameSet:
    """A frame set that was read.

    Attributes:
        header: What it says of itself.
        sha256: The hash in its first line, which names it.
        frames: Its frames.
    """

    header: Header
    sha256: str
    frames: tuple[PackedFrame, ...]


def pack_grey(grey: NDArray[np.uint8]) -> bytes:
    """The zlib stream of a frame, uint8 (H, W)."""
    across = np.diff(grey, axis=1, prepend=np.uint8(0))  # uint8 wraps, as it should
    return zlib.compress(np.diff(across, axis=0, prepend=np.uint8(0)).tobytes(), 9)


def unpack_grey(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """The frame of a zlib stream, uint8 (H, W).

    Raises:
        ValueError: The stream is damaged, or holds another number of bytes.
    """
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(data, height * width + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(raw) != height * width or not stream.eof:
        raise ValueError(f"it does not hold {width} x {height} bytes")
    difference = np.frombuffer(raw, np.uint8).reshape(height, width)
    return np.cumsum(np.cumsum(difference, axis=0, dtype=np.uint8), axis=1, dtype=np.uint8)


def write_frame_set(path: Path, header: Header, packed: Sequence[bytes]) -> str:
    """Write a frame set; returns the SHA-256 that names it.

    Args:
        path: The file.
        header: What it says of itself.
        packed: The zlib stream of each of the header's frames.
    """
    body = json.dumps(to_json(header), allow_nan=False).encode() + b"\n" + b"".join(packed)
    sha256 = hashlib.sha256(body).hexdigest()
    write_bytes(path, MAGIC + f" {VERSION} {sha256}\n".encode() + body)
    return sha256


def read_frame_set(path: Path) -> FrameSet:
    """Read a frame set and check all of its hashes.

    Raises:
        UsageError: There is no such file.
        InputError: It is not a frame set, has another schema version, is cut short or damaged, or a frame cannot be
            used.
    """
    data = _read(path)
    first, _, body = data.partition(b"\n")
    words = first[:200].decode("ascii", "replace").removeprefix(MAGIC.decode()).split()
    if not first.startswith(MAGIC) or len(words) != 2:
        raise InputError(f"{path} is not a frame set. Make one with: {MAKE}")
    version, sha256 = words
    if version != str(VERSION):
        raise InputError(
            f"{path} has schema version {version[:20]}; this program reads {VERSION}. Make it again with: {MAKE}"
        )
    if hashlib.sha256(body).hexdigest() != sha256:
        raise InputError(f"{path} {_damage(body)}. Copy it again, or make it again with: {MAKE}")
    try:
        text, _, packed = body.partition(b"\n")
        header = from_json(Header, json.loads(text), path)
    except (ValueError, ModelError) as error:
        raise InputError(f"{path} has no usable header: {error} Make it again with: {MAKE}") from error
    return FrameSet(header, sha256, _frames(header, packed, path))


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_BYTES)
    except FileNotFoundError as error:
        raise UsageError(f"There is no frame set {path}. Make one with: {MAKE}") from error
    except (OSError, ValueError) as error:
        if path.is_dir():
            raise UsageError(f"{path} is a folder, not a frame set. Make one with: {MAKE}") from error
        raise InputError(f"{path} cannot be read as a frame set: {error}.") from error


def _damage(body: bytes) -> str:
    """What is wrong with a file whose hash differs: is it too short, or changed?"""
    text, _, packed = body.partition(b"\n")
    try:
        wanted = sum(int(frame["packed_bytes"]) for frame in json.loads(text)["frames"])
    except (ValueError, LookupError, TypeError):
        wanted = None
    if wanted is not None and len(packed) != wanted:
        return f"is cut short or has too much: its frames have {len(packed)} bytes, its header says {wanted}"
    return "does not match its SHA-256: it was changed or cut short"


def _frames(header: Header, packed: bytes, path: Path) -> tuple[PackedFrame, ...]:
    if not header.frames:
        raise InputError(f"{path} holds no frames. Make it again with: {MAKE}")
    names = [entry.name for entry in header.frames]
    if len(set(names)) < len(names):
        raise InputError(f"{path} holds two frames of one name. Make it again with: {MAKE}")
    frames, at = [], 0
    for entry in header.frames:
        try:
            frames.append(_frame(entry, packed[at : at + entry.packed_bytes]))
        except (ValueError, FetalHeadError) as error:
            raise InputError(f"{path}: frame {entry.name!r:.60} cannot be used: {error}.") from error
        at += entry.packed_bytes
    return tuple(frames)


def _frame(entry: Entry, packed: bytes) -> PackedFrame:
    sizes = (entry.height, entry.width, entry.packed_bytes)
    if min(sizes) < 1 or entry.height * entry.width > MAX_PIXELS:
        raise ValueError(f"it has {entry.width} x {entry.height} pixels in {entry.packed_bytes} bytes")
    check_pixel_sizes(entry.pixel_size_mm)
    axes = (entry.hc_mm, entry.ellipse.semi_minor, entry.ellipse.semi_major)
    if not all(math.isfinite(value) and value > 0 for value in axes):
        raise ValueError("its circumference and its ellipse's axes must be above 0")
    grey = unpack_grey(packed, entry.height, entry.width)
    if hashlib.sha256(grey.tobytes()).hexdigest() != entry.sha256:
        raise ValueError("its bytes do not match its SHA-256")
    check_frame(grey)
    return PackedFrame(entry, grey)
