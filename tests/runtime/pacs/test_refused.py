"""What is not sent: damaged, foreign and changed files, wrong calls, spools of others."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.__main__ import main
from edge_runtime.common.lock import locked
from edge_runtime.errors import InputError, UsageError
from edge_runtime.links.pacs.instance import read_instance
from tests.helpers.places import ROOT, Run

pytest.importorskip("pynetdicom")

import pydicom

from tests.helpers.dicom_files import write_dicom
from tests.runtime.pacs.conftest import FRAME


@pytest.mark.parametrize("name", ["implicit", "big endian", "jpeg", "jpeg lossless"])
def test_a_file_cut_short_anywhere_is_not_taken(tmp_path: Path, name: str) -> None:
    data = write_dicom(tmp_path / "a.dcm", FRAME[:8, :9], name).read_bytes()
    read_instance(data)
    for length in range(len(data)):
        with pytest.raises(InputError):
            read_instance(data[:length])
    with pytest.raises(InputError, match="something after its end"):
        read_instance(data + b"more")


def test_files_of_many_scanners_are_taken() -> None:
    from tests.runtime.dicom.test_real_files import FILES, KNOWN

    for name in KNOWN:
        assert read_instance(FILES[name].read_bytes()).uid


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("no dicom", "it is not a DICOM file"),
        ("no uid", "does not say which image it is"),
        ("two uids", "does not say which image it is, or says two things"),
        ("directory", "it is of no kind that archives store"),
        ("deflated", "it is deflated"),
        ("no pixels", "has no image or report in it"),
        ("missing", "There is no file"),
        ("folder", "is a folder"),
    ],
)
def test_a_file_that_is_not_sent_is_one_line_and_the_others_are_sent(
    archive: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    server, path, good = archive(), tmp_path / "bad.dcm", write_dicom(tmp_path / "good.dcm", FRAME)
    found = pydicom.dcmread(write_dicom(path, FRAME))
    if change == "no uid":
        del found.SOPInstanceUID
    elif change == "two uids":
        found.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    elif change == "directory":
        found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    elif change == "no pixels":
        del found.PixelData
    elif change == "deflated":
        found.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    pydicom.dcmwrite(path, found)
    if change == "no dicom":
        path.write_bytes(b"SECRET" * 100)
    elif change in ("missing", "folder"):
        path.unlink()
        if change == "folder":
            path.mkdir()
    call = ["send", path, good, "--to", f"127.0.0.1:{server.port}", "--called", "A", "--spool", tmp_path / "spool"]
    assert main([*map(str, call)]) == (2 if change in ("missing", "folder") else 1)
    printed = capsys.readouterr()
    assert said in printed.err and len(printed.err.splitlines()) == 1 and "SECRET" not in printed.err + printed.out
    assert list(server.stored) == [str(pydicom.dcmread(good).SOPInstanceUID)]


def test_the_same_file_twice_is_sent_once_and_a_changed_one_is_refused(
    archive: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, path = archive(), write_dicom(tmp_path / "a.dcm", FRAME)
    copy, changed = tmp_path / "copy.dcm", tmp_path / "changed.dcm"
    copy.write_bytes(path.read_bytes())
    found = pydicom.dcmread(path)
    found.PatientName = "SECRET^OTHER"
    found.save_as(changed)
    to = ["--to", f"127.0.0.1:{server.port}", "--called", "A", "--spool", str(tmp_path / "spool")]
    assert main(["send", *map(str, (path, copy, changed)), *to]) == 1
    printed = capsys.readouterr()
    assert "copy.dcm                 is the same file as a.dcm" in printed.out
    assert "changed.dcm is not sent: it has the SOP Instance UID of another file that waits" in printed.err
    assert main(["send", str(changed), *to]) == 1
    assert "another file that was sent, but another content" in capsys.readouterr().err
    assert [len(got) for got in server.stored.values()] == [1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.dcm",), "give --to HOST:PORT and --called AET"),
        (("a.dcm", "--to", "h:1"), "give --to HOST:PORT and --called AET"),
        (("--called", "A"), "give --to HOST:PORT and --called AET"),
        (("a.dcm", "--to", "h", "--called", "A"), "is not HOST:PORT"),
        (("a.dcm", "--to", "h:0", "--called", "A"), "no port from 1 to 65535"),
        (("a.dcm", "--to", "h:65536", "--called", "A"), "no port from 1 to 65535"),
        (("a.dcm", "--to", "h:1", "--called", "A" * 17), "it must be 1 to 16 ASCII characters"),
        (("a.dcm", "--to", "h:1", "--called", "A\\B"), "it must be 1 to 16 ASCII characters"),
        (("a.dcm", "--to", "h:1", "--called", ""), "it must be 1 to 16 ASCII characters"),
        ((), "is not a spool"),
    ],
)
def test_wrong_calls(run: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = run("edge_runtime", "send", *words, "--spool", tmp_path / "spool")
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "spool").exists()


def test_a_spool_is_for_one_server_one_process_and_nothing_else(
    archive: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, path = archive(), write_dicom(tmp_path / "a.dcm", FRAME)
    spool = tmp_path / "spool"

    def send(*words: object) -> int:
        return main(["send", *map(str, words), "--spool", str(spool)])

    to = ("--to", f"127.0.0.1:{server.port}", "--called", "A")
    assert send(path, *to) == 0 and spool.stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError, match=r"is a spool for A at .* and not for B at"):
        send(path, *to[:3], "B")
    with locked(spool), pytest.raises(UsageError, match=r"in use by another run .* choose another --spool"):
        send()
    for foreign in ("SMITH JANE.dcm", "notes.txt"):
        shutil.copy(path, spool / "waiting" / foreign)
    (spool / "waiting" / "folder.dcm").mkdir()
    assert send() == 0 and "0 waiting" in capsys.readouterr().out
    assert len(list((spool / "waiting").iterdir())) == 3 and len(list((spool / "sent").iterdir())) == 1
    (spool / "server.json").write_text(json.dumps({"host": "x"}))
    with pytest.raises(UsageError, match=r"server\.json is damaged .*Restore it"):
        send()
    (spool / "server.json").unlink()
    with pytest.raises(UsageError, match="is not empty, and not a spool"):
        send(path, *to)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    program = "import sys; sys.modules['pynetdicom'] = None\nfrom edge_runtime.__main__ import command; command()"
    call = ["send", "a.dcm", "--to", "h:1", "--called", "A", "--spool", str(tmp_path / "spool")]
    done = subprocess.run([sys.executable, "-c", program, *call], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "pip install 'fetal-head-edge[dicom]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "spool").exists()
