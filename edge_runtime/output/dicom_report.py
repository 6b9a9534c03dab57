"""DICOM structured reports of a measurement (the extra ``dicom``): TID 1500, or the OB-GYN report, TID 5000."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.files import write_new
from edge_runtime.common.optional import require
from edge_runtime.errors import InputError, UsageError
from edge_runtime.frame.dicom.files import is_dicom
from edge_runtime.frame.dicom.header import quiet
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.measurement import Measurement

Template = Literal["1500", "5000"]

TEMPLATES: tuple[Template, ...] = ("1500", "5000")

NAME = "fetal-head-edge"
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""What a report must have, if only empty (type 2), and some images lack."""

_TITLE = "Head circumference (research use only; not a medical device)"


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes:
        path: The DICOM file that was measured. Its patient and study are copied into the report.
        frame: Which of its frames was chosen, from 1. None if it holds one.
        result: The frame's measurement, with a circumference.
        version: The version of this program.
        parameters: What the result depends on, in words: the model and its hash, where the pixel size is from.
    """

    path: Path
    frame: int | None
    result: Measurement
    version: str
    parameters: tuple[str, ...]


def make_report(subject: Subject, template: Template) -> bytes:
    """Make a report.

    Args:
        subject: What it is about.
        template: ``1500`` for the general measurement report, ``5000`` for the OB-GYN one that report stations read.

    Returns:
        The DICOM file, a Comprehensive SR.

    Raises:
        InputError: There is no circumference to report, or the image lacks what a report must copy from it.
        FetalHeadError: A package is not installed.
    """
    if subject.result.head_circumference_mm is None or subject.result.ellipse is None:
        raise InputError(f"No report is written for {subject.path}: there is no circumference to report.")
    hd, pydicom = require("highdicom"), require("pydicom")
    content: Callable[[Any, Any, Subject], Any] = _measurement_report if template == "1500" else _obstetric_report
    file = io.BytesIO()
    try:
        with quiet():
            image = pydicom.dcmread(subject.path, stop_before_pixels=True)
            for name in _MAY_BE_EMPTY:
                if name not in image:
                    setattr(image, name, "")
            report = hd.sr.ComprehensiveSR(
                evidence=[image],
                content=content(hd, image, subject)[0],
                series_instance_uid=hd.UID(),
                series_number=1,
                sop_instance_uid=hd.UID(),
                instance_number=1,
                manufacturer=NAME,
                is_complete=True,
            )
            report.SeriesDescription = _TITLE
            pydicom.dcmwrite(file, report, enforce_file_format=True)
    except Exception as error:  # an image that is damaged or lacks elements; the text could quote the patient's
        raise InputError(
            f"No report can be made from {subject.path}: it lacks or spoils elements about the patient or the study "
            f"({type(error).__name__}). Check it with dciodvfy."
        ) from None
    return file.getvalue()


def check_report(out: Path, images: Sequence[Path]) -> None:
    """Check that a report can be written, before anything is measured.

    Raises:
        UsageError: It would be about several files or none in DICOM, or it exists already.
        FetalHeadError: A package is not installed.
    """
    if len(images) != 1 or not is_dicom(images[0]):
        raise UsageError(
            f"--report {out} is about one DICOM file, whose patient and study it copies. Name one, and no other image."
        )
    require("highdicom")
    if out.exists():
        raise UsageError(f"{out} already exists. Name another file with --report, or delete it.")


def write_report(out: Path, subject: Subject, template: Template) -> None:
    """Write a report, whole or not at all, and never over another file.

    Raises:
        InputError: As :func:`make_report`.
        UsageError: The place cannot be written, or there is a file already.
    """
    data = make_report(subject, template)
    try:
        write_new(out, data, 0o644)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}. Name another file with --report.") from error


def _measurement_report(hd: Any, image: Any, subject: Subject) -> Any:
    codes = require("pydicom.sr.codedict").codes
    ellipse = subject.result.ellipse
    source = hd.sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID, _frames(image, subject))
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier="fetal head"),
        referenced_region=hd.sr.ImageRegion(hd.sr.GraphicTypeValues.ELLIPSE, ellipse_points(ellipse), source),
        finding_type=codes.SCT.Head,
        algorithm_id=_algorithm(hd, subject),
        measurements=_measurements(hd, subject),
    )
    return hd.sr.MeasurementReport(
        observation_context=_context(hd),
        procedure_reported=hd.sr.CodedConcept("268445003", "SCT", "Ultrasound scan - obstetric"),
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _obstetric_report(hd: Any, image: Any, subject: Subject) -> Any:
    codes = require("pydicom.sr.codedict").codes
    contains = hd.sr.RelationshipTypeValues.CONTAINS
    source = hd.sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID, _frames(image, subject))
    outline = hd.sr.CoordinatesForMeasurement(
        hd.sr.GraphicTypeValues.ELLIPSE, ellipse_points(subject.result.ellipse), source
    )
    group = hd.sr.ContainerContentItem(codes.DCM.BiometryGroup, relationship_type=contains)
    group.ContentSequence = hd.sr.ContentSequence(
        _measurements(hd, subject, algorithm_id=_algorithm(hd, subject), referenced_coordinates=[outline])[0]
    )
    biometry = hd.sr.ContainerContentItem(codes.DCM.FetalBiometry, relationship_type=contains)
    biometry.ContentSequence = hd.sr.ContentSequence([group])
    root = hd.sr.ContainerContentItem(codes.DCM.OBGYNUltrasoundProcedureReport, template_id="5000")
    root.ContentSequence = hd.sr.ContentSequence([*_context(hd), biometry])
    return [root]


def _measurements(hd: Any, subject: Subject, **options: Any) -> list[Any]:
    """The circumference with its interval, and the size of a pixel."""
    codes = require("pydicom.sr.codedict").codes
    result = subject.result
    hc_mm, mm = float(result.head_circumference_mm or 0), codes.UCUM.Millimeter
    properties = None
    if result.interval_mm is not None:
        low, high = result.interval_mm
        properties = hd.sr.MeasurementProperties(
            upper_measurement_uncertainty=round(high - hc_mm, 2), lower_measurement_uncertainty=round(hc_mm - low, 2)
        )
        for item in properties:  # highdicom gives them no unit
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence = [hd.sr.CodedConcept.from_code(mm)]
    found = [
        hd.sr.Measurement(
            codes.LN.HeadCircumference, round(hc_mm, 2), mm, properties=properties, **options,
            method=hd.sr.CodedConcept("ELLIPSE-FIT", "99FHE", "Perimeter of an ellipse fitted to the skull's outline"),
        )
    ]  # fmt: skip
    x, y = result.pixel_size_mm or (math.nan, math.nan)
    for name, side in ((codes.DCM.HorizontalPixelSpacing, x), (codes.DCM.VerticalPixelSpacing, y)):
        found.append(hd.sr.Measurement(name, round(side, 6), mm))
    return found


def _algorithm(hd: Any, subject: Subject) -> Any:
    return hd.sr.AlgorithmIdentification(NAME, subject.version, parameters=list(subject.parameters))


def _context(hd: Any) -> Any:
    codes = require("pydicom.sr.codedict").codes
    device = hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID(), name=NAME)
    return hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(codes.DCM.Device, observer_identifying_attributes=device)
    )


def _frames(image: Any, subject: Subject) -> list[int] | None:
    """The frame's number, in a clip."""
    return [subject.frame] if subject.frame is not None and int(image.get("NumberOfFrames") or 1) > 1 else None


def ellipse_points(ellipse: Ellipse | None) -> NDArray[np.float64]:
    """The ends of an ellipse's axes, the longer first, float64 (4, 2), as DICOM counts: corners at whole numbers."""
    if ellipse is None:
        raise ValueError("there is no ellipse")
    angle, centre = math.radians(ellipse.angle_deg), np.array([ellipse.center_x, ellipse.center_y]) + 0.5
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    ends = [s * r * way for way, r in ((along, ellipse.semi_major), (across, ellipse.semi_minor)) for s in (-1, 1)]
    return np.asarray([centre + end for end in ends])
