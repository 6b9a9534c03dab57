"""Manifests, signatures and model files that are damaged, swapped, or forged behind a valid seal."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import select
import signal
import time
from typing import Any

import numpy as np

from benchmarks.fuzz.damage import damage
from benchmarks.fuzz.rig import Rig, Violation, attempt, check_measurement, write
from edge_runtime import FetalHeadError, Segmenter
from edge_runtime.artifact.manifest import MAX_MANIFEST_BYTES, manifest_path
from edge_runtime.artifact.seal import _HEAD, seal
from edge_runtime.artifact.signature import signature_path

_HUNG_AFTER_S = 10.0
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.5, 1.0, 160.0, 10**9, 10**17, 1e308, -1e308, 5e-324, "", "0", "uint8", "../x",
    "/etc/passwd", "a/b", "..", "\\", "x" * 300, "\u0000", "\ud800", "\x1b[2J", "\u202e", [], {}, [1, 96, 144, 1], 2,
    [1, 96.0, 144, 1], [1, -96, 144, 1], [1, 10**9, 10**9, 1], [True, 96, 144, 1], [[]], {"a": {}}, [None] * 9,
    "f" * 64, "F" * 64, "eA==", "float32", "int8", 255, 256, -128,
)  # fmt: skip
_RAW = (
    "", "null", "[]", "3", '"x"', "{", "{}", "NaN", '{"schema_version": NaN}', '{"threshold": Infinity}',
    "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, "9" * 100_000, '{"a": 1e999}', '{"a": "\\ud800"}', "\ufeff{}",
    '{"a": 1, "a": 2}', "\x00", "{" + " " * MAX_MANIFEST_BYTES, '{"schema_version": true}',
    '{"schema_version": 2.0}', '{"schema_version": 2}',
)  # fmt: skip


def manifest_bytes_case(rng: np.random.Generator, rig: Rig) -> str:
    """Change bytes of a sealed and signed manifest: it must be refused, with a key and without."""
    changed = damage(rng, rig.manifest, grow=True)
    if rng.random() < 0.05:  # upper-case digits are the same number
        end = len(_HEAD) + 64
        changed = rig.manifest[: len(_HEAD)] + rig.manifest[len(_HEAD) : end].upper() + rig.manifest[end:]
    return _must_refuse(rng, rig, rig.data, changed, rig.signature)


def signature_case(rng: np.random.Generator, rig: Rig) -> str:
    """Change bytes of a signature: it must be refused if a key is required."""
    return _must_refuse(rng, rig, rig.data, rig.manifest, damage(rng, rig.signature, grow=True), signed=True)


def model_case(rng: np.random.Generator, rig: Rig) -> str:
    """Change bytes of a model: its hash must refuse it before it is parsed."""
    return _must_refuse(rng, rig, damage(rng, rig.data, grow=True), rig.manifest, rig.signature)


def _must_refuse(
    rng: np.random.Generator, rig: Rig, data: bytes, manifest: bytes, signature: bytes, signed: bool | None = None
) -> str:
    keys = [rig.key] if signed or (signed is None and rng.random() < 0.5) else None
    same = (data, manifest, signature) == (rig.data, rig.manifest, rig.signature)
    write(rig.model, data, manifest, signature)
    outcome, loaded = attempt(lambda: Segmenter.load(rig.model, trusted_keys=keys))
    if loaded is not None and not same:
        raise Violation("a changed artifact was loaded")
    return outcome


def manifest_values_case(rng: np.random.Generator, rig: Rig) -> str:
    """Change what a manifest says and seal it again, as a forger can: it must be refused, or still measure right.

    With a trusted key it must always be refused.
    """
    if rng.random() < 0.1:
        text = _raw(rng)
    else:
        values = json.loads(rig.manifest)
        for _ in range(int(rng.integers(1, 4))):
            _mutate(rng, values)
        try:
            text = seal(values)
        except (ValueError, TypeError):  # JSON cannot hold it, for example a surrogate
            return "not a file"
    write(rig.model, rig.data, text, rig.signature)
    if text != rig.manifest and rng.random() < 0.2:
        return _must_refuse(rng, rig, rig.data, text, rig.signature, signed=True)
    outcome, loaded = attempt(lambda: Segmenter.load(rig.model))
    if loaded is None:
        return outcome
    return f"loaded, {check_measurement(loaded.measure(rig.frame, 0.4), rig.frame.shape)}"


def _raw(rng: np.random.Generator) -> bytes:
    """A valid seal in front of anything at all."""
    body = _RAW[rng.integers(len(_RAW))].encode("utf-8", "surrogatepass")
    if rng.random() < 0.5:  # as one more field of a manifest that begins correctly
        body = body or b"1"
        rest = b'",\n  "x": ' + body + b"\n}\n"
    else:
        rest = b'"' + body
    blank = _HEAD + b"0" * 64 + rest
    return _HEAD + hashlib.sha256(blank).hexdigest().encode() + rest


def _mutate(rng: np.random.Generator, values: Any) -> None:
    """Change one place anywhere in the document."""
    while True:
        places = list(values) if isinstance(values, dict) else list(range(len(values)))
        if not places:
            return
        key = places[rng.integers(len(places))]
        inner = values[key]
        if not (isinstance(inner, dict | list) and inner and rng.random() < 0.8):
            break
        values = inner
    kind = rng.random()
    if kind < 0.1 and isinstance(values, dict):
        del values[key]
    elif kind < 0.2 and isinstance(values, dict):
        values[str(rng.choice(["x", "seal", "name", "schema_version", "__class__"]))] = inner
    elif kind < 0.4 and isinstance(inner, int | float) and not isinstance(inner, bool):
        values[key] = inner * rng.choice([-1, 0, 0.5, 2, 1e6, 1 + 1e-9]).item()
    else:
        values[key] = _ODD[rng.integers(len(_ODD))]


def place_case(rng: np.random.Generator, rig: Rig) -> str:
    """Put something else in place of a file: a link, a pipe, a folder, a device, a gigabyte of zeros, another file."""
    write(rig.model, rig.data, rig.manifest, rig.signature)
    victim = (rig.model, manifest_path(rig.model), signature_path(rig.model))[rng.integers(3)]
    victim.unlink()
    kind = rng.integers(7)
    try:
        if kind == 0:
            os.mkfifo(victim)
        elif kind == 1:
            victim.mkdir()
        elif kind == 2:
            victim.symlink_to(str(rng.choice(["/dev/zero", "/dev/null", "/proc/self/mem", "/etc/hostname", "nowhere"])))
        elif kind == 3:
            victim.symlink_to(victim.name)  # to itself
        elif kind == 4:
            with victim.open("wb") as file:
                file.truncate(1 << 30)
        elif kind == 5:
            victim.write_bytes(rig.data if victim.suffix == ".json" else rig.manifest)
        outcome, loaded = attempt(lambda: Segmenter.load(rig.model, trusted_keys=[rig.key]))
    finally:
        if victim.is_dir():
            victim.rmdir()
        else:
            victim.unlink(missing_ok=True)
    if loaded is not None:
        raise Violation(f"an artifact whose {victim.suffix} is of kind {kind} was loaded")
    return outcome


def resealed_model_case(rng: np.random.Generator, rig: Rig) -> str:
    """Damage a model and make its manifest fit, as a forger can: the interpreter parses it, in a separate process.

    LiteRT may do anything with it, even crash; that is only counted. A signature is what keeps such a file out.
    """
    changed = damage(rng, rig.data)
    if changed == rig.data:
        return "not changed"
    values = json.loads(rig.manifest)
    values |= {"model_sha256": hashlib.sha256(changed).hexdigest(), "model_bytes": max(1, len(changed))}
    write(rig.model, changed, seal(values), rig.signature)
    if attempt(lambda: Segmenter.load(rig.model, trusted_keys=[rig.key]))[1] is not None:
        raise Violation("a forged artifact was loaded although a key was asked for")
    return _apart(rig)


def _apart(rig: Rig) -> str:
    """Load and measure in a forked process, and say how that ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the interpreter's messages
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.write(writer, _load_and_measure(rig).encode()[:4000])
        os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + _HUNG_AFTER_S
    text = b""
    if select.select([reader], [], [], _HUNG_AFTER_S)[0]:
        text = os.read(reader, 4000)
    os.close(reader)
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "LiteRT hung"
        time.sleep(0.001)
    if os.WIFSIGNALED(ended[1]):
        return f"LiteRT crashed ({signal.Signals(os.WTERMSIG(ended[1])).name})"
    if text.startswith(b"!"):
        raise Violation(text[1:].decode())
    return text.decode()


def _load_and_measure(rig: Rig) -> str:
    try:
        segmenter = Segmenter.load(rig.model)
        return f"loaded, {check_measurement(segmenter.measure(rig.frame, 0.4), rig.frame.shape)}"
    except FetalHeadError as error:
        return f"{type(error).__name__} ({error.code})"
    except BaseException as error:
        return f"!{type(error).__name__}: {error}"


def restore(rig: Rig) -> None:
    """Put the original files back."""
    for path in (rig.model, manifest_path(rig.model), signature_path(rig.model)):
        path.unlink(missing_ok=True)
    write(rig.model, rig.data, rig.manifest, rig.signature)
