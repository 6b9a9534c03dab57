"""What a document about a measurement is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame.pictures import Picture
from edge_runtime.measurement import Measurement

NAME = "fetal-head-edge"

METHOD = "Perimeter of an ellipse fitted to the skull's outline"

WARNING = "Research use only; not a medical device."


@dataclass(frozen=True)
class Subject:
    """A measurement, and what documents say about it.

    Attributes:
        path: The file that was measured.
        frame: Which of its frames was chosen, from 1. None if it holds one.
        picture: That frame.
        keep_text: Whether pictures show what is around the tissue, where scanners write the patient's name.
        result: The frame's measurement.
        pixel_size_from: The option that gave the pixel size. None for the file's own.
        model: The model's name.
        model_sha256: The hash of its file.
        version: The version of this program.
        made: When it was measured, with its time zone.
    """

    path: Path
    frame: int | None
    picture: Picture
    keep_text: bool
    result: Measurement
    pixel_size_from: str | None
    model: str
    model_sha256: str
    version: str
    made: datetime

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The frame to show."""
        return self.picture.pixels if self.keep_text else self.picture.without_text

    @property
    def pixel_size(self) -> str:
        """The pixel size and its source, in words. Only for a result that used one."""
        sides = " x ".join(f"{side:.6g}" for side in self.result.pixel_size_mm or ())
        return f"{sides} mm, from {self.pixel_size_from or 'the ultrasound region of the image'}"
