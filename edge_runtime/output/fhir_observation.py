"""A measurement as an Observation of HL7 FHIR R4, for a hospital's software."""

from __future__ import annotations

import json
import uuid
from typing import Any

from edge_runtime.common.optional import require
from edge_runtime.errors import InputError
from edge_runtime.frame.dicom.header import quiet
from edge_runtime.output.overlay import plain_reason
from edge_runtime.output.subject import METHOD, NAME, WARNING, Subject

_TERMS = "http://terminology.hl7.org/CodeSystem"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_UIDS = {"ImagingStudy": "StudyInstanceUID", "Media": "SOPInstanceUID"}
"""Resources that an image is to FHIR R4, each with the element that names it."""


def make_observation(subject: Subject) -> bytes:
    """Make an Observation of LOINC 11984-2 with the status ``preliminary``.

    The interval is a component: a ``referenceRange`` would be what is normal, and FHIR has no code for an interval of
    prediction. The patient is not named. The image is, by its UIDs, if it is in DICOM. ``effective`` is missing, since
    the time of the scan is in the image.

    Args:
        subject: What it is about. Without a circumference there is a ``dataAbsentReason``, and no number at all.

    Returns:
        JSON.

    Raises:
        InputError: The image has no UIDs.
        FetalHeadError: pydicom is not installed, and the image is in DICOM.
    """
    result = subject.result
    notes = [WARNING]
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "contained": [_device(subject)],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"}],
        "status": "preliminary",
        "category": [{"coding": [_code(f"{_TERMS}/observation-category", "imaging", "Imaging")]}],
        "code": {"coding": [_code("http://loinc.org", "11984-2", "Fetal Head Circumference US")]},
        "issued": subject.made.isoformat(timespec="seconds"),
        "method": {"text": METHOD},
        "device": {"reference": "#program"},
    }
    if subject.picture.dicom:
        made["derivedFrom"] = _image(subject)
    if result.head_circumference_mm is None:
        absent = _code(f"{_TERMS}/data-absent-reason", "unknown", "Unknown")
        made["dataAbsentReason"] = {"coding": [absent], "text": plain_reason(result.reason)}
    else:
        made["valueQuantity"] = _mm(result.head_circumference_mm)
        made["component"] = _components(subject)
        notes.append(f"Pixel size {subject.pixel_size}")
        notes += [f"CAUTION: {result.caution}"] if result.caution else []
    made["note"] = [{"text": note} for note in notes]
    return (json.dumps(made, indent=2, allow_nan=False) + "\n").encode()


def _components(subject: Subject) -> list[dict[str, Any]]:
    """The interval, and the size of a pixel."""
    result, found = subject.result, []
    if result.interval_mm is not None:
        low, high = result.interval_mm
        text = "90% prediction interval of the head circumference"
        found.append({"code": {"text": text}, "valueRange": {"low": _mm(low), "high": _mm(high)}})
    x, y = result.pixel_size_mm or (0.0, 0.0)
    for code, name, side in (("111026", "Horizontal Pixel Spacing", x), ("111066", "Vertical Pixel Spacing", y)):
        found.append({"code": {"coding": [_code(_DICOM, code, name)]}, "valueQuantity": _mm(side, 6)})
    return found


def _device(subject: Subject) -> dict[str, Any]:
    """The program, the model, and the hash of its file."""
    versions = {
        "software": subject.version,
        "model": subject.model,
        "sha256 of the model": subject.model_sha256,
    }
    return {
        "resourceType": "Device",
        "id": "program",
        "deviceName": [{"name": NAME, "type": "model-name"}],
        "version": [{"type": {"text": kind}, "value": value} for kind, value in versions.items()],
    }


def _image(subject: Subject) -> list[dict[str, Any]]:
    """The study and the image that were measured, by their UIDs."""
    pydicom = require("pydicom")
    try:
        with quiet():
            header = pydicom.dcmread(subject.path, stop_before_pixels=True, specific_tags=list(_UIDS.values()))
            uids = {kind: pydicom.uid.UID(str(header[name].value)) for kind, name in _UIDS.items()}
    except Exception as error:  # damaged; the text could quote the file
        raise _without_uids(subject) from error
    if not all(uid.is_valid for uid in uids.values()):
        raise _without_uids(subject)
    found: list[dict[str, Any]] = [
        {"type": kind, "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}}
        for kind, uid in uids.items()
    ]
    if subject.frame is not None:
        found[-1]["display"] = f"frame {subject.frame}"
    return found


def _without_uids(subject: Subject) -> InputError:
    return InputError(
        f"No Observation can be made from {subject.path}: it lacks or spoils the UIDs of its study or its image. "
        "Check it with dciodvfy."
    )


def _code(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def _mm(value: float, digits: int = 2) -> dict[str, Any]:
    return {"value": round(value, digits), "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"}
