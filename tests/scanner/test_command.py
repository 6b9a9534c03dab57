"""The command: what it plays, and what it says of a wrong call. No page is served where something is wrong."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime import Frame, InputError, ModelError, Segmenter, UsageError
from edge_runtime.frame.grabber import grab
from edge_runtime.shipped import DEFAULT_MODEL
from examples.scanner import __main__ as command
from examples.scanner.screen import Screen
from examples.scanner.server import open_server
from examples.scanner.sources import open_probe
from tests.helpers.dicom_files import PATIENT, region_of, write_dicom
from tests.helpers.places import ROOT, Run
from train.data.phantom import make_phantom

PIXELS, _, PIXEL_SIZE_MM = make_phantom(3)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield int(taken.getsockname()[1])


def frames(*call: str, count: int = 2) -> tuple[list[object], object]:
    """The first frames that a call plays, and the pixel size of those without their own."""
    play, size = open_probe(command.build_parser().parse_args([*call, "--fps", "1000"]))
    return list(islice(play(), count)), size


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("no-such-folder",), "There is no file no-such-folder"),
        (("tests",), "has no images"),
        (("docs/phantom.png",), "The size of a pixel is needed"),
        (("docs/phantom.png", "--pixel-size-mm", "0"), "not a number of millimetres above 0"),
        (("/dev/video-none", "--pixel-size-mm", "0.2"), "There is no device"),
        (("--host", "192.0.2.1"), "cannot be served: Cannot assign requested address. Give another --port or --host."),
    ],
)
def test_a_wrong_call_is_told(call: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UsageError, match=re.escape(said)):
        command.main(list(call))


@pytest.mark.parametrize("text", ["13,6", "40,1", "24,7", "24", "24.5", "-1,0"])
def test_a_gestational_age_is_weeks_and_days_in_range(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.build_parser().parse_args([f"--gestational-age={text}"])
    assert "is not WEEKS,DAYS from 14,0 to 40,0" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "weeks"), [("14,0", 14), ("24,3", 24 + 3 / 7), ("40,0", 40)])
def test_a_gestational_age_is_read(text: str, weeks: float) -> None:
    assert command.build_parser().parse_args(["--gestational-age", text]).gestational_age == weeks


def test_a_port_in_use_is_told(taken_port: int, run: Run) -> None:
    done = run("examples.scanner", "--port", taken_port)
    assert done.returncode == 2 and f"127.0.0.1:{taken_port} cannot be served" in done.stderr
    assert "--port" in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


def test_a_damaged_model_ends_the_command_before_there_is_a_page(tmp_path: Path, free_port: int, run: Run) -> None:
    for file in (DEFAULT_MODEL, DEFAULT_MODEL.with_suffix(".json")):
        shutil.copy(file, tmp_path)
    model = tmp_path / DEFAULT_MODEL.name
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    with pytest.raises(ModelError):
        command.main(["--model", str(model), "--port", str(free_port)])
    done = run("examples.scanner", "--model", model, "--port", free_port)
    assert done.returncode == 1 and done.stderr.count("error: ") == 1 and "http" not in done.stdout


def test_the_phantom_has_its_own_pixel_size() -> None:
    shown, size = frames()
    assert size is None and all(isinstance(item, Frame) and item.pixel_size_mm for item in shown)


def test_a_folder_is_played_with_the_pixel_size_that_is_given(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    shown, size = frames(str(tmp_path), "--pixel-size-mm", "0.2")
    assert size == 0.2 and all(np.array_equal(item, PIXELS) for item in shown)  # type: ignore[arg-type]


def test_a_grabber_that_is_unplugged_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device, away, over = tmp_path / "video0", tmp_path / "away", threading.Event()
    ffmpeg = tmp_path / "bin" / "ffmpeg"
    ffmpeg.parent.mkdir()
    PIXELS.tofile(tmp_path / "frame")
    header = rf"P5\n{PIXELS.shape[1]} {PIXELS.shape[0]}\n255\n"
    ffmpeg.write_text(
        f"#!/bin/sh\nwhile [ -e {device} ]; do printf '{header}'; cat {tmp_path}/frame; sleep 0.05; done\n"
    )
    ffmpeg.chmod(0o755)
    monkeypatch.setenv("PATH", str(ffmpeg.parent), prepend=os.pathsep)
    device.touch()

    def frames() -> Iterator[np.ndarray]:
        return sys.exit() if over.is_set() else grab(device)

    screen = Screen(None)

    def play() -> None:
        with contextlib.suppress(SystemExit):
            command.play(Segmenter.load(), (frames, PIXEL_SIZE_MM), 60_000.0, screen)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()

    def shows(title: str) -> bool:
        until = time.monotonic() + 60
        while not (found := screen.message["title"].startswith(title)) and time.monotonic() < until:
            time.sleep(0.02)
        return found

    assert shows("HC")
    device.rename(away)
    assert shows("NO PROBE")
    time.sleep(2.5)  # it is looked for again in this time
    assert screen.message["title"] == "NO PROBE"
    away.rename(device)
    assert shows("HC")
    over.set()
    device.unlink()
    thread.join(60)
    assert not thread.is_alive()


def test_hc18_brings_its_table(phantom: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HC18_DIR", str(phantom))
    (first, second), _ = frames("hc18")
    assert isinstance(first, Frame) and isinstance(second, Frame) and first.pixel_size_mm == second.pixel_size_mm
    monkeypatch.setenv("HC18_DIR", "")
    monkeypatch.chdir(phantom)
    with pytest.raises(UsageError, match="HC18 is not in"):
        frames("hc18")


def test_a_clip_is_played_without_the_text_around_its_tissue(tmp_path: Path) -> None:
    clip = write_dicom(
        tmp_path / "clip.dcm", [PIXELS, PIXELS // 2], regions=[region_of((100, 50, 699, 500))], **PATIENT
    )
    (first, second), size = frames(str(clip))
    assert size is None and isinstance(first, Frame) and isinstance(second, Frame)
    assert first.pixel_size_mm == (0.2, 0.2) and second.pixels.max() < first.pixels.max()
    assert not first.pixels[:50].any() and not first.pixels[:, :100].any()
    assert np.array_equal(first.pixels[50:501, 100:700], PIXELS[50:501, 100:700])


def test_what_is_wrong_with_a_clip_is_told_before_there_is_a_page(tmp_path: Path) -> None:
    two = [region_of((0, 0, 299, 399)), region_of((300, 0, 599, 399))]
    clip = write_dicom(tmp_path / "clip.dcm", [PIXELS, PIXELS], regions=two)
    with pytest.raises(InputError, match="--region N"):
        frames(str(clip))
    assert len(frames(str(clip), "--region", "2")[0]) == 2
    with pytest.raises(InputError, match="cannot be read as an image: it is a text file"):
        frames(str(ROOT / "README.md"), "--pixel-size-mm", "0.2")
    code = (
        "import sys; sys.modules['pydicom'] = None; from edge_runtime.common.cli import run_command; "
        "from examples.scanner.__main__ import main; run_command(main)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(clip)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "fetal-head-edge[dicom]" in done.stderr and done.stdout == ""


def test_an_empty_host_serves_this_computer_alone() -> None:
    with open_server("", 0, Screen(None)) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_the_prototype_is_as_short_as_it_is_said_to_be() -> None:
    import ast

    lines = 0
    for path in (ROOT / "examples" / "scanner").glob("*.py"):
        text = path.read_text()
        notes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr)]
        told = {
            line
            for node in notes
            if isinstance(node.value, ast.Constant)
            for line in range(node.lineno, (node.end_lineno or 0) + 1)
        }
        code = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.strip().startswith("#")]
        lines += len(set(code) - told)
    assert 200 < lines < 250


def test_the_server_says_which_address_is_not_this_computers() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.1:8000 cannot be served"):
        open_server("192.0.2.1", 8000, Screen(None))
