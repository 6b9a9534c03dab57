"""DICOM structured reports of a measurement (the extra ``dicom``): TID 1500, or the OB-GYN report, TID 5000."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.optional import require
from edge_runtime.errors import InputError
from edge_runtime.head.ellipse import Ellipse
from edge_runtime.output.dicom_source import derive, frame_number
from edge_runtime.output.subject import METHOD, NAME, Subject

Template = Literal["1500", "5000"]

TEMPLATES: tuple[Template, ...] = ("1500", "5000")

_TITLE = "Head circumference (research use only; not a medical device)"


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
    content: Callable[[Any, Any, Subject], Any] = _measurement_report if template == "1500" else _obstetric_report

    def report(hd: Any, image: Any) -> Any:
        made = hd.sr.ComprehensiveSR(
            evidence=[image],
            content=content(hd, image, subject)[0],
            series_instance_uid=hd.UID(),
            series_number=1,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer=NAME,
            is_complete=True,
        )
        made.SeriesDescription = _TITLE
        return made

    return derive(subject.path, "report", report)


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
            method=hd.sr.CodedConcept("ELLIPSE-FIT", "99FHE", METHOD),
        )
    ]  # fmt: skip
    x, y = result.pixel_size_mm or (math.nan, math.nan)
    for name, side in ((codes.DCM.HorizontalPixelSpacing, x), (codes.DCM.VerticalPixelSpacing, y)):
        found.append(hd.sr.Measurement(name, round(side, 6), mm))
    return found


def _algorithm(hd: Any, subject: Subject) -> Any:
    caution = subject.result.caution
    parameters = [
        f"model {subject.model}",
        f"sha256 of the model {subject.model_sha256}",
        f"pixel size {subject.pixel_size}",
        "uncertainty: 90% interval",
        *([f"caution: {caution}"] if caution else []),
    ]
    return hd.sr.AlgorithmIdentification(NAME, subject.version, parameters=parameters)


def _context(hd: Any) -> Any:
    codes = require("pydicom.sr.codedict").codes
    device = hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID(), name=NAME)
    return hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(codes.DCM.Device, observer_identifying_attributes=device)
    )


def _frames(image: Any, subject: Subject) -> list[int] | None:
    number = frame_number(image, subject)
    return None if number is None else [number]


def ellipse_points(ellipse: Ellipse | None) -> NDArray[np.float64]:
    """The ends of an ellipse's axes, the longer first, float64 (4, 2), as DICOM counts: corners at whole numbers."""
    if ellipse is None:
        raise ValueError("there is no ellipse")
    angle, centre = math.radians(ellipse.angle_deg), np.array([ellipse.center_x, ellipse.center_y]) + 0.5
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    ends = [s * r * way for way, r in ((along, ellipse.semi_major), (across, ellipse.semi_minor)) for s in (-1, 1)]
    return np.asarray([centre + end for end in ends])
