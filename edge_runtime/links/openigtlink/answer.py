"""The messages of a result: mask, outline, figures and status. What is refused empties the mask and the outline."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

from edge_runtime.common.cli import json_line
from edge_runtime.common.optional import require
from edge_runtime.errors import DeviceError
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.links.openigtlink.image import Origin, Place
from edge_runtime.streaming.result import StreamResult

POINTS = 360
"""Of the outline."""

INSIDE = 255
"""Of the mask; outside is 0."""

_NAME_LENGTH = 20
_SUFFIX_LENGTH = 5

OK, NOT_FOUND, TIMEOUT, UNKNOWN_ERROR, HARDWARE_FAILURE = 1, 4, 7, 2, 18
"""Codes of STATUS in the protocol."""


def named(device: str, suffix: str) -> str:
    """The name of an answer: the image's, cut so that the suffix (at most 5 characters) fits into 20."""
    return device.encode("ascii", "replace").decode()[: _NAME_LENGTH - _SUFFIX_LENGTH] + suffix


def figures(result: StreamResult, origin: Origin, begun_s: float) -> dict[str, Any]:
    """What the STRING says, as JSON: the keys of ``python -m edge_runtime stream --json``, time and pixel size.

    Without a circumference there is no other one either: not the late one, and not the median of earlier frames.
    """
    measurement, shown = result.measurement, result.figures(begun_s)
    if result.head_circumference_mm is None:
        shown |= {"measured_mm": None, "interval_mm": None, "summary": None}
    return {
        "sequence": result.sequence,
        "image": origin.device,
        "frame": None,
        "timestamp_s": origin.timestamp_s,
        "pixel_size_mm": measurement and measurement.pixel_size_mm and list(measurement.pixel_size_mm),
        **shown,
    }


def answers(result: StreamResult, origin: Origin, place: Place | None, shown: dict[str, Any]) -> list[bytes]:
    """The messages that tell a result, packed. The mask comes last, since it takes longest.

    Args:
        result: A result of the stream.
        origin: Where its frame came from, or the last one before it.
        place: Of its frame, or of the last one that had any. None before the first.
        shown: Its :func:`figures`.
    """
    pyigtl, measurement = require("pyigtl.messages"), result.measurement
    about = {"timestamp": origin.timestamp_s}
    ellipse = measurement.ellipse if measurement and not result.late else None
    # without a point it clears the outline before; a POINT without any cannot be read by the protocol's own library
    outline = _outline(ellipse, place) if ellipse and place else {}
    text = pyigtl.StringMessage(json_line(shown), device_name=named(origin.device, "_hc"), **about)
    line = pyigtl.PolyDataMessage(**outline, device_name=named(origin.device, "_head"), **about)
    messages = [text, status(result, origin), line]
    if place is not None:
        mask = np.zeros((1, *place.size), np.uint8)
        if measurement and ellipse:
            mask[0][measurement.mask] = INSIDE
        name = named(origin.device, "_mask")
        messages.append(pyigtl.ImageMessage(mask, place.matrix, place.world, device_name=name, **about))
    return [message.pack() for message in messages]


def _outline(ellipse: Ellipse, place: Place) -> dict[str, Any]:
    """A closed line in the image's millimetres."""
    points = ellipse.outline(POINTS) @ place.matrix[:3, :2].T + place.matrix[:3, 3]
    return {"points": points, "lines": np.array([POINTS + 1, *range(POINTS), 0])}


def status(result: StreamResult, origin: Origin) -> Any:
    """The STATUS of a result: a word and why."""
    if isinstance(result.error, DeviceError):
        code, word = HARDWARE_FAILURE, "fault"
    elif result.stalled or result.late:
        code, word = TIMEOUT, "stalled" if result.stalled else "late"
    elif result.error:
        code, word = UNKNOWN_ERROR, "failed"
    else:
        code, word = (NOT_FOUND, "refused") if result.reason else (OK, "measured")
    return status_message(code, word, result.reason or "", named(origin.device, "_stat"), origin.timestamp_s)


@cache
def _status_class() -> Any:
    class StatusMessage(require("pyigtl.messages").MessageBase):  # type: ignore[misc]
        """STATUS, which pyigtl lacks: code, sub-code, a name of 20 bytes, text."""

        def __init__(self, code: int, word: str, text: str, device: str, timestamp_s: float | None) -> None:
            super().__init__(timestamp_s, device)
            self._message_type, self._valid_message = "STATUS", True
            self.content = struct.pack(">Hq20s", code, 0, word.encode()) + text.encode("ascii", "replace") + b"\0"

        def _pack_content(self) -> bytes:
            return self.content

    return StatusMessage


def status_message(code: int, word: str, text: str, device: str, timestamp_s: float | None = None) -> Any:
    """A STATUS, to be packed.

    Args:
        code: Of the protocol.
        word: What it is about, at most 20 characters.
        text: Why.
        device: Who tells it.
        timestamp_s: Seconds since 1970. None for now.
    """
    return _status_class()(code, word, text, device, timestamp_s)
