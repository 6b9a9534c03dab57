"""DICOM objects about an image: what all of them copy from it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_runtime.common.optional import require
from edge_runtime.errors import InputError
from edge_runtime.frame.dicom.header import quiet
from edge_runtime.output.subject import Subject

_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""What an object must have, if only empty (type 2), and some images lack."""


def derive(path: Path, what: str, make: Callable[[Any, Any], Any]) -> bytes:
    """Make a DICOM object about an image.

    Args:
        path: The image's file.
        what: What is made, for messages.
        make: From highdicom and the image's data set, without pixels, to the object.

    Returns:
        The DICOM file.

    Raises:
        InputError: The image lacks what the object must copy from it.
        FetalHeadError: A package is not installed.
    """
    hd, pydicom = require("highdicom"), require("pydicom")
    file = io.BytesIO()
    try:
        with quiet():
            image = pydicom.dcmread(path, stop_before_pixels=True)
            if not (image.StudyInstanceUID.is_valid and image.SOPInstanceUID.is_valid):
                raise ValueError
            for name in _MAY_BE_EMPTY:
                if name not in image:
                    setattr(image, name, "")
            pydicom.dcmwrite(file, make(hd, image), enforce_file_format=True)
    except Exception as error:  # an image that is damaged or lacks elements; the text could quote the patient's
        raise InputError(
            f"No {what} can be made from {path}: it lacks or spoils elements about the patient or the study "
            f"({type(error).__name__}). Check it with dciodvfy."
        ) from None
    return file.getvalue()


def frame_number(image: Any, subject: Subject) -> int | None:
    """The number of the frame that was measured, in a clip."""
    return subject.frame if int(image.get("NumberOfFrames") or 1) > 1 else None
