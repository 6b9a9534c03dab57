from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_runtime import ModelError, Segmenter, UsageError
from edge_runtime.artifact.manifest import load_manifest, manifest_path
from edge_runtime.artifact.seal import seal
from tests.helpers.tiny_model import make_artifact


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("pristine"), "full_int8")


@pytest.fixture
def artifact(pristine: Path, tmp_path: Path) -> Path:
    for path in (pristine, manifest_path(pristine)):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / pristine.name


def edit(artifact: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest and seal it again: what lies behind the seal must hold by itself."""
    values = json.loads(manifest_path(artifact).read_text())
    change(values)
    manifest_path(artifact).write_bytes(seal(values))


def test_an_intact_artifact_loads(artifact: Path) -> None:
    assert Segmenter.load(artifact).manifest == load_manifest(artifact)


def test_a_model_without_manifest_is_refused(artifact: Path) -> None:
    manifest_path(artifact).unlink()
    with pytest.raises(ModelError, match="has no manifest"):
        Segmenter.load(artifact)


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model file"):
        Segmenter.load(tmp_path / "none.tflite")


@pytest.mark.parametrize("damage", ["bit", "cut", "longer", "empty"])
def test_a_corrupted_model_is_refused_before_it_is_parsed(
    artifact: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = artifact.read_bytes()
    half = len(data) // 2
    changed = {
        "bit": data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :],
        "cut": data[:half],
        "longer": data + b"\0",
        "empty": b"",
    }[damage]
    artifact.write_bytes(changed)

    def parsed(*args: object) -> None:
        pytest.fail("the interpreter was given unchecked bytes")

    monkeypatch.setattr("edge_runtime.artifact.network.load_backend", parsed)
    with pytest.raises(ModelError, match=r"damaged"):
        Segmenter.load(artifact)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(schema_version=1), "schema version 1"),
        (lambda m: m.pop("schema_version"), "schema_version"),
        (lambda m: m["input"].update(shape=[1, 64, 64, 1]), "preprocessing makes"),
        (lambda m: m["input"].update(shape=[1, 96, 144, 3]), "shape"),
        (lambda m: m["input"].update(dtype="float32", scale=0, zero_point=0), "manifest says float32"),
        (lambda m: m["input"].update(scale=0.02), "1/255"),
        (lambda m: m["output"].update(scale=m["output"]["scale"] * 2), "quantization"),
        (lambda m: m["output"].update(dtype="complex64"), "complex64"),
        (lambda m: m["preprocessing"].update(resize_rule="nearest"), "resize rule 'nearest'"),
        (lambda m: m["preprocessing"].update(scale=1.0), "byte / 255"),
        (lambda m: m.update(threshold=1.5), "threshold"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.pop("output"), "output"),
        (lambda m: m.update(rewrites="abc"), "'rewrites' is 'abc'"),
        (lambda m: m.update(rewrites=[1]), "'rewrites'"),
        (lambda m: m.update(threshold=True), "'threshold' is 'True'"),
        (lambda m: m.update(model_bytes=1440.0), "'model_bytes'"),
        (lambda m: m["preprocessing"].update(height=96.0), "'height'"),
        (lambda m: m["input"].update(shape=[1, -96, 144, 1]), "shape"),
        (lambda m: m["input"].update(shape=[1, 10**9, 144, 1]), "sides up to 4096"),
        (lambda m: m["input"].update(zero_point=False), "'zero_point'"),
        (lambda m: m.update(quality=[]), "'quality' is '\\[\\]'; it must be an object"),
        (lambda m: m.update(model_sha256=m["model_sha256"].upper()), "in lower case"),
        (lambda m: m.update(limits="a\nb"), "cannot be printed"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_with_the_reason(artifact: Path, change: Any, said: str) -> None:
    edit(artifact, change)
    with pytest.raises(ModelError, match=said):
        Segmenter.load(artifact)


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (b'"x": 1, "x": 2', "duplicate key"),
        (b'"threshold": NaN', "NaN is not a JSON number"),
        (b'"threshold": -Infinity', "Infinity is not a JSON number"),
        (b'"threshold": 1e999', "too large"),
        (b'"model_bytes": ' + b"9" * 100_000, "integer of 100000 digits"),
        (b'"quality": ' + b"[" * 100_000, "nested deeper"),
        (b'"quality": ' + b"[" * 20 + b"]" * 20, "nested deeper"),
        (b'"name": "\\ud800"', "cannot be printed"),
        (b'"name": "\xff"', "utf-8"),
        (b'"name": "a"} {', "Extra data"),
    ],
)
def test_what_is_no_plain_json_is_refused_behind_a_valid_seal(artifact: Path, inner: bytes, said: str) -> None:
    blank = b'{\n  "seal": "' + b"0" * 64 + b'",\n' + inner + b"\n}\n"
    digest = hashlib.sha256(blank).hexdigest().encode()
    manifest_path(artifact).write_bytes(blank.replace(b"0" * 64, digest, 1))
    with pytest.raises(ModelError, match=said):
        Segmenter.load(artifact)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\xff", "[" * 100_000])
def test_a_manifest_that_is_no_manifest_is_refused(artifact: Path, text: str) -> None:
    manifest_path(artifact).write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match="not a usable manifest"):
        Segmenter.load(artifact)


def test_bytes_that_are_no_model_are_refused_even_with_the_right_hash(artifact: Path) -> None:
    data = b"TFL3" * 1000
    artifact.write_bytes(data)
    edit(artifact, lambda m: m.update(model_sha256=hashlib.sha256(data).hexdigest(), model_bytes=len(data)))
    with pytest.raises(ModelError, match="cannot run"):
        Segmenter.load(artifact)
