"""DICOM secondary captures (the extra ``dicom``): a frame with its outline and its result drawn on it, for viewers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_runtime.common.optional import require
from edge_runtime.output.dicom_source import derive, frame_number
from edge_runtime.output.overlay import draw_overlay
from edge_runtime.output.subject import NAME, Subject

_TITLE = "Head circumference drawn (research only; not a medical device)"


def make_capture(subject: Subject) -> bytes:
    """Make a secondary capture of a result, or of the reason why there is none.

    It has the patient and the study of its source, and no pixel size: what is drawn has been measured already.

    Args:
        subject: What is drawn. Its file must be in DICOM.

    Returns:
        The DICOM file, a Secondary Capture Image in RGB.

    Raises:
        InputError: The source lacks what a capture must copy from it.
        FetalHeadError: A package is not installed.
    """
    pixels = np.asarray(draw_overlay(subject.pixels, subject.result))

    def capture(hd: Any, source: Any) -> Any:
        made = hd.sc.SCImage.from_ref_dataset(
            source,
            pixels,
            "RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=("L", "F"),
            series_instance_uid=hd.UID(),
            series_number=1,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer=NAME,
            transfer_syntax_uid="1.2.840.10008.1.2.1",
        )
        made.PatientOrientation = made.Laterality = ""  # both are unknown; highdicom insists on the first
        made.copy_patient_and_study_information(source)
        made.SeriesDescription = _TITLE
        made.ConversionType = "WSD"
        # what is drawn names nobody; what was there before may, unless the file says that it does not
        made.BurnedInAnnotation = "NO" if subject.picture.burnt_in is False else "YES"
        made.DerivationDescription = f"Outline and head circumference drawn by {NAME} {subject.version}"
        made.SourceImageSequence = [_reference(source, subject)]
        for name in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if name in source:
                made[name] = source[name]
        return made

    return derive(subject.path, "capture", capture)


def _reference(source: Any, subject: Subject) -> Any:
    """The image and the frame that are shown."""
    item = require("pydicom").Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    number = frame_number(source, subject)
    if number is not None:
        item.ReferencedFrameNumber = number
    code = require("pydicom.sr.codedict").codes.DCM.SourceImageForImageProcessingOperation
    item.PurposeOfReferenceCodeSequence = [require("highdicom").sr.CodedConcept.from_code(code)]
    return item
