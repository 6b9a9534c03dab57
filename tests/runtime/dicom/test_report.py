"""Structured reports: what they say, read back by others' readers and validators."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.head.ellipse import Ellipse
from edge_runtime.output.dicom_report import TEMPLATES, ellipse_points
from tests.helpers.places import Run
from train.data.phantom import make_phantom

pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

import highdicom
import pydicom
from pydicom.sr import codes
from pydicom.sr._concepts_dict import concepts

from tests.helpers.dicom_files import PATIENT, whole, write_dicom

FRAME, _, SIZE_MM = make_phantom(0)


@pytest.fixture(scope="module")
def reports(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], dict[str, Any], Path]:
    """A report of each template, what `measure --json` printed, and the clip they are about."""
    folder = tmp_path_factory.mktemp("reports")
    clip = write_dicom(folder / "clip.dcm", [FRAME // 2, FRAME], regions=[whole(FRAME, SIZE_MM / 10)])
    printed: dict[str, Any] = {}
    for template in TEMPLATES:
        call = ("measure", clip, "--frame", 2, "--json", "--report", folder / f"{template}.dcm", "--template", template)
        done = run("edge_runtime", *call)
        assert (done.returncode, done.stderr) == (0, "")
        printed = json.loads(done.stdout)
    return {template: folder / f"{template}.dcm" for template in TEMPLATES}, printed, clip


def items(dataset: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    for item in dataset.get("ContentSequence", []):
        yield item
        yield from items(item)


def coded(dataset: pydicom.Dataset) -> Iterator[tuple[str, str, str]]:
    """All codes in a data set: value, scheme and meaning."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                if "CodeValue" in item:
                    yield item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning
                yield from coded(item)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_report_says_what_was_measured_and_in_which_image(reports: Any, template: str) -> None:
    paths, printed, clip = reports
    report, image = pydicom.dcmread(paths[template]), pydicom.dcmread(clip)
    assert report.ContentTemplateSequence[0].TemplateIdentifier == template
    assert {str(report[name].value) for name in ("PatientName", "PatientID", "StudyInstanceUID")} == {
        PATIENT["PatientName"], PATIENT["PatientID"], str(image.StudyInstanceUID)
    }  # fmt: skip
    found = {item.ConceptNameCodeSequence[0].CodeMeaning: item for item in items(report)}
    measured = found["Head Circumference"].MeasuredValueSequence[0]
    assert float(measured.NumericValue) == pytest.approx(printed["head_circumference_mm"], abs=0.01)
    assert measured.MeasurementUnitsCodeSequence[0].CodeValue == "mm"
    low, high = printed["interval_mm"]
    for name, wanted in (("+, range of upper", high - float(measured.NumericValue)),
                         ("-, range of lower", float(measured.NumericValue) - low)):  # fmt: skip
        (item,) = (found[key] for key in found if key.startswith(name))
        value = item.MeasuredValueSequence[0]
        assert float(value.NumericValue) == pytest.approx(wanted, abs=0.02)
        assert value.MeasurementUnitsCodeSequence[0].CodeValue == "mm"
    for name in ("Horizontal Pixel Spacing", "Vertical Pixel Spacing") if template == "1500" else ():
        assert float(found[name].MeasuredValueSequence[0].NumericValue) == pytest.approx(SIZE_MM, abs=1e-5)
    (outline,) = (item for item in items(report) if item.ValueType == "SCOORD")
    ellipse = Ellipse(**printed["ellipse"])
    assert np.reshape(outline.GraphicData, (4, 2)) == pytest.approx(ellipse_points(ellipse), abs=1e-3)
    (source,) = (item for item in items(report) if item.ValueType == "IMAGE")
    assert source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert source.ReferencedSOPSequence[0].ReferencedFrameNumber == 2
    texts = " ".join(item.TextValue for item in items(report) if item.ValueType == "TEXT")
    assert "fetal-head-edge" in texts and "sha256" in texts
    assert f"pixel size {SIZE_MM:.6g} x {SIZE_MM:.6g} mm, from the ultrasound region" in texts


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_code_is_that_of_pydicoms_dictionary(reports: Any, template: str) -> None:
    seen = set(coded(pydicom.dcmread(reports[0][template])))
    assert ("11984-2", "LN", "Head Circumference") in seen and codes.LN.HeadCircumference.value == "11984-2"
    for value, scheme, meaning in seen:
        if scheme in ("LN", "DCM", "UCUM"):
            known = {meanings[value][0] for meanings in concepts[scheme].values() if value in meanings}
            assert meaning in known, (value, scheme, meaning)


def test_highdicom_reads_the_measurement_report_back(reports: Any) -> None:
    report = highdicom.sr.srread(reports[0]["1500"])
    (group,) = report.content.get_planar_roi_measurement_groups()
    assert group.roi.graphic_type is highdicom.sr.GraphicTypeValues.ELLIPSE
    (measured,) = group.get_measurements(name=codes.LN.HeadCircumference)
    assert measured.value == pytest.approx(reports[1]["head_circumference_mm"], abs=0.01)
    assert isinstance(highdicom.sr.srread(reports[0]["5000"]), highdicom.sr.ComprehensiveSR)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("validator", ["dciodvfy", "dsrdump"])
def test_validators_accept_it(reports: Any, template: str, validator: str) -> None:
    if shutil.which(validator) is None:
        pytest.skip(f"{validator} is not installed (Debian: dicom3tools, dcmtk)")
    done = subprocess.run([validator, str(reports[0][template])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr and "E: " not in done.stderr
    assert "Comprehensive" in done.stdout + done.stderr


def test_the_points_of_an_ellipse_are_the_ends_of_its_axes() -> None:
    points = ellipse_points(Ellipse(100, 50, 30, 20, 90))
    assert points == pytest.approx(np.array([[100.5, 20.5], [100.5, 80.5], [120.5, 50.5], [80.5, 50.5]]))


def test_nothing_is_written_where_nothing_was_measured_and_nothing_is_replaced(run: Run, tmp_path: Path) -> None:
    dicom = write_dicom(tmp_path / "a.dcm", FRAME, regions=[])
    out = tmp_path / "report.dcm"
    done = run("edge_runtime", "measure", dicom, "--report", out)
    assert done.returncode == 1 and "there is no circumference to report" in done.stderr and not out.exists()
    for images, said in (((dicom, dicom), "is about one DICOM file"), ((tmp_path,), "is about one DICOM file")):
        done = run("edge_runtime", "measure", *images, "--report", out)
        assert done.returncode == 2 and said in done.stderr and not out.exists()
    out.write_text("mine")
    done = run("edge_runtime", "measure", dicom, "--pixel-size-mm", SIZE_MM, "--report", out)
    assert done.returncode == 2 and "already exists" in done.stderr and out.read_text() == "mine"


def test_an_image_that_lacks_what_a_report_must_copy_is_refused_without_naming_anyone(run: Run, tmp_path: Path) -> None:
    dicom = write_dicom(tmp_path / "a.dcm", FRAME, regions=[whole(FRAME, SIZE_MM / 10)])
    found = pydicom.dcmread(dicom)
    del found.StudyInstanceUID
    found.save_as(dicom)
    done = run("edge_runtime", "measure", dicom, "--report", tmp_path / "report.dcm")
    assert done.returncode == 1 and "No report can be made" in done.stderr and "Traceback" not in done.stderr
    assert "SECRET" not in done.stderr and not (tmp_path / "report.dcm").exists()
