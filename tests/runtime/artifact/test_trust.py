"""Damage, forgery and tricks: nothing but the artifact that was exported, whole, is ever loaded."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fuzz.campaign import campaign
from benchmarks.fuzz.rig import MODEL
from edge_runtime import FetalHeadError, ModelError, Segmenter, UsageError
from edge_runtime.artifact.manifest import load_manifest, manifest_path, parse_manifest, read_model, write_manifest
from edge_runtime.artifact.seal import seal, unseal
from edge_runtime.artifact.signature import PublicKey, check_signature, read_key, signature_path
from edge_runtime.shipped import DEFAULT_MODEL, DEFAULT_SIZE
from export.artifact import ship
from export.commands.sign import make_key, sign_artifacts
from tests.helpers.places import ROOT, Run
from tests.helpers.tiny_model import make_artifact


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keys ``ours`` and ``theirs``, and their ``.pub``."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        make_key(folder / name)
    return folder


@pytest.fixture
def artifact(keys: Path, tmp_path: Path) -> Path:
    """Signed by ``ours``."""
    for path in (MODEL, manifest_path(MODEL)):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    sign_artifacts([tmp_path], keys / "ours")
    return tmp_path / MODEL.name


def flipped(data: bytes, bits: Any) -> Iterator[bytes]:
    changed = bytearray(data)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)
        changed[bit // 8] ^= 1 << bit % 8


def flipped_in(path: Path, bits: Any) -> Iterator[None]:
    """In the file's own place, which is much faster than writing it anew."""
    data = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for bit in bits:
            os.pwrite(file.fileno(), bytes([data[bit // 8] ^ 1 << bit % 8]), bit // 8)
            yield
            os.pwrite(file.fileno(), data[bit // 8 : bit // 8 + 1], bit // 8)


def refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except ModelError:
        return True
    return False


def test_the_small_artifact_of_the_campaign_is_what_tiny_model_makes(tmp_path: Path) -> None:
    made = make_artifact(tmp_path, "full_int8")
    assert made.read_bytes() == MODEL.read_bytes()
    committed = replace(load_manifest(MODEL), golden={})
    assert committed == load_manifest(made)


def test_every_single_bit_of_a_small_artifact_counts(artifact: Path, keys: Path) -> None:
    manifest, data = load_manifest(artifact), artifact.read_bytes()
    text, signature = manifest_path(artifact).read_bytes(), signature_path(artifact).read_bytes()
    trusted = [read_key(keys / "ours.pub")]
    for changed in flipped(text, range(8 * len(text))):
        assert refused(lambda changed=changed: parse_manifest(changed, Path("m.json")))
    for changed in flipped(text, range(0, 8 * len(text), 37)):
        assert refused(lambda changed=changed: check_signature(artifact, changed, trusted))
    for _ in flipped_in(signature_path(artifact), range(8 * len(signature))):
        assert refused(lambda: check_signature(artifact, text, trusted))
    for _ in flipped_in(artifact, range(8 * len(data))):
        assert refused(lambda: read_model(artifact, manifest))
    assert (artifact.read_bytes(), signature_path(artifact).read_bytes()) == (data, signature)


def test_2000_flipped_bits_of_the_shipped_artifact_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    manifest, text, data = (
        load_manifest(DEFAULT_MODEL),
        manifest_path(DEFAULT_MODEL).read_bytes(),
        DEFAULT_MODEL.read_bytes(),
    )

    def bits(data: bytes, count: int) -> list[int]:  # the edges, and others
        most = 8 * len(data)
        return [*range(32), *range(most - 32, most), *map(int, rng.integers(0, most, count - 64))]

    for changed in flipped(text, bits(text, 1500)):
        assert refused(lambda changed=changed: parse_manifest(changed, Path("m.json")))
    model = tmp_path / "m.tflite"
    model.write_bytes(data)
    for _ in flipped_in(model, bits(data, 500)):
        assert refused(lambda: read_model(model, manifest))
    assert read_model(model, manifest) == data


@pytest.mark.parametrize("suffix", [".tflite", ".json", ".sig"])
def test_cut_and_grown_files_are_refused(artifact: Path, keys: Path, suffix: str) -> None:
    victim = artifact.with_suffix(suffix)
    data = victim.read_bytes()
    for length in {0, 1, len(data) - 1, *np.linspace(0, len(data) - 1, 40).astype(int)}:
        victim.write_bytes(data[:length])
        assert refused(lambda: Segmenter.load(artifact, trusted_keys=[keys / "ours.pub"]))
    for more in (b"\0", b" ", b"\n", data):
        victim.write_bytes(data + more)
        assert refused(lambda: Segmenter.load(artifact, trusted_keys=[keys / "ours.pub"]))


def test_swapped_files_are_refused(artifact: Path, keys: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / artifact.name
    other.parent.mkdir()
    other.write_bytes(artifact.read_bytes())
    write_manifest(other, replace(load_manifest(artifact), threshold=0.4))
    sign_artifacts([other], keys / "ours")
    trusted = [keys / "ours.pub"]
    assert Segmenter.load(other, trusted_keys=trusted).manifest.threshold == 0.4
    manifest_path(artifact).write_bytes(manifest_path(other).read_bytes())
    with pytest.raises(ModelError, match="not the one that key"):
        Segmenter.load(artifact, trusted_keys=trusted)
    manifest_path(artifact).write_bytes(manifest_path(DEFAULT_MODEL).read_bytes())
    with pytest.raises(ModelError, match="copy both files again"):
        Segmenter.load(artifact)


@pytest.mark.parametrize("suffix", [".tflite", ".json", ".sig"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero", "itself", "1 GB"])
def test_what_is_no_file_is_refused_at_once(artifact: Path, keys: Path, suffix: str, kind: str) -> None:
    victim = artifact.with_suffix(suffix)
    victim.unlink()
    if kind == "pipe":
        os.mkfifo(victim)
    elif kind == "folder":
        victim.mkdir()
    elif kind == "1 GB":
        with victim.open("wb") as file:
            file.truncate(1 << 30)
    else:
        victim.symlink_to(victim if kind == "itself" else kind)
    with pytest.raises(FetalHeadError):
        Segmenter.load(artifact, trusted_keys=[keys / "ours.pub"])


def test_a_link_to_the_artifact_is_followed_since_only_bytes_count(artifact: Path, keys: Path, tmp_path: Path) -> None:
    for suffix in (".tflite", ".json", ".sig"):
        (tmp_path / f"current{suffix}").symlink_to(artifact.with_suffix(suffix))
    assert Segmenter.load(tmp_path / "current.tflite", trusted_keys=[keys / "ours.pub"]).signed_by


def test_no_field_of_a_manifest_is_a_path(artifact: Path) -> None:
    for name in ("../x", "/etc/passwd", "a/b", "..", ".x", "a\\b", "a\0b", "", "x" * 200, "a\n", "\x1b[2J"):
        for key in ("name", "strategy", "recipe"):
            values = load_manifest(artifact).to_json() | {key: name}
            with pytest.raises(ModelError, match="not a usable manifest"):
                parse_manifest(seal(values), Path("m.json"))


def test_a_file_that_grows_while_it_is_read_is_refused(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fstat = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        with manifest_path(artifact).open("ab") as file:
            file.write(b" ")
        return status

    monkeypatch.setattr("edge_runtime.common.files.os.fstat", grown)
    with pytest.raises(ModelError, match="its size changed while it was read"):
        load_manifest(artifact)


def test_a_manifest_edited_by_hand_says_what_to_do(artifact: Path) -> None:
    path = manifest_path(artifact)
    path.write_text(path.read_text().replace('"threshold": 0.5', '"threshold": 0.6'))
    with pytest.raises(ModelError, match=r"edited by hand.*export the model again.*write_manifest"):
        load_manifest(artifact)
    path.write_text(json.dumps(unseal(manifest_path(MODEL).read_bytes())))
    with pytest.raises(ModelError, match="has no seal"):
        load_manifest(artifact)


def test_a_trusted_key_loads_what_it_signed_and_nothing_else(artifact: Path, keys: Path) -> None:
    ours, theirs = keys / "ours.pub", keys / "theirs.pub"
    key = read_key(ours)
    for trusted in ([ours], [str(ours)], [ours.read_bytes()], [key.data], [theirs, ours], [key]):
        assert Segmenter.load(artifact, trusted_keys=trusted).signed_by == key.id
    assert Segmenter.load(artifact).signed_by is None
    with pytest.raises(ModelError, match=f"signed by key {key.id}, which is not trusted"):
        Segmenter.load(artifact, trusted_keys=[theirs])
    forged = signature_path(artifact).read_text().replace(key.id, read_key(theirs).id)
    signature_path(artifact).write_text(forged)
    with pytest.raises(ModelError, match="not the one that key"):
        Segmenter.load(artifact, trusted_keys=[theirs])
    signature_path(artifact).unlink()
    with pytest.raises(ModelError, match="not signed"):
        Segmenter.load(artifact, trusted_keys=[ours])


def test_the_signature_is_checked_before_anything_is_parsed(
    artifact: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parsed(*args: object, **more: object) -> None:
        pytest.fail("unchecked bytes were parsed")

    monkeypatch.setattr("edge_runtime.artifact.seal.json.loads", parsed)
    monkeypatch.setattr("edge_runtime.artifact.network.load_backend", parsed)
    with pytest.raises(ModelError, match="not trusted"):
        Segmenter.load(artifact, trusted_keys=[keys / "theirs.pub"])


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (b"\0" * 32, "anyone can sign"),
        (b"\1" + b"\0" * 30 + b"\x80", "anyone can sign"),
        (b"short", "not an Ed25519 public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not an Ed25519 public key"),
        ("none.pub", "cannot be read"),
    ],
)
def test_what_is_no_key_is_refused(key: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Segmenter.load(trusted_keys=[key])


def test_no_keys_and_a_private_key_are_wrong_calls(keys: Path) -> None:
    with pytest.raises(UsageError, match="empty"):
        Segmenter.load(trusted_keys=[])
    with pytest.raises(UsageError, match="private key"):
        Segmenter.load(trusted_keys=[keys / "ours"])
    with pytest.raises(UsageError, match="a list"):
        Segmenter.load(trusted_keys=str(keys / "ours.pub"))


def test_without_cryptography_a_trusted_key_is_a_refusal_never_unsigned(
    artifact: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(FetalHeadError, match=r"nothing is loaded.*fetal-head-edge\[sign\]"):
        Segmenter.load(artifact, trusted_keys=[keys / "ours.pub"])
    assert Segmenter.load(artifact).signed_by is None


def test_keys_and_signatures_are_never_overwritten(artifact: Path, keys: Path, tmp_path: Path) -> None:
    assert (keys / "ours").stat().st_mode & 0o777 == 0o600
    before = (keys / "ours").read_bytes()
    with pytest.raises(UsageError, match="never overwritten"):
        make_key(keys / "ours")
    (tmp_path / "private").write_bytes(b"mine")
    with pytest.raises(UsageError, match="never overwritten"):
        make_key(tmp_path / "private")
    assert (keys / "ours").read_bytes() == before
    assert (tmp_path / "private").read_bytes() == b"mine" and not (tmp_path / "private.pub").exists()
    with pytest.raises(UsageError, match="--force"):
        sign_artifacts([artifact], keys / "theirs")
    sign_artifacts([artifact], keys / "theirs", force=True)
    assert Segmenter.load(artifact, trusted_keys=[keys / "theirs.pub"]).signed_by


def test_a_new_export_removes_the_signature_of_the_old(keys: Path, tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path, "full_int8", name="edge-s")
    write_manifest(artifact, replace(load_manifest(artifact), calibration={"title": "HC18"}))
    (target,) = ship([artifact], tmp_path / "models")
    sign_artifacts([target], keys / "ours")
    assert ship([artifact], tmp_path / "models") == [target]
    assert Segmenter.load(target).signed_by is None
    with pytest.raises(ModelError, match="not signed"):
        Segmenter.load(target, trusted_keys=[keys / "ours.pub"])


def test_what_does_not_belong_together_is_not_signed(artifact: Path, keys: Path) -> None:
    signature_path(artifact).unlink()
    artifact.write_bytes(artifact.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="copy both files"):
        sign_artifacts([artifact], keys / "ours")
    assert not signature_path(artifact).exists()


def test_small_order_keys_are_those_of_the_curve() -> None:
    """Points whose order divides 8 are found anew: y of a point that eight additions of it bring to the identity."""
    from edge_runtime.artifact.signature import _SMALL_ORDER

    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p

    def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        t = d * a[0] * b[0] * a[1] * b[1] % p
        x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + t, -1, p) % p
        return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, p) % p

    def x_of(y: int) -> int:
        square = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
        x = pow(square, (p + 3) // 8, p)
        return x if (x * x - square) % p == 0 else x * pow(2, (p - 1) // 4, p) % p

    for data in _SMALL_ORDER:
        y = int.from_bytes(data, "little") % p
        point = (x_of(y), y)
        for _ in range(3):
            point = add(point, point)
        assert point == (0, 1)
        with pytest.raises(UsageError):
            PublicKey(data)


def test_the_commands_of_the_page_on_trust(run: Run, tmp_path: Path) -> None:
    """Those of docs/trust.md, in its order, in a folder with artifacts."""
    page = (ROOT / "docs" / "trust.md").read_text()
    model = tmp_path / "artifacts" / DEFAULT_SIZE / DEFAULT_MODEL.name
    model.parent.mkdir(parents=True)
    model.write_bytes(MODEL.read_bytes())
    manifest_path(model).write_bytes(manifest_path(MODEL).read_bytes())
    calls = [line for line in page.splitlines() if line.startswith("python -m ") and "fuzz" not in line]
    assert len(calls) >= 4
    for call in calls:
        module, *arguments = call.split("#")[0].split()[2:]
        done = run(module, *arguments, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
        assert done.returncode == 0, (call, done.stderr)
    done = run("edge_runtime", "verify", "--trusted-key", "release.key.pub", cwd=tmp_path)
    assert done.returncode == 1 and "is not signed" in done.stderr and "Traceback" not in done.stderr


def test_a_short_campaign_finds_nothing(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "fuzz.json"
    done = run("benchmarks", "fuzz", "--cases", 3000, "--seed", 1, "--out", out, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(out.read_text())
    assert result["cases"] == 3000 and result["failures"] == []
    assert result["kinds"]["frames"]["outcomes"]["measured"] > 100
    one, again = (run("benchmarks", "fuzz", "--case", 7, "--seed", 1).stdout.split("(")[0] for _ in range(2))
    assert one == again and "case 7 of seed 1" in one


_BROKEN = """
import os, sys, time
import numpy as np
from benchmarks.fuzz import campaign

def case(rng, rig):
    n = rng.integers(5)
    if n == 0:
        os.kill(os.getpid(), 11)
    if n == 1:
        raise KeyError("x")
    if n == 2:
        np.float64(1) / np.float64(0)
    if n == 3:
        time.sleep(5)
    return "fine"

campaign.CASE_LIMIT_S = 0.2
campaign.KINDS = {"broken": (case, 1.0)}
campaign.work(*map(int, sys.argv[1:4]))
"""


def test_the_campaign_sees_what_is_wrong_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "worker.py"
    script.write_text(_BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    tally = campaign(0, 24, 2, print, worker=[sys.executable, str(script)])
    assert tally.cases == 24 and tally.outcomes["broken"]["fine"] >= 1
    assert [failure.case for failure in tally.failures] == sorted({failure.case for failure in tally.failures})
    errors = "\n".join(failure.error for failure in tally.failures)
    for said in ("the process died: SIGSEGV", "KeyError", "divide by zero", "hangs"):
        assert said in errors
