"""Golden outputs: the same bytes on the same network, and a network or device that answers otherwise is refused."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import Segmenter
from edge_runtime.artifact.golden import FRAMES, golden_frames, take_golden
from edge_runtime.artifact.manifest import load_manifest, manifest_path, read_model, write_manifest
from edge_runtime.artifact.network import Network
from edge_runtime.errors import ModelError
from tests.helpers.places import ROOT, Run
from tests.helpers.tiny_model import make_artifact
from train.data import phantom


@pytest.fixture(params=["float32", "full_int8"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = make_artifact(tmp_path, request.param)
    manifest = load_manifest(path)
    network = Network(read_model(path, manifest), manifest)
    edit(path, golden=take_golden(network, manifest.preprocessing))
    return path


def edit(model: Path, **fields: object) -> None:
    """Change fields of a manifest."""
    write_manifest(model, replace(load_manifest(model), **fields))  # type: ignore[arg-type]


def golden_of(model: Path) -> dict[str, object]:
    return dict(json.loads(manifest_path(model).read_text())["golden"])


def test_the_frames_are_phantoms_in_a_plain_array_file() -> None:
    assert np.array_equal(golden_frames(), phantom.golden_frames())
    assert golden_frames().shape == (8, 160, 240) and golden_frames().dtype == np.uint8
    assert np.array_equal(np.load(FRAMES, allow_pickle=False), golden_frames())
    with pytest.raises(ValueError, match="read-only"):  # they are cached: a caller must not change them for all
        golden_frames()[0, 0, 0] = 1


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "one bit": lambda data: data[:9999] + bytes([data[9999] ^ 1]) + data[10000:],
    "other header": lambda data: data.replace(b"(8, 160, 240)", b"(8, 240, 160)"),
    "a broken archive": lambda data: b"PK\x03\x04" + data[4:],
    "zeros": lambda data: bytes(len(data)),
    "longer": lambda data: data + b"\0",
}


@pytest.fixture
def copied_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the golden frames that is read in place of the package's."""
    copy = tmp_path / FRAMES.name
    shutil.copy(FRAMES, copy)
    monkeypatch.setattr("edge_runtime.artifact.golden.FRAMES", copy)
    golden_frames.cache_clear()
    yield copy
    golden_frames.cache_clear()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_frames_are_named_with_the_next_step(copied_frames: Path, damage: str) -> None:
    copied_frames.write_bytes(DAMAGES[damage](FRAMES.read_bytes()))
    with pytest.raises(ModelError, match="Install the package again") as caught:
        golden_frames()
    assert str(copied_frames) in str(caught.value) and caught.value.code == "golden"


def test_missing_frames_are_named_with_the_next_step(copied_frames: Path) -> None:
    copied_frames.unlink()
    with pytest.raises(ModelError, match="Install the package again"):
        golden_frames()


@pytest.mark.parametrize("damage", ["empty", "one bit", "a broken archive"])
def test_verify_shows_no_traceback_for_damaged_frames(run: Run, tmp_path: Path, damage: str) -> None:
    shutil.copytree(ROOT / "edge_runtime", tmp_path / "edge_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    damaged = tmp_path / FRAMES.relative_to(ROOT)
    damaged.write_bytes(DAMAGES[damage](damaged.read_bytes()))
    done = run("edge_runtime", "verify", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert str(damaged) in done.stderr and "Install the package again" in done.stderr


def test_the_same_network_gives_the_same_bytes(run: Run, model: Path) -> None:
    golden = Segmenter.load(model).check_golden()
    assert golden and golden.holds and (golden.n_identical, golden.n_frames, golden.mask_dice) == (8, 8, 1.0)
    done = run("edge_runtime", "verify", "--model", model)
    assert done.returncode == 0 and "All 8 golden outputs match the export byte for byte." in done.stdout


def test_another_interpreter_is_held_by_its_masks(model: Path) -> None:
    golden = Segmenter.load(model, backend="tflite-runtime").check_golden()
    assert golden and golden.holds and golden.mask_dice > 0.999


def test_masks_that_differ_are_refused(run: Run, model: Path) -> None:
    golden = golden_of(model)
    packed = zlib.decompress(base64.b64decode(str(golden["masks"])))
    inverted = bytes(255 - byte for byte in packed)
    masks = base64.b64encode(zlib.compress(inverted)).decode()
    edit(model, golden={**golden, "masks": masks, "outputs_sha256": ["0" * 64] * 8})
    done = run("edge_runtime", "verify", "--model", model)
    assert done.returncode == 1 and "Dice of 0.0000" in done.stderr
    assert "Traceback" not in done.stderr


def test_masks_that_differ_on_a_frame_the_canary_does_not_ask_are_refused(run: Run, model: Path) -> None:
    golden = golden_of(model)
    packed = zlib.decompress(base64.b64decode(str(golden["masks"])))
    one = len(packed) // 8
    masks = base64.b64encode(zlib.compress(packed[:one] + bytes(255 - byte for byte in packed[one:]))).decode()
    edit(model, golden={**golden, "masks": masks})
    done = run("edge_runtime", "verify", "--model", model)
    assert done.returncode == 1 and "Dice of 0.1250 with those of the export; at least 0.999 is needed" in done.stderr


@pytest.mark.parametrize("field", ["masks", "outputs_sha256", "inputs_sha256"])
def test_damaged_golden_outputs_are_refused(model: Path, field: str) -> None:
    edit(model, golden={**golden_of(model), field: "x"})
    with pytest.raises(ModelError, match="golden"):
        Segmenter.load(model).check_golden()


def test_an_older_manifest_has_none(run: Run, tmp_path: Path) -> None:
    path = make_artifact(tmp_path)
    assert Segmenter.load(path).check_golden() is None
    done = run("edge_runtime", "verify", "--model", path)
    assert done.returncode == 0 and "no golden outputs" in done.stdout
