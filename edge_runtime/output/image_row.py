"""What is said of one image, to programs: a line of ``measure --json``, a row of an archive."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_runtime.errors import FetalHeadError, InputError
from edge_runtime.frame.pictures import Picture
from edge_runtime.frame.pixel_sizes import PixelSize
from edge_runtime.measurement import Measurement, withhold
from edge_runtime.segmenter import Segmenter


def measure_picture(
    segmenter: Segmenter, image: Path, picture: Picture, size: PixelSize | None, doubt: str | None
) -> Measurement:
    """Measure a picture from a file.

    Args:
        segmenter: The model.
        image: The file's name, for messages.
        picture: The picture.
        size: Its pixel size in mm, or (x, y). None if unknown.
        doubt: Why its pixel size may not hold, which is then the reason why there is no circumference.

    Raises:
        InputError: The frame is not valid.
    """
    try:
        result = segmenter.measure(picture.pixels, size, picture.part)
    except InputError as error:  # it knows the pixels only
        raise InputError(f"{image}: {error}") from error
    return withhold(result, doubt) if doubt else result


def image_row(name: str, picture: Picture, result: Measurement, given: str | None) -> dict[str, Any]:
    """What is said of an image that was measured, for JSON.

    Args:
        name: The image's.
        picture: The picture.
        result: Its measurement.
        given: Where its pixel size is from. None for the file itself.
    """
    latency, part = result.latency_ms, picture.part
    return {
        "image": name,
        "head_circumference_mm": result.head_circumference_mm,
        "reason": result.reason,
        "interval_mm": result.interval_mm and list(result.interval_mm),
        "trust": result.trust,
        "caution": result.caution,
        "pixel_size_mm": result.pixel_size_mm and list(result.pixel_size_mm),
        "pixel_size_from": result.pixel_size_mm and (given or "file"),
        "part": part and asdict(part),
        "burnt_in_annotation": picture.burnt_in,
        "ellipse": result.ellipse and asdict(result.ellipse),
        "quality": asdict(result.quality),
        "latency_ms": {**asdict(latency), "total": latency.total},
    }


def unread_row(name: str, error: FetalHeadError) -> dict[str, Any]:
    """What is said of an image that cannot be read or measured."""
    return {"image": name, "head_circumference_mm": None, "reason": str(error)}
