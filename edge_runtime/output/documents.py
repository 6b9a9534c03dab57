"""Documents about one measurement: which there are, and where they may be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.files import write_new
from edge_runtime.common.optional import require
from edge_runtime.errors import UsageError
from edge_runtime.frame.dicom.files import is_dicom
from edge_runtime.output.dicom_capture import make_capture
from edge_runtime.output.dicom_report import Template, make_report
from edge_runtime.output.fhir_observation import make_observation
from edge_runtime.output.pdf_report import make_pdf
from edge_runtime.output.subject import Subject


@dataclass(frozen=True)
class Document:
    """A kind of document.

    Attributes:
        make: From what it is about to the file.
        package: What it needs beyond a plain install. Empty for nothing.
        dicom: Whether the image must be in DICOM, since its patient and study are copied.
    """

    make: Callable[[Subject], bytes]
    package: str = ""
    dicom: bool = False


def documents(template: Template) -> dict[str, Document]:
    """All kinds, by the option that asks for one. The last is refused if there is no circumference.

    Args:
        template: That of the structured report.
    """
    return {
        "--pdf": Document(make_pdf, "reportlab"),
        "--fhir": Document(make_observation),
        "--secondary-capture": Document(make_capture, "highdicom", dicom=True),
        "--report": Document(lambda subject: make_report(subject, template), "highdicom", dicom=True),
    }


def check_documents(outs: Mapping[str, Path], images: Sequence[Path]) -> None:
    """Check that documents can be made and written, before anything is measured.

    Args:
        outs: The file for each option that is given.
        images: The images that will be measured.

    Raises:
        UsageError: A document would be about several files, or needs one in DICOM; its file exists, or is another's.
        FetalHeadError: A package is not installed.
    """
    kinds, places = documents("1500"), dict[Path, str]()
    for option, out in outs.items():
        if len(images) != 1 or (kinds[option].dicom and not is_dicom(images[0])):
            about = "DICOM file, whose patient and study it copies" if kinds[option].dicom else "image"
            raise UsageError(f"{option} {out} is about one {about}. Name one, and no other image.")
        if kinds[option].package:
            require(kinds[option].package)
        if out.exists():
            raise UsageError(f"{out} already exists. Name another file with {option}, or delete it.")
        other = places.setdefault(out.resolve(), option)
        if other != option:
            raise UsageError(f"{other} and {option} name the same file, {out}. Give each its own.")


def write_document(option: str, out: Path, data: bytes) -> None:
    """Write a document, whole or not at all, and never over another file.

    Raises:
        UsageError: The place cannot be written, or there is a file already.
    """
    try:
        write_new(out, data, 0o644)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}. Name another file with {option}.") from error
