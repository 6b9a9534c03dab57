"""Frames of a V4L2 frame grabber, through ffmpeg."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError, UsageError


def grab(device: Path, crop: str | None = None) -> Iterator[NDArray[np.uint8]]:
    """Take grey frames as the device gives them.

    Args:
        device: Such as /dev/video0.
        crop: The part of the picture to keep, in pixels, as ffmpeg takes it: W:H:X:Y. None for all of it. Menus around
            the ultrasound disturb the measurement, and may show the patient's name.

    Returns:
        Frames uint8 (H, W), until the device is gone. Then the iterator raises :class:`InputError`.

    Raises:
        UsageError: There is no such device, ffmpeg is not installed, or ``crop`` is not valid.
    """
    if not device.exists():
        raise UsageError(f"There is no device {device}. Plug it in; v4l2-ctl --list-devices lists what there is.")
    if not shutil.which("ffmpeg"):
        raise UsageError(
            "A frame grabber is read through ffmpeg, which is not installed. Install your system's package."
        )
    if crop is not None and not re.fullmatch(r"([0-9]{1,5}:){3}[0-9]{1,5}", crop):
        raise UsageError(f"The crop is {crop[:40]!r}; it must be W:H:X:Y in pixels, such as 640:480:320:60.")
    command = ["ffmpeg", "-v", "error", "-nostdin", "-fflags", "nobuffer", "-f", "v4l2", "-i", str(device)]
    command += [] if crop is None else ["-vf", f"crop={crop}"]
    return _frames([*command, "-pix_fmt", "gray", "-c:v", "pgm", "-f", "image2pipe", "-"])


def _frames(command: list[str]) -> Iterator[NDArray[np.uint8]]:
    """The PGM images that a command writes, each with a header of its own: P5, width and height, 255."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ffmpeg:
        pipe = ffmpeg.stdout
        try:
            while pipe and pipe.readline() == b"P5\n" and len(size := pipe.readline().split()) == 2:
                width, height = map(int, size)
                data = pipe.read(len(b"255\n") + width * height)[len(b"255\n") :]
                if len(data) == width * height:
                    yield np.frombuffer(data, np.uint8).reshape(height, width)
        finally:
            ffmpeg.kill()
    raise InputError("ffmpeg has ended. Is the grabber plugged in, and does no other program use it?")
