"""A frame grabber through ffmpeg: a stand-in for ffmpeg writes what the real one would."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import InputError, UsageError
from edge_runtime.frame.grabber import grab

STAND_IN = """#!{python}
import sys
device = sys.argv[sys.argv.index("-i") + 1]
assert sys.argv[sys.argv.index("-f") + 1] == "v4l2" and sys.argv[-1] == "-", sys.argv
if "-vf" in sys.argv:
    assert sys.argv[sys.argv.index("-vf") + 1] == "crop=4:2:1:1", sys.argv
out = sys.stdout.buffer
for number in range({count}):
    out.write(b"P5\\n6 4\\n255\\n" + bytes([10 + number]) * 24)  # 10 is a line end: bytes are not lines
out.write({end!r})
out.flush()
"""


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    (tmp_path / "bin").mkdir()
    (tmp_path / "video0").touch()
    return tmp_path / "video0"


def stand_in(device: Path, count: int = 3, end: bytes = b"") -> None:
    program = device.parent / "bin" / "ffmpeg"
    program.write_text(STAND_IN.format(python=sys.executable, count=count, end=end))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize("end", [b"", b"P5\n6 4\n255\n\0\0\0", b"P5\n", b"P6\n"])
def test_whole_frames_are_given_until_the_device_is_gone(device: Path, end: bytes) -> None:
    stand_in(device, end=end)
    grabbed = grab(device)
    for number in range(3):
        frame = next(grabbed)
        assert frame.dtype == np.uint8 and frame.shape == (4, 6) and (frame == 10 + number).all()
    with pytest.raises(InputError, match="ffmpeg has ended"):
        next(grabbed)


def test_a_part_is_kept(device: Path) -> None:
    stand_in(device)
    assert next(grab(device, "4:2:1:1")).size


def test_a_source_that_is_closed_ends_ffmpeg(device: Path) -> None:
    stand_in(device, count=10**9)
    grabbed = grab(device)
    next(grabbed)
    grabbed.close()  # type: ignore[attr-defined]
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if children.exists():
        names = [Path(f"/proc/{pid}/cmdline") for pid in children.read_text().split()]
        assert not [name for name in names if name.exists() and str(device) in name.read_text()]


@pytest.mark.parametrize("crop", ["4:2:1", "4:2:1:1,scale=1:1", "-1:2:1:1", "a:b:c:d", ""])
def test_a_crop_is_four_numbers(device: Path, crop: str) -> None:
    stand_in(device)
    with pytest.raises(UsageError, match="must be W:H:X:Y"):
        grab(device, crop)


def test_what_is_missing_is_named(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="There is no device"):
        grab(device.with_name("video9"))
    monkeypatch.setenv("PATH", str(device.parent / "bin"))
    with pytest.raises(UsageError, match="ffmpeg, which is not installed"):
        grab(device)
