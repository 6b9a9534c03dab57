"""Names of files that a terminal cannot show, or would act on: escaped, and nothing ends by them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.common.cli import json_line, printable
from tests.helpers.places import ROOT

NAMES = {
    b"caf\xe9.png": r"caf\udce9.png",  # Latin-1 on a UTF-8 system
    "\u00e9t\u00e9.png".encode(): "\u00e9t\u00e9.png",
    b"red\x1b[31m.png": r"red\x1b[31m.png",
    b"two\nlines.png": r"two\nlines.png",
    b"back\rwards\x08.png": r"back\rwards\x08.png",
    "bidi\u202egnp.png".encode(): r"bidi\u202egnp.png",
}


def call(encoding: str, *args: object) -> tuple[int, str, str]:
    """A command's exit code and output; bytes that are not of ``encoding`` fail."""
    command = [sys.executable, "-m", *map(os.fsencode, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=600)
    codec = encoding.split(":")[0]
    return done.returncode, done.stdout.decode(codec), done.stderr.decode(codec)


@pytest.fixture
def images(tmp_path: Path) -> list[bytes]:
    folder = os.fsencode(tmp_path)
    paths = [os.path.join(folder, name) for name in NAMES]  # noqa: PTH118 (pathlib takes no bytes)
    try:
        for path in paths:
            with open(path, "wb") as file:  # noqa: PTH123
                Image.fromarray(np.zeros((100, 100), np.uint8)).save(file, format="PNG")
    except OSError:
        pytest.skip("this file system takes no such names")
    return paths


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii", "ascii:strict", "latin-1"])
@pytest.mark.parametrize("command", ["measure", "stream"])
def test_every_image_is_measured_and_its_name_escaped(
    images: list[bytes], model: Path, command: str, encoding: str
) -> None:
    args = ("edge_runtime", command, *images, "--model", model, "--pixel-size-mm", "0.1")
    if command == "stream":
        args = (*args, "--fps", "20")
    code, out, err = call(encoding, *args)
    assert code == 0 and "Traceback" not in err
    assert not {"\x1b", "\r", "\x08", "\u202e"} & set(out)
    lines = [line for line in out.splitlines() if "no HC" in line]
    assert len(lines) == len(NAMES)
    for line, name in zip(lines, NAMES.values(), strict=True):
        if encoding.startswith("ascii"):
            name = name.encode("ascii", "backslashreplace").decode()
        assert f"{name} " in line


def test_json_says_names_that_every_reader_takes(images: list[bytes], model: Path) -> None:
    code, out, _ = call("ascii", "edge_runtime", "measure", *images, "--model", model, "--json")
    names = [json.loads(line)["image"] for line in out.splitlines()]
    assert code == 0 and names[0] == r"caf\udce9.png" and names[1] == "\u00e9t\u00e9.png"
    assert names[2:] == [os.fsdecode(name) for name in list(NAMES)[2:]]  # JSON escapes them by itself
    for name in names:
        name.encode()  # fails on a lone surrogate


def test_errors_escape_names_and_the_others_are_measured(images: list[bytes], model: Path) -> None:
    for image in images:
        Path(os.fsdecode(image)).write_bytes(b"no image")
    args = ("edge_runtime", "measure", *images, b"missing\x1b[31m\n.png", "--model", model)
    for encoding in ("utf-8:strict", "ascii"):
        code, _, err = call(encoding, *args)
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert code == 2 and "\x1b" not in err and len(lines) == len(NAMES) + 1
        assert r"missing\x1b[31m\n.png" in lines[-1]


@pytest.mark.parametrize(
    "args",
    [
        ("export", "audit", b"no\xff\x1b[31m.tflite"),
        ("edge_runtime", "info", "--model", b"no\xff\x1b[31m.tflite"),
        ("train", "--strategy", b"no\xff\x1b[31m"),
        ("benchmarks", "report", b"no\xff\x1b[31m.json"),
    ],
)
def test_every_command_escapes_what_it_was_given(args: tuple[str | bytes, ...]) -> None:
    code, out, err = call("ascii:strict", *args)
    assert code in (1, 2) and "Traceback" not in err
    assert "\x1b" not in out + err and r"\x1b[31m" in out + err


def test_masks_and_overlays_of_such_names(images: list[bytes], model: Path, tmp_path: Path) -> None:
    folders = ("--mask-dir", tmp_path / "m", "--overlay-dir", tmp_path / "o")
    code, _, err = call("ascii", "edge_runtime", "measure", *images, "--model", model, *folders)
    assert code == 0, err
    for folder in ("m", "o"):
        assert {os.fsencode(path.name) for path in (tmp_path / folder).iterdir()} == set(NAMES)


def test_escaping_keeps_what_is_printable() -> None:
    assert printable("frame 1 \u00e9 \u4e2d \U0001f600.png") == "frame 1 \u00e9 \u4e2d \U0001f600.png"
    for text in ("plain", "a\\b", "\\udce9", "\U0001f600", "\u00e9\n\t\x1b"):
        assert json.loads(json_line({"a": [text]})) == {"a": [text]}
    assert json.loads(json_line("\\\udce9\ud83d")) == "\\\\udce9\\ud83d"
    with pytest.raises(ValueError):
        json_line(float("nan"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("command", ["info", "measure", "stream"])
def test_output_to_a_full_disk_is_one_error(tmp_path: Path, command: str) -> None:
    Image.fromarray(np.zeros((100, 100), np.uint8)).save(tmp_path / "0.png")
    args = () if command == "info" else (str(tmp_path / "0.png"), "--pixel-size-mm", "0.1")
    with Path("/dev/full").open("w") as full:
        call = [sys.executable, "-m", "edge_runtime", command, *args]
        done = subprocess.run(call, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: The output cannot be written: No space left")
    assert done.stderr.count("\n") == 1
