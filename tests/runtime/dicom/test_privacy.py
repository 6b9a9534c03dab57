"""Nothing about the patient gets out: not in text, JSON, messages or logs, nor in pictures unless asked for."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime import FetalHeadError, read_picture
from tests.helpers.places import ROOT, Run
from train.data.phantom import make_phantom

pytest.importorskip("pydicom")

import pydicom

from tests.helpers.dicom_files import PATIENT, region_of, whole, write_dicom

FRAME, _, SIZE_MM = make_phantom(0)
SECRETS = ("SECRET", "19870605", "20250403")


def identifiers(path: Path) -> list[str]:
    found = pydicom.dcmread(path, stop_before_pixels=True)
    return [*SECRETS, found.SOPInstanceUID, found.StudyInstanceUID, found.SeriesInstanceUID]


@pytest.mark.parametrize("damage", ["none", "cut short", "wrong values", "other modality", "two regions"])
def test_no_output_says_who_the_patient_is(run: Run, model: Path, tmp_path: Path, damage: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", [FRAME, FRAME])
    secrets = identifiers(path)
    found = pydicom.dcmread(path)
    if damage == "wrong values":  # pydicom warns of these, and quotes them
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.StudyInstanceUID, found.PatientBirthDate = "SECRET.UID", "SECRETDATE"
            found.Modality = "SECRET NAME WHERE A MODALITY SHOULD BE"
    elif damage == "other modality":
        found.Modality = "SECRET^NAME"
    elif damage == "two regions":
        found.SequenceOfUltrasoundRegions = [region_of((0, 0, 399, 539)), region_of((400, 0, 799, 539))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.save_as(path)
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:-3000])
    for command in (("measure", path, "--frame", 2), ("measure", path, "--frame", 2, "--json"),
                    ("stream", path, "--json", "--fps", 100)):  # fmt: skip
        done = run("edge_runtime", *command, "--model", model)
        assert "Traceback" not in done.stderr and (done.returncode == 0) == (damage == "none")
        assert not [secret for secret in secrets if secret in done.stdout + done.stderr]


def test_neither_warnings_nor_the_log_of_pydicom_get_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME[:97, :99], "rle")
    path.write_bytes(path.read_bytes()[:-2000])  # pydicom logs this as an error
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        with pytest.raises(FetalHeadError):
            read_picture(path)
    assert not caught and not caplog.records
    log = logging.getLogger("pydicom")
    assert log.propagate  # a program that uses pydicom itself still gets its log
    with caplog.at_level(logging.DEBUG):
        log.warning("of the program's own reading")
    assert len(caplog.records) == 1


_LOGGED = """
import logging, sys
from edge_runtime.__main__ import command
logging.basicConfig(level=logging.DEBUG)
logging.getLogger().debug("all of the log is here")
command()
"""


def test_a_program_that_logs_all_logs_nothing_about_the_patient(tmp_path: Path) -> None:
    import pynetdicom

    path = write_dicom(tmp_path / "a.dcm", FRAME)
    entity, spool = pynetdicom.AE("ARCHIVE"), tmp_path / "spool"
    entity.supported_contexts = pynetdicom.StoragePresentationContexts
    handlers = [(pynetdicom.evt.EVT_C_STORE, lambda event: 0)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    outs = [tmp_path / name for name in ("a.json", "capture.dcm", "report.dcm", "a.pdf")]
    options = [word for pair in zip(("--fhir", "--secondary-capture", "--report", "--pdf"), outs, strict=True)
               for word in pair]  # fmt: skip
    to = ("--to", f"127.0.0.1:{server.server_address[1]}", "--called", "ARCHIVE", "--spool", spool)
    for words in (("measure", path, *options), ("send", path, *outs[1:3], *to)):
        call = [sys.executable, "-c", _LOGGED, *map(str, words)]
        done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 and "all of the log is here" in done.stderr, done.stderr
        assert not [secret for secret in identifiers(path) if secret in done.stdout + done.stderr]
    server.shutdown()
    names = " ".join(str(found) for found in spool.rglob("*"))
    kept = b"".join(found.read_bytes() for found in spool.rglob("*.json"))
    for secret in identifiers(path):
        assert secret not in names and secret.encode() not in kept


@pytest.mark.parametrize(
    ("burnt_in", "regions", "option", "shown"),
    [
        (None, "part", (), "part"),
        ("YES", "part", (), "part"),
        ("NO", "part", (), "all"),
        (None, "part", ("--keep-text",), "all"),
        (None, "none", (), "nothing"),
        ("NO", "none", (), "all"),
        (None, "none", ("--keep-text",), "all"),
    ],
)
def test_overlays_are_black_around_the_tissue_unless_asked_for(
    run: Run, tmp_path: Path, burnt_in: str | None, regions: str, option: tuple[str, ...], shown: str
) -> None:
    frame = np.full((700, 1000), 90, np.uint8)
    frame[150:690, 100:900] = FRAME
    elements = {"BurnedInAnnotation": burnt_in} if burnt_in else {}
    given = [region_of((100, 150, 899, 689), SIZE_MM / 10)] if regions == "part" else []
    path = write_dicom(tmp_path / "a.dcm", frame, regions=given, **elements)
    done = run("edge_runtime", "measure", path, "--overlay-dir", tmp_path / "o", "--json", *option)
    assert json.loads(done.stdout)["burnt_in_annotation"] == {"YES": True, "NO": False}.get(burnt_in or "")
    overlay = np.asarray(Image.open(tmp_path / "o" / "a.png").convert("L")).astype(int)
    assert overlay.shape == frame.shape
    around, within = overlay[300:600, 920:980], overlay[400:440, 480:520]  # beside the text that is drawn
    assert (np.abs(around - 90).max() <= 1) if shown == "all" else around.max() == 0
    assert (within.max() > 10) == (shown != "nothing")


_LEAN = """
import sys
import edge_runtime.__main__
from edge_runtime import read_picture
read_picture(sys.argv[1])
assert not {"pydicom", "gdcm", "highdicom", "pynetdicom", "reportlab", "jpeg_ls"} & set(sys.modules)
for module in {modules!r}:
    sys.modules[module] = None
try:
    read_picture(sys.argv[2])
except edge_runtime.FetalHeadError as error:
    print(error)
"""


@pytest.mark.parametrize(("modules", "package"), [(["pydicom"], "pydicom"), (["gdcm"], "python-gdcm")])
def test_nothing_is_imported_for_images_and_a_missing_package_is_named(
    tmp_path: Path, modules: list[str], package: str
) -> None:
    Image.fromarray(FRAME).save(tmp_path / "a.png")
    dicom = write_dicom(tmp_path / "a.dcm", FRAME, "jpeg lossless sv1", [whole(FRAME, 0.02)])
    program = _LEAN.replace("{modules!r}", repr(modules))
    call = [sys.executable, "-c", program, str(tmp_path / "a.png"), str(dicom)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"needs the package '{package}'" in done.stdout
    assert "pip install 'fetal-head-edge[dicom]'" in done.stdout


def test_what_the_test_keeps_secret_is_in_the_files(tmp_path: Path) -> None:
    data = write_dicom(tmp_path / "a.dcm", FRAME).read_bytes()
    assert all(value.encode() in data for value in PATIENT.values())
