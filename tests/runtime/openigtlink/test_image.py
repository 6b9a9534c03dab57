"""Which IMAGE is measured, with which pixel size, and why another is not. The messages are pyigtl's."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import numpy as np
import pyigtl
import pytest

from edge_runtime import FetalHeadError
from edge_runtime.links.openigtlink.image import Origin, PixelSizes, read_image
from edge_runtime.links.openigtlink.wire import Message, NotOpenIGTLink, read_message
from edge_runtime.streaming.slot import Frame

GREY = np.arange(40 * 60, dtype=np.uint8).reshape(40, 60)


def received(data: bytes) -> Message | None:
    """What comes out of a socket that this is sent through."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    with ours, theirs:
        sender.start()
        try:
            return read_message(ours)
        finally:
            sender.join()


def frame(image: Any, matrix: Any = None, given: Any = None, trust: bool = False, **about: Any) -> Frame:
    matrix = np.diag([0.2, 0.2, 0.2, 1]) if matrix is None else matrix
    with np.errstate(invalid="ignore"):
        data = pyigtl.ImageMessage(image, matrix, device_name="Image", timestamp=7.25, **about).pack()
    message = received(data)
    assert message is not None
    return read_image(message, PixelSizes(given, trust))


def turned(x: float, y: float, angle: float = 0.7) -> np.ndarray:
    """A matrix of pixels of x by y mm that lie askew in space."""
    cos, sin = np.cos(angle), np.sin(angle)
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = about_x @ about_z @ np.diag([x, y, 1]), (10, -20, 30)
    return matrix


@pytest.mark.parametrize("matrix", [np.diag([0.1, 0.3, 0, 1]), turned(0.1, 0.3), np.diag([-0.1, 0.3, 5, 1])])
@pytest.mark.parametrize("world", ["ras", "lps"])
def test_pixels_size_and_place_are_those_of_the_image(matrix: np.ndarray, world: str) -> None:
    taken = frame(GREY[None], matrix, world_coordinate_system=world)
    assert isinstance(taken.pixels, np.ndarray) and (taken.pixels == GREY).all()
    assert taken.pixel_size_mm == pytest.approx((0.1, 0.3)) and taken.doubt is None
    origin = taken.tag
    assert isinstance(origin, Origin) and origin.place is not None
    assert (origin.device, origin.place.world, origin.place.size) == ("Image", world, (40, 60))
    assert origin.timestamp_s == pytest.approx(7.25, abs=1e-6)
    assert np.allclose(origin.place.matrix, matrix, atol=1e-4)


@pytest.mark.parametrize("matrix", [np.eye(4), turned(1, 1), np.diag([-1, 1, 3, 1])])
def test_one_millimetre_is_not_believed_unless_told_so(matrix: np.ndarray) -> None:
    taken = frame(GREY[None], matrix)
    assert taken.pixel_size_mm is None and "exactly 1 mm" in str(taken.doubt) and "--trust-spacing" in str(taken.doubt)
    assert frame(GREY[None], matrix, trust=True).pixel_size_mm == pytest.approx((1, 1))
    assert frame(GREY[None], matrix, given=0.15).pixel_size_mm == (0.15, 0.15)


@pytest.mark.parametrize("sides", [(1, 0.5), (0.999, 0.999)])
def test_other_spacings_near_it_are_believed(sides: tuple[float, float]) -> None:
    assert frame(GREY[None], turned(*sides)).pixel_size_mm == pytest.approx(sides)


def test_what_was_given_holds_for_images_of_one_size() -> None:
    sizes = PixelSizes((0.1, 0.2), False)
    shapes = [(40, 60), (40, 60), (40, 64), (40, 60)]
    messages = [received(pyigtl.ImageMessage(np.zeros((1, *shape), np.uint8)).pack()) for shape in shapes]
    taken = [read_image(message, sizes) for message in messages if message]
    assert [each.pixel_size_mm for each in taken] == [(0.1, 0.2), (0.1, 0.2), None, None]
    assert "--pixel-size-mm may no longer hold" in str(taken[2].doubt)


