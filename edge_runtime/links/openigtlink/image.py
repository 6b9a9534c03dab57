"""An IMAGE message as a frame, with its pixel size and its place."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.errors import FetalHeadError, InputError, UsageError
from edge_runtime.frame.pixel_sizes import PixelSize, check_pixel_sizes
from edge_runtime.frame.preprocess import check_frame
from edge_runtime.links.openigtlink.wire import Message
from edge_runtime.streaming.scale import Scale
from edge_runtime.streaming.slot import Frame

_ONE_MM = 1e-5
"""A spacing that differs less from 1 mm was 1 before it went through a turn in float32."""

_SQUARE = 1e-3
"""Largest cosine of the angle between the rows and the columns of an image; what is above is sheared."""


@dataclass(frozen=True)
class Place:
    """Where the pixels of an image lie.

    Attributes:
        matrix: (4, 4), from column, row, slice, 1 to mm.
        world: Axes of the millimetres: ``ras`` or ``lps``.
        size: (height, width) in pixels.
    """

    matrix: NDArray[np.float64]
    world: str
    size: tuple[int, int]

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Width and height of a pixel in mm."""
        x, y = np.linalg.norm(self.matrix[:3, :2], axis=0).tolist()
        return x, y


@dataclass(frozen=True)
class Origin:
    """What a result needs to know of the message that its frame came in.

    Attributes:
        device: The sender's name of the image.
        timestamp_s: The sender's time, in seconds since 1970.
        place: Where its pixels lie. None if the message could not be read.
    """

    device: str
    timestamp_s: float
    place: Place | None = None


class PixelSizes:
    """Which pixel size holds for an image: what the user gave, else that of its matrix, if it can be believed.

    Args:
        given: What the user gave, for images of the first one's size. None for that of each image's matrix.
        trust_spacing: Believe a matrix that says 1 mm for both sides.
    """

    def __init__(self, given: PixelSize | None, trust_spacing: bool) -> None:
        self._scale = Scale(None if given is None else check_pixel_sizes(given))
        self._trust_spacing = trust_spacing

    def of(self, place: Place) -> tuple[tuple[float, float] | None, str | None]:
        """The pixel size (x, y) in mm, or None and why there is none."""
        if self._scale.pixel_size_mm is not None:
            self._scale = self._scale.after(place.size)
            if self._scale.other_size is None:
                return self._scale.pixel_size_mm, None
            return None, (
                "the size of the images has changed, so --pixel-size-mm may no longer hold; start the link again with "
                "the pixel size of the new ones"
            )
        spacing, turned = place.spacing_mm, place.matrix[:3, :2] / place.spacing_mm
        if max(abs(side - 1) for side in spacing) < _ONE_MM and not self._trust_spacing:
            return None, (
                "the image's matrix says that pixels are exactly 1 mm wide and high, which is what senders write that "
                "do not know; let the sender give the true spacing, or add --pixel-size-mm, or --trust-spacing if "
                "it is 1 mm"
            )
        if abs(float(turned[:, 0] @ turned[:, 1])) > _SQUARE:
            return None, "the image's matrix is sheared, so its pixels have no width and height; correct it"
        try:
            return check_pixel_sizes(spacing), None
        except UsageError:
            return None, (
                f"the image's matrix says that pixels are {spacing[0]:.4g} x {spacing[1]:.4g} mm, which cannot be; "
                "let the sender give millimetres, or add --pixel-size-mm"
            )


def read_image(message: Message, sizes: PixelSizes) -> Frame:
    """A frame for a stream: the pixels, or the error that says why there are none. Its tag is an :class:`Origin`.

    Args:
        message: An IMAGE.
        sizes: Which pixel size holds.
    """
    pyigtl = require("pyigtl.messages")
    header = message.header[:14] + bytes(20) + message.header[34:]  # without the name, which may be no text
    fields = pyigtl.MessageBase.parse_header(header)
    origin = Origin(message.device, fields["timestamp"])
    try:
        if message.error is not None:
            raise message.error
        pixels, place = _unpack(pyigtl, fields, message.body)
        size, doubt = sizes.of(place)
    except FetalHeadError as error:
        return Frame(error.with_traceback(None), tag=origin)
    return Frame(pixels, size, doubt=doubt, tag=Origin(origin.device, origin.timestamp_s, place))


def _unpack(pyigtl: object, fields: dict[str, object], body: bytes) -> tuple[NDArray[np.uint8], Place]:
    image = pyigtl.ImageMessage()  # type: ignore[attr-defined]
    try:
        with np.errstate(invalid="ignore"):  # an infinite matrix is refused below
            image.unpack(fields, body)
    except NotImplementedError:
        raise InputError("This IMAGE holds a part of a larger one (a subvolume). Send whole frames.") from None
    except (KeyError, ValueError, TypeError, IndexError, UnicodeDecodeError, struct.error):
        raise InputError(
            "This IMAGE cannot be read: it has an unknown scalar type, or not as many pixels as it says."
        ) from None
    voxels, matrix = image.image, image.ijk_to_world_matrix
    slices, height, width = voxels.shape[:3]
    if 0 in voxels.shape:
        raise InputError(f"This IMAGE is empty: {width} x {height} x {slices} pixels. Send frames with pixels in them.")
    if slices != 1:
        flat = " A pyigtl sender gives pixels[None], of shape (1, height, width)." if width == 1 else ""
        raise InputError(f"This IMAGE is a volume, {width} x {height} x {slices}. Send single frames.{flat}")
    if voxels.ndim != 3:
        raise InputError(f"This IMAGE is in colour, with {voxels.shape[3]} components. Send grey frames (B-mode).")
    if voxels.dtype != np.uint8:
        raise InputError(f"This IMAGE is of type {voxels.dtype.name}. Send uint8, scaled as on the scanner's screen.")
    place = Place(matrix, image.world_coordinate_system, (height, width))
    if not np.isfinite(matrix).all() or min(place.spacing_mm) == 0:
        raise InputError("The matrix of this IMAGE is zero or not a number. Give each pixel a width and a height.")
    return check_frame(voxels[0]), place
