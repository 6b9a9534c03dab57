"""The canary sees a network that answers wrongly, and from then on nothing is measured; and what the logs say of it."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.fuzz.rig import MODEL
from edge_runtime import DeviceError, FetalHeadError, ModelError, Segmenter, UsageError
from edge_runtime.artifact.canary import check_canary
from edge_runtime.artifact.manifest import load_manifest, manifest_path, write_manifest
from edge_runtime.artifact.network import Network
from edge_runtime.shipped import DEFAULT_MODEL
from tests.helpers.places import Run
from train.data.phantom import make_phantom


def frame() -> np.ndarray:
    y, x = np.mgrid[0:120, 0:180]
    return np.where(np.hypot((x - 90) / 60, (y - 60) / 40) < 1, 10, 160).astype(np.uint8)


class Memory:
    """Bad memory: from the moment it breaks, one bit of every output is the other way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken, sound = False, Network.output

        def output(network: Network) -> Any:
            values = sound(network).copy()
            if self.broken:
                values[3, 5] ^= 1
            return values

        monkeypatch.setattr(Network, "output", output)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    return Memory(monkeypatch)


@pytest.fixture
def without_golden(tmp_path: Path) -> Path:
    path = tmp_path / MODEL.name
    path.write_bytes(MODEL.read_bytes())
    write_manifest(path, replace(load_manifest(MODEL), golden={}))
    return path


@pytest.mark.parametrize("model", [MODEL, DEFAULT_MODEL], ids=["tiny", "shipped"])
def test_one_wrong_bit_is_seen_at_load(model: Path, memory: Memory) -> None:
    assert Segmenter.load(model).has_canary
    memory.broken = True
    with pytest.raises(DeviceError, match="gives another answer"):
        Segmenter.load(model)


def test_one_wrong_bit_is_seen_every_n_frames_and_nothing_is_measured_until_a_check_passes(memory: Memory) -> None:
    segmenter = Segmenter.load(MODEL, canary_every=3)
    wanted = segmenter.measure(frame(), 0.4).head_circumference_mm
    memory.broken = True
    for _ in range(2):  # frames 2 and 3: not yet asked
        segmenter.measure(frame(), 0.4)
    for call in (segmenter.measure, segmenter.segment, segmenter.logits, segmenter.measure):
        with pytest.raises(DeviceError, match="nothing is measured"):
            call(frame())
    memory.broken = False
    with pytest.raises(DeviceError, match="since the canary failed"):
        segmenter.measure(frame(), 0.4)
    assert segmenter.check_canary()
    assert segmenter.measure(frame(), 0.4).head_circumference_mm == wanted


def test_it_is_asked_once_at_load_and_as_often_as_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def count(*args: Any) -> None:
        asked.append(1)
        check_canary(*args)

    monkeypatch.setattr("edge_runtime.segmenter.check_canary", count)
    segmenter = Segmenter.load(MODEL, canary_every=4)
    for _ in range(12):
        segmenter.segment(frame())
    assert len(asked) == 1 + 2  # before frames 5 and 9
    plain = Segmenter.load(MODEL)
    for _ in range(12):
        plain.segment(frame())
    assert len(asked) == 4


def test_another_interpreter_is_held_by_its_mask(memory: Memory) -> None:
    assert Segmenter.load(MODEL, backend="tflite-runtime").check_canary()
    memory.broken = True  # one step of one pixel's logit: within what another interpreter may round
    assert Segmenter.load(MODEL, backend="tflite-runtime").check_canary()


def test_a_model_without_golden_outputs_loads_and_says_so(run: Run, without_golden: Path) -> None:
    segmenter = Segmenter.load(without_golden)
    assert not segmenter.has_canary and not segmenter.check_canary()
    assert "canary:        absent" in run("edge_runtime", "info", "--model", without_golden).stdout
    with pytest.raises(ModelError, match="has no golden outputs"):
        Segmenter.load(without_golden, canary_every=10)


@pytest.mark.parametrize("every", [-1, 1.5, True, "3", None])
def test_an_impossible_canary_every_is_a_wrong_call(every: Any) -> None:
    with pytest.raises(UsageError, match="canary_every is"):
        Segmenter.load(MODEL, canary_every=every)


def test_a_bomb_among_the_golden_outputs_is_not_unpacked(tmp_path: Path) -> None:
    import base64
    import tracemalloc
    import zlib

    path = tmp_path / MODEL.name
    path.write_bytes(MODEL.read_bytes())
    manifest = load_manifest(MODEL)
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    write_manifest(path, replace(manifest, golden={**manifest.golden, "masks": base64.b64encode(bomb).decode()}))
    tracemalloc.start()
    with pytest.raises(ModelError, match="masks have"):
        Segmenter.load(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def logged(caplog: pytest.LogCaptureFixture, action: Callable[[], object]) -> list[dict[str, Any]]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="edge_runtime"), contextlib.suppress(FetalHeadError):
        action()
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "edge_runtime"]


def test_the_log_tells_what_happened_and_names_no_file_and_no_patient(
    memory: Memory, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    patient = tmp_path / "Jane Doe 1990-01-01"
    patient.mkdir()
    model = patient / "scan-of-jane.tflite"
    model.write_bytes(MODEL.read_bytes())
    manifest_path(model).write_bytes(manifest_path(MODEL).read_bytes())
    Image.fromarray(make_phantom(0)[0]).save(patient / "jane.png")

    events = logged(caplog, lambda: Segmenter.load(model))
    assert events[-1] == {
        "event": "model_loaded", "model": "tiny-full_int8", "sha256": load_manifest(MODEL).model_sha256[:16],
        "backend": "ai-edge-litert", "threads": 1, "signed": False, "canary": True,
    }  # fmt: skip
    segmenter = Segmenter.load(model)
    events += logged(caplog, lambda: segmenter.measure(frame(), 0.4))
    memory.broken = True
    events += logged(caplog, segmenter.check_canary)
    assert events[-1] == {"event": "canary_failed", "model": "tiny-full_int8", "reason": "canary"}
    events += logged(caplog, lambda: segmenter.measure(make_phantom(1)[0]))
    events += logged(caplog, lambda: Segmenter.load(model, trusted_keys=[patient / "jane.pub"]))
    assert events[-1] == {"event": "model_refused", "reason": "usage"}
    events += logged(caplog, lambda: Segmenter.load(patient / "none.tflite"))
    model.write_bytes(b"Jane Doe")
    events += logged(caplog, lambda: Segmenter.load(model))
    assert events[-1] == {"event": "model_refused", "reason": "model_hash"}
    manifest_path(model).write_bytes(b"Jane Doe")
    events += logged(caplog, lambda: Segmenter.load(model))
    assert events[-1] == {"event": "model_refused", "reason": "seal"}
    text = json.dumps(events).lower()
    assert "jane" not in text and str(tmp_path) not in text and "/" not in text and ".tflite" not in text