@pytest.mark.parametrize(
    ("matrix", "why"),
    [
        (np.diag([500, 500, 1, 1]), "500 x 500 mm, which cannot be"),
        (np.diag([0.1, 5, 1, 1]), "which cannot be"),
        (np.array([[0.1, 0.05, 0, 0], [0, 0.1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "sheared"),
    ],
)
def test_a_spacing_that_cannot_be_is_doubted(matrix: np.ndarray, why: str) -> None:
    taken = frame(GREY[None], matrix)
    assert taken.pixel_size_mm is None and why in str(taken.doubt)


WRONG: dict[str, tuple[np.ndarray, Any, str]] = {
    "volume": (np.zeros((5, 40, 60), np.uint8), None, "volume, 60 x 40 x 5"),
    "2-D array of pyigtl": (GREY, None, "pixels[None], of shape (1, height, width)"),
    "colour": (np.zeros((1, 40, 60, 3), np.uint8), None, "in colour, with 3 components"),
    "16 bits": (GREY[None].astype(np.uint16), None, "type uint16"),
    "floats": (GREY[None].astype(np.float32), None, "type float32"),
    "empty": (np.zeros((1, 0, 0), np.uint8), None, "empty"),
    "tiny": (np.zeros((1, 8, 8), np.uint8), None, "8 high and 8 wide"),
    "long": (np.zeros((1, 32, 20_000), np.uint8), None, "20000 wide"),
    "huge": (np.zeros((1, 6000, 6000), np.uint8), None, "36000072 bytes; at most 33554432"),
    "zeros": (GREY[None], np.zeros((4, 4)), "zero or not a number"),
    "NaN": (GREY[None], np.full((4, 4), np.nan), "zero or not a number"),
    "infinite": (GREY[None], np.diag([np.inf, 1, 1, 1]), "zero or not a number"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("error")
def test_a_wrong_image_is_named(name: str) -> None:
    pixels, matrix, why = WRONG[name]
    taken = frame(pixels, matrix, given=0.15)
    assert isinstance(taken.pixels, FetalHeadError) and why in str(taken.pixels)
    assert isinstance(taken.tag, Origin) and taken.tag.device == "Image" and taken.tag.place is None


def changed(at: int, value: bytes, sealed: bool = True) -> bytes:
    """An IMAGE with other bytes in its body."""
    data = bytearray(pyigtl.ImageMessage(GREY[None], device_name="Image").pack())
    data[58 + at : 58 + at + len(value)] = value
    if sealed:
        data[50:58] = struct.pack(">Q", pyigtl.messages.CRC64(bytes(data[58:])))
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (changed(200, b"\xff", sealed=False), "checksum"),
        (changed(3, b"\x63"), "unknown scalar type"),
        (changed(6, b"\x00\x3d"), "subvolume"),  # 61 columns, of which 60 are in it
        (changed(60, b"\x00\x01"), "subvolume"),
        (changed(2, b"\x05"), "not as many pixels"),
    ],
)
def test_a_damaged_image_is_named(data: bytes, why: str) -> None:
    message = received(data)
    assert message is not None
    taken = read_image(message, PixelSizes(None, False))
    assert isinstance(taken.pixels, FetalHeadError) and why in str(taken.pixels)


def test_the_newer_header_is_read_too() -> None:
    message = pyigtl.ImageMessage(GREY[None], np.diag([0.2, 0.2, 1, 1]), device_name="Image", timestamp=7.25)
    message.header_version, message.metadata = 2, {"depth": "80 mm"}
    taken = read_image(received(message.pack()), PixelSizes(None, False))  # type: ignore[arg-type]
    assert (taken.pixels == GREY).all() and taken.pixel_size_mm == pytest.approx((0.2, 0.2))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a browser that is lost\r\n\r\n",
        bytes(range(256)),
        bytes(58),
        b"\xff" * 100,
        changed(0, b"")[:34] + bytes(8) + b"\xff" * 16,  # a length of 2 ** 64 - 1
    ],
)
def test_garbage_is_no_message(data: bytes) -> None:
    with pytest.raises(NotOpenIGTLink, match="not OpenIGTLink"):
        received(data)


@pytest.mark.parametrize("length", [0, 1, 57, 58, 100, 2400])
def test_a_message_cut_short_ends_quietly(length: int) -> None:
    assert received(changed(0, b"")[:length]) is None
