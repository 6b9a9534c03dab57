"""Frame sets: what is packed is what is read, and a file that is not whole is refused by name."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.frames.frame_set import MAGIC, VERSION, pack_grey, read_frame_set, unpack_grey
from benchmarks.frames.pack import PHANTOM
from edge_runtime.errors import InputError, UsageError
from tests.helpers.places import ROOT
from train.data.hc18 import read_dataset
from train.data.phantom import make_phantom

FAST = ("--frames", "3", "--warmup", "1", "--rounds", "2")


@pytest.fixture(scope="module")
def packed(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("frames") / "few.frames"
    assert main(["pack", "--data", str(phantom), "--split-part", "paper", "--images", "3", "--out", str(out)]) == 0
    return out


def rehashed(body: bytes, version: int = VERSION) -> bytes:
    """A frame set whose first line is right, whatever comes after it."""
    return MAGIC + f" {version} {hashlib.sha256(body).hexdigest()}\n".encode() + body


def test_frames_and_references_come_back_as_they_were(packed: Path, phantom: Path) -> None:
    samples = read_dataset(phantom).samples
    found = read_frame_set(packed)
    assert len(found.frames) == 3 and found.header.is_phantom and found.header.split == "paper"
    for frame in found.frames:
        sample = samples[frame.name]
        assert np.array_equal(frame.frame(), sample.frame() & 0xF8), "a phantom keeps 32 greys"
        assert np.array_equal(frame.mask(), sample.mask())
        assert (frame.pixel_size_mm, frame.hc_mm) == (sample.pixel_size_mm, sample.hc_mm)


@pytest.mark.parametrize("shape", [(32, 32), (1, 7), (7, 1), (41, 33)])
def test_any_bytes_survive_packing(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(unpack_grey(pack_grey(grey), *shape), grey)


def test_the_committed_frame_set_shows_the_phantoms_of_this_program() -> None:
    assert PHANTOM.stat().st_size < 1_000_000
    found = read_frame_set(PHANTOM)
    assert len(found.frames) == 8 and found.header.is_phantom
    for frame in found.frames[:2]:
        drawn, ellipse, pixel_size = make_phantom(int(frame.name[:3]))
        assert np.mean(frame.frame() == (drawn & 0xF8)) > 0.999, "another numpy may round differently"
        assert frame.pixel_size_mm == pytest.approx(pixel_size)
        assert frame.hc_mm == pytest.approx(ellipse.perimeter * pixel_size, rel=1e-6)


def bytes_of(packed: Path) -> bytes:
    return packed.read_bytes()


def with_header(packed: Path, change: Callable[[dict], None]) -> bytes:
    """A frame set whose header is changed, and whose first line is right all the same."""
    text, _, frames = bytes_of(packed).partition(b"\n")[2].partition(b"\n")
    header = json.loads(text)
    change(header)
    return rehashed(json.dumps(header).encode() + b"\n" + frames)


BROKEN: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty": (lambda _: b"", "is not a frame set"),
    "another kind": (lambda _: b"\x89PNG\r\n\x1a\n", "is not a frame set"),
    "another schema": (lambda p: rehashed(bytes_of(p).partition(b"\n")[2], version=99), "schema version 99"),
    "cut short": (lambda p: bytes_of(p)[:-1000], "cut short"),
    "cut in its header": (lambda p: bytes_of(p)[:200], "changed or cut short"),
    "one byte changed": (lambda p: bytes_of(p)[:-1] + b"\0", "does not match its SHA-256"),
    "no header": (lambda _: rehashed(b"{}\n"), "is missing"),
    "no JSON": (lambda _: rehashed(b"frames\n"), "no usable header"),
    "no frames": (lambda p: with_header(p, lambda h: h.update(frames=[])), "holds no frames"),
    "two of one name": (lambda p: with_header(p, lambda h: h["frames"][1].update(h["frames"][0])), "one name"),
    "another frame's hash": (
        lambda p: with_header(p, lambda h: h["frames"][0].update(sha256="0" * 64)), "do not match its SHA-256",
    ),
    "another size": (lambda p: with_header(p, lambda h: h["frames"][0].update(height=10)), "does not hold 800 x 10"),
    "a huge size": (lambda p: with_header(p, lambda h: h["frames"][0].update(height=10**9)), "000 pixels in"),
    "a pixel size of 0": (
        lambda p: with_header(p, lambda h: h["frames"][0].update(pixel_size_mm=0)), "pixel_size_mm is 0",
    ),
    "no circumference": (lambda p: with_header(p, lambda h: h["frames"][0].update(hc_mm=-1.0)), "must be above 0"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_frame_set_is_refused(kind: str, packed: Path, tmp_path: Path) -> None:
    make, message = BROKEN[kind]
    (tmp_path / "broken.frames").write_bytes(make(packed))
    with pytest.raises(InputError, match=message) as caught:
        read_frame_set(tmp_path / "broken.frames")
    assert "broken.frames" in str(caught.value)


def test_packing_neither_overwrites_nor_makes_a_file_that_git_would_take(packed: Path, phantom: Path) -> None:
    before = packed.read_bytes()
    with pytest.raises(UsageError, match="--overwrite"):
        main(["pack", "--data", str(phantom), "--out", str(packed)])
    assert packed.read_bytes() == before
    with pytest.raises(UsageError, match=r"must end in \.frames"):
        main(["pack", "--data", str(phantom), "--out", str(packed.with_suffix(".bin"))])
    ignored = subprocess.run(["git", "-C", ROOT, "check-ignore", "hc18.frames", "benchmarks/frames/hc18.frames"])
    assert ignored.returncode == 0
