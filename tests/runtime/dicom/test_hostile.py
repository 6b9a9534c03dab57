"""Files that are cut short, damaged, or made to do harm: one line, little memory, soon."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime import InputError, UsageError, read_picture
from edge_runtime.frame.dicom.files import MAX_DICOM_BYTES
from edge_runtime.frame.dicom.palette import make_palette
from tests.helpers.places import ROOT, Run

pytest.importorskip("pydicom")

import pydicom

from tests.helpers.dicom_files import ENCODED, SYNTAXES, write_dicom

FRAME = np.add.outer(np.arange(96), np.arange(128)).astype(np.uint8)


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_file_cut_short_anywhere_is_one_line(tmp_path: Path, name: str) -> None:
    data = write_dicom(tmp_path / "whole.dcm", FRAME, name).read_bytes()
    path = tmp_path / "cut.dcm"
    for length in {132, 133, 140, 200, 300, 600, 800, len(data) // 2, len(data) - 100, len(data) - 40}:
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match=r"cannot be measured: .*(opy|xport) or export it again\.$"):
            read_picture(path)


def test_the_command_says_it_in_one_line_and_goes_on(run: Run, model: Path, tmp_path: Path) -> None:
    files = []
    for name in ("explicit", "jpeg lossless sv1", "jpeg 2000"):
        path = write_dicom(tmp_path / f"{name}.dcm", [FRAME, FRAME], name)
        path.write_bytes(path.read_bytes()[:-800])
        files.append(path)
    good = write_dicom(tmp_path / "good.dcm", [FRAME, FRAME])
    done = run("edge_runtime", "measure", *files, good, "--frame", 2, "--model", model)
    assert done.returncode == 1 and done.stdout.startswith("good.dcm ")
    lines = done.stderr.splitlines()
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines)
    played = run("edge_runtime", "stream", files[0], "--model", model, "--stall-s", 60, "--fps", 2)
    assert played.returncode == 1 and "Traceback" not in played.stdout + played.stderr
    assert "this frame could not be measured" in played.stdout


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"Rows": 65535, "Columns": 65535}, "65535 x 65535 pixels; at most"),
        ({"Rows": 8192, "Columns": 8192}, "damaged or cut short"),
        ({"Rows": 0}, "which cannot be"),
        ({"NumberOfFrames": 2_000_000_000}, "2000000000 frames"),
        ({"NumberOfFrames": -1}, "-1 frames"),
        ({"SamplesPerPixel": 3}, "MONOCHROME2 with 3 channels"),
        ({"Rows": [96, 96]}, "header is damaged"),
    ],
)
@pytest.mark.parametrize("name", ["explicit", "rle", "jpeg", "jpeg lossless sv1", "jpeg-ls", "jpeg 2000"])
def test_sizes_that_cannot_be(tmp_path: Path, name: str, elements: dict[str, Any], said: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME, name)
    found = pydicom.dcmread(path)
    for key, value in elements.items():
        setattr(found, key, value)
    found.save_as(path)
    if elements.get("Rows") == 8192 and name.startswith("jpeg"):
        said = "but its header says 8192 x 8192"
    with pytest.raises(InputError) as caught:
        read_picture(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", [name for name in ENCODED if name != "rle"])
def test_a_stream_of_another_size_than_its_header_is_not_decoded(tmp_path: Path, name: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME, name)
    data = path.read_bytes()
    size = struct.pack(">II", 128, 96) if "2000" in name else struct.pack(">HH", 96, 128)
    assert data.count(size) >= 1
    at = data.rindex(size) if "2000" not in name else data.index(size)
    huge = struct.pack(">II", 60000, 60000) if "2000" in name else struct.pack(">HH", 60000, 60000)
    path.write_bytes(data[:at] + huge + data[at + len(size) :])
    with pytest.raises(InputError, match=r"its pixels are 60000 x 60000 .* but its header says 128 x 96"):
        read_picture(path)


def test_pixels_that_are_missing_or_not_what_the_header_says(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME)
    found = pydicom.dcmread(path)
    del found.PixelData
    found.save_as(path)
    with pytest.raises(InputError, match="it has no pixels"):
        read_picture(path)
    path = write_dicom(tmp_path / "b.dcm", FRAME, "jpeg 2000")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.91", b"1.2.840.10008.1.2.4.50"))
    with pytest.raises(InputError, match="its pixels are not JPEG baseline, as its header says"):
        read_picture(path)


@pytest.mark.parametrize(
    ("uid", "said"),
    [
        ("1.2.840.10008.1.2.1.99", "its pixels are deflated"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4 video"),
        ("1.2.840.10008.1.2.4.201", "high-throughput JPEG 2000"),
        ("1.2.3.4.5", "of transfer syntax 1.2.3.4.5"),
        ("not a number", "does not say how it is stored"),
    ],
)
def test_forms_that_are_not_read_are_named_before_anything_is_unpacked(tmp_path: Path, uid: str, said: str) -> None:
    data = write_dicom(tmp_path / "a.dcm", FRAME, "explicit").read_bytes()
    value = uid.encode() + b"\0" * (len(uid) % 2)
    old = b"UI\x14\x00" + b"1.2.840.10008.1.2.1\0"
    assert data.count(old) == 1
    bomb = zlib.compress(bytes(1 << 24), wbits=-15)  # deflated data: 16 MB from 16 kB
    changed = data.replace(old, b"UI" + struct.pack("<H", len(value)) + value)
    (tmp_path / "a.dcm").write_bytes(changed[:400] + bomb)
    with pytest.raises(InputError, match=said):
        read_picture(tmp_path / "a.dcm")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME)
    with path.open("r+b") as file:
        file.truncate(MAX_DICOM_BYTES + 1)  # sparse: takes no room
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError):
        read_picture(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize(
    ("words", "said"), [([2, 60000, 0, 0], "kind 2"), ([1, 5, 9], "kind 1"), ([0, 3, 1, 2, 3], "has 3 of 256")]
)
def test_palettes_that_cannot_be_expanded_are_refused(words: list[int], said: str) -> None:
    table = np.array(words, "<u2").tobytes()
    with pytest.raises(ValueError, match=said):
        make_palette((256, 0, 16), (table,) * 3, big_endian=False, segmented=True)


def test_numbers_of_frames_and_regions(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAME)
    for name in ("frame", "region"):
        for wrong in (0, -1, True, "1", 1.0):
            with pytest.raises(UsageError, match=rf"The {name} is .*; {name}s are counted from 1"):
                read_picture(path, **{name: wrong})
        with pytest.raises(UsageError, match=f"there is no {name} 2"):
            read_picture(path, **{name: 2})


_FUZZ = """
import random, sys
from pathlib import Path
from edge_runtime import FetalHeadError, read_picture
folder, rng = Path(sys.argv[1]), random.Random(0)
bases = [path.read_bytes() for path in sorted(folder.glob("*.dcm"))]
for n in range(int(sys.argv[2])):
    data = bytearray(bases[n % len(bases)])
    for _ in range(rng.choice((1, 3, 30))):
        data[rng.randrange(132, min(len(data), rng.choice((1500, len(data)))))] = rng.randrange(256)
    (folder / "damaged").write_bytes(data)
    try:
        read_picture(folder / "damaged", 1)
    except FetalHeadError as error:
        assert "SECRET" not in str(error) and "1987" not in str(error), error
print("done")
"""


@pytest.mark.slow
def test_random_damage_never_leads_to_a_crash_or_a_long_wait(tmp_path: Path) -> None:
    for name in SYNTAXES:
        write_dicom(tmp_path / f"{name}.dcm", FRAME, name)
    began = time.monotonic()
    call = [sys.executable, "-c", _FUZZ, str(tmp_path), "1200"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr[-2000:]
    assert time.monotonic() - began < 120
