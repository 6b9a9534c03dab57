"""A secondary capture, a PDF page and a FHIR Observation: what they say, read back by others' readers."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_runtime.__main__ import main
from edge_runtime.errors import UsageError
from tests.helpers.places import ROOT, Run
from train.data.phantom import make_phantom

pytest.importorskip("pydicom")
pytest.importorskip("highdicom")
pytest.importorskip("reportlab")

import pydicom
import pypdfium2
from fhir.resources.R4B.observation import Observation

from tests.helpers.dicom_files import PATIENT, region_of, write_dicom

PHANTOM, _, SIZE_MM = make_phantom(0)
TEXT = 200
"""The grey of what stands for the text that scanners write around the tissue."""


def around(inner: np.ndarray) -> np.ndarray:
    frame = np.full((700, 1000), TEXT, np.uint8)
    frame[150:690, 100:900] = inner
    return frame


REGION = region_of((100, 150, 899, 689), SIZE_MM / 10)
OUTS = {"--pdf": "page.pdf", "--fhir": "observation.json", "--secondary-capture": "capture.dcm"}


def measure(*words: object) -> None:
    """Run `measure`, which must succeed."""
    assert main(["measure", *map(str, words)]) == 0


class Written:
    """What `measure` wrote about a file, and what it printed."""

    def __init__(self, source: Path, folder: Path, *options: object) -> None:
        words = [word for option, name in OUTS.items() for word in (option, folder / name)]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            measure(source, *words, "--json", *options)
        self.printed = json.loads(printed.getvalue())
        self.source = pydicom.dcmread(source)
        self.pdf = folder / OUTS["--pdf"]
        self.fhir = (folder / OUTS["--fhir"]).read_text()
        self.capture = pydicom.dcmread(folder / OUTS["--secondary-capture"])

    @property
    def page(self) -> str:
        """The text of the PDF, which has one page."""
        (page,) = pypdfium2.PdfDocument(self.pdf)
        return " ".join(page.get_textpage().get_text_range().split())


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("measured")
    clip = write_dicom(
        folder / "clip.dcm", [around(PHANTOM // 2), around(PHANTOM)], "jpeg", [REGION], LossyImageCompression="01",
        SpecificCharacterSet="ISO_IR 100", PatientName="SECRET^Ren\u00e9e", IssuerOfPatientID="SECRETISSUER",
    )  # fmt: skip
    return Written(clip, folder, "--frame", 2)


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("refused")
    return Written(write_dicom(folder / "a.dcm", around(np.full_like(PHANTOM, 90)), regions=[REGION]), folder)


def test_a_capture_is_of_the_patient_and_refers_to_the_frame(measured: Written) -> None:
    capture, source = measured.capture, measured.source
    assert capture.SOPClassUID.name == "Secondary Capture Image Storage"
    for name in ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "StudyInstanceUID", "StudyDate"):
        assert capture[name].value == source[name].value, name
    for name in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert capture[name].value != source[name].value
    (reference,) = capture.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID and reference.ReferencedFrameNumber == 2
    assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert list(capture.ImageType[:2]) == ["DERIVED", "SECONDARY"] and capture.LossyImageCompression == "01"
    assert "PixelSpacing" not in capture and "SequenceOfUltrasoundRegions" not in capture
    assert "not a medical device" in capture.SeriesDescription


def test_a_capture_shows_what_the_overlay_shows(measured: Written, tmp_path: Path) -> None:
    measure(measured.source.filename, "--frame", 2, "--overlay-dir", tmp_path)
    overlay = np.asarray(Image.open(tmp_path / "clip.png"))
    assert measured.capture.PhotometricInterpretation == "RGB" and (measured.capture.pixel_array == overlay).all()
    assert overlay[300:600, 920:980].max() == 0 and overlay[400:440, 480:520].max() > 0


@pytest.mark.parametrize("validator", ["dciodvfy", "dcmj2pnm"])
@pytest.mark.parametrize("which", ["measured", "refused"])
def test_validators_accept_a_capture(request: Any, tmp_path: Path, validator: str, which: str) -> None:
    if shutil.which(validator) is None:
        pytest.skip(f"{validator} is not installed (Debian: dicom3tools, dcmtk)")
    capture = request.getfixturevalue(which).capture
    call = [validator, capture.filename, *([str(tmp_path / "a.pnm")] if validator == "dcmj2pnm" else [])]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0 and "Error" not in done.stderr and "E: " not in done.stderr, done.stderr
    if validator == "dciodvfy":
        assert "SCImage" in done.stderr
    else:
        assert (np.asarray(Image.open(tmp_path / "a.pnm")) == capture.pixel_array).all()


@pytest.mark.parametrize(("burnt_in", "kept"), [("YES", "YES"), ("NO", "NO"), (None, "YES")])
@pytest.mark.parametrize("option", [(), ("--keep-text",)])
def test_a_capture_says_whether_text_may_name_the_patient(
    tmp_path: Path, burnt_in: str | None, kept: str, option: tuple[str, ...]
) -> None:
    elements = {"BurnedInAnnotation": burnt_in} if burnt_in else {}
    source = write_dicom(tmp_path / "a.dcm", around(PHANTOM), regions=[REGION], **elements)
    written = Written(source, tmp_path, *option)
    assert written.capture.BurnedInAnnotation == kept
    beside = written.capture.pixel_array[300:600, 920:980]
    shown = bool(option) or burnt_in == "NO"
    assert (beside == (TEXT if shown else 0)).all()
    (page,) = pypdfium2.PdfDocument(written.pdf)
    assert (_picture(page)[300:600, 920:980] == (TEXT if shown else 0)).all()


def _picture(page: Any) -> np.ndarray:
    """The one picture on a page, as it is stored."""
    (found,) = (item for item in page.get_objects() if item.type == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE)
    file = io.BytesIO()
    found.extract(file)
    return np.asarray(Image.open(file))


def test_a_page_says_what_was_measured_and_how(measured: Written) -> None:
    printed, page = measured.printed, measured.page
    low, high = printed["interval_mm"]
    assert f"HC {printed['head_circumference_mm']:.1f} mm 90% interval {low:.1f} to {high:.1f} mm" in page
    assert f"CAUTION: {printed['caution']}" in page
    assert "Research use only; not a medical device. Measured by a program, not checked by a person." in page
    assert f"Pixel size {SIZE_MM:.6g} x {SIZE_MM:.6g} mm, from the ultrasound region of the image" in page
    for said in ("clip.dcm, frame 2", "edge-m-full_int8, sha256 ", "fetal-head-edge 0.1.0", "Perimeter of an ellipse"):
        assert said in page
    assert re.search(r"Measured 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", page)
    (pixels,) = [_picture(page) for page in pypdfium2.PdfDocument(measured.pdf)]
    assert (pixels == measured.capture.pixel_array).all()


def test_an_observation_says_what_was_measured_and_how(measured: Written) -> None:
    observation = Observation.model_validate_json(measured.fhir)
    (code,) = observation.code.coding
    assert (observation.status, code.system, code.code) == ("preliminary", "http://loinc.org", "11984-2")
    value, printed = observation.valueQuantity, measured.printed
    assert float(value.value) == pytest.approx(printed["head_circumference_mm"], abs=0.006)
    interval, *sides = observation.component
    assert interval.code.text == "90% prediction interval of the head circumference"
    ends = interval.valueRange.low, interval.valueRange.high
    assert [float(end.value) for end in ends] == pytest.approx(printed["interval_mm"], abs=0.006)
    assert [float(side.valueQuantity.value) for side in sides] == pytest.approx([SIZE_MM] * 2, abs=1e-6)
    for quantity in (value, *ends, *(side.valueQuantity for side in sides)):
        assert (quantity.system, quantity.code) == ("http://unitsofmeasure.org", "mm")
    assert [side.code.coding[0].code for side in sides] == ["111026", "111066"]
    study, image = observation.derivedFrom
    for reference, kind, name in ((study, "ImagingStudy", "StudyInstanceUID"), (image, "Media", "SOPInstanceUID")):
        assert reference.type == kind and reference.identifier.system == "urn:dicom:uid"
        assert reference.identifier.value == f"urn:oid:{measured.source[name].value}"
    assert image.display == "frame 2" and observation.subject is None and observation.method.text
    (device,) = observation.contained
    assert observation.device.reference == f"#{device.id}"
    assert [each.value for each in device.version][:2] == ["0.1.0", "edge-m-full_int8"]
    notes = " ".join(note.text for note in observation.note)
    assert "not a medical device" in notes and printed["caution"] in notes and "from the ultrasound region" in notes


def test_what_is_refused_cannot_be_taken_for_a_number(refused: Written) -> None:
    assert refused.printed["head_circumference_mm"] is None
    observation = Observation.model_validate_json(refused.fhir)
    assert observation.valueQuantity is None and observation.component is None
    assert observation.dataAbsentReason.coding[0].code == "unknown"
    assert observation.dataAbsentReason.text == "No image: the frame is almost uniform"
    assert '"value": ' not in re.sub(r'"value": "(urn:|0\.1\.0|edge-m|[0-9a-f]{64})', "", refused.fhir)
    assert "NOT MEASURED No image: the frame is almost uniform." in refused.page
    assert not re.search(r"\d\s*mm|HC", refused.page)
    border = refused.capture.pixel_array[0, 0]
    assert border[0] > 200 and border[1] < 150  # red


def test_nothing_about_the_patient_is_in_a_page_or_an_observation(measured: Written, refused: Written) -> None:
    for written in (measured, refused):
        source = written.source
        document = pypdfium2.PdfDocument(written.pdf)
        metadata = str(document.get_metadata_dict())
        raw = written.pdf.read_bytes().decode("latin-1")
        for secret in ("SECRET", "Ren\u00e9e", *PATIENT.values()):
            assert secret not in written.page + metadata + raw + written.fhir, secret
        for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            assert source[name].value not in written.page + metadata + raw
        assert source.SeriesInstanceUID not in written.fhir


def test_image_files_have_a_page_and_an_observation_but_no_capture(run: Run, tmp_path: Path) -> None:
    image = tmp_path / ("\u0440\u0435\u0431\u0451\u043d\u043e\u043a <b>" + "x" * 100 + ".png")
    Image.fromarray(PHANTOM).save(image)
    outs = ("--pdf", tmp_path / "a.pdf", "--fhir", tmp_path / "a.json")
    done = run("edge_runtime", "measure", image, "--pixel-size-mm", SIZE_MM, *outs)
    assert done.returncode == 0 and f"{tmp_path / 'a.pdf'} is written." in done.stdout, done.stderr
    (page,) = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    text = "".join(page.get_textpage().get_text_range().split())
    assert "\\u0440\\u0435" in text and "<b>xxx" in text and "mm,from--pixel-size-mm" in text
    observation = Observation.model_validate_json((tmp_path / "a.json").read_text())
    assert observation.derivedFrom is None and "from --pixel-size-mm" in observation.note[1].text
    done = run("edge_runtime", "measure", image, "--pixel-size-mm", SIZE_MM, "--secondary-capture", tmp_path / "a.dcm")
    assert done.returncode == 2 and "--secondary-capture" in done.stderr and "is about one DICOM file" in done.stderr


@pytest.mark.parametrize("option", OUTS)
def test_a_document_is_about_one_file_and_replaces_none(tmp_path: Path, option: str) -> None:
    source, out = write_dicom(tmp_path / "a.dcm", PHANTOM), tmp_path / "out"
    with pytest.raises(UsageError, match=f"{option} .*out is about one"):
        measure(source, source, option, out)
    with pytest.raises(UsageError, match="name the same file"):
        measure(source, option, out, "--report", out)
    assert not out.exists()
    out.write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        measure(source, option, out)
    assert out.read_text() == "mine"


def test_a_page_and_a_picture_are_written_even_if_there_is_nothing_to_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_dicom(tmp_path / "a.dcm", PHANTOM, regions=[])
    outs = [(option, str(tmp_path / name)) for option, name in (*OUTS.items(), ("--report", "report.dcm"))]
    assert main(["measure", str(source), *(word for pair in outs for word in pair)]) == 1
    assert "there is no circumference to report" in capsys.readouterr().err
    assert [Path(out).exists() for _, out in outs] == [True, True, True, False]


@pytest.mark.parametrize(
    ("option", "said"), [("--fhir", "the UIDs of its study"), ("--secondary-capture", "the study")]
)
def test_an_image_with_spoilt_uids_has_no_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, said: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = write_dicom(tmp_path / "a.dcm", PHANTOM, StudyInstanceUID="SECRET UID")
    assert main(["measure", str(source), option, str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert said in printed.err and "SECRET" not in printed.err + printed.out and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("option", "module", "extra"), [("--pdf", "reportlab", "pdf"),
                                                         ("--secondary-capture", "highdicom", "dicom")])  # fmt: skip
def test_a_missing_package_is_named_before_anything_is_measured(
    tmp_path: Path, option: str, module: str, extra: str
) -> None:
    source = write_dicom(tmp_path / "a.dcm", PHANTOM)
    program = f"import sys; sys.modules[{module!r}] = None\nfrom edge_runtime.__main__ import command; command()"
    call = [sys.executable, "-c", program, "measure", str(source), option, str(tmp_path / "out")]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and f"pip install 'fetal-head-edge[{extra}]'" in done.stderr and not done.stdout
