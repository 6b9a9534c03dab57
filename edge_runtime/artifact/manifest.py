"""The manifest beside a model: what it is, what it takes, what it was measured to do."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from edge_runtime.artifact.seal import SealError, seal, unseal
from edge_runtime.artifact.signature import signature_path
from edge_runtime.common.files import is_file, read_bounded, write_bytes
from edge_runtime.errors import ModelError, UsageError
from edge_runtime.frame.preprocess import RESIZE_RULE

SCHEMA_VERSION = 2
MAX_MANIFEST_BYTES = 4_000_000
"""A manifest is some kilobytes; a larger file is not read."""

MAX_MODEL_BYTES = 1 << 29
"""Four times a plain U-Net of 31 million float32 parameters; a manifest that asks for more is not followed."""

MAX_SIDE = 4096
"""Pixels of a network's input, eight times the paper's."""

DTYPES = ("float32", "uint8", "int8")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STORED = {"float32": (0, 0), "uint8": (0, 255), "int8": (-128, 127)}
"""Least and largest zero point."""


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


_KINDS = {
    "str": ("text of one line", _is_text),
    "str | None": ("text of one line or null", lambda value: value is None or _is_text(value)),
    "int": ("an integer", _is_int),
    "float": ("a finite number", _is_real),
    "dict[str, Any]": ("an object", _is_dict),
    "dict[str, str]": ("an object of texts", lambda value: _is_dict(value) and all(map(_is_text, value.values()))),
    "tuple[str, ...]": ("texts", lambda value: isinstance(value, tuple) and all(map(_is_text, value))),
    "tuple[int, int, int, int]": (
        "four integers",
        lambda value: isinstance(value, tuple) and len(value) == 4 and all(map(_is_int, value)),
    ),
    "TensorSpec": ("a tensor", lambda value: isinstance(value, TensorSpec)),
    "Preprocessing": ("a preprocessing", lambda value: isinstance(value, Preprocessing)),
}
"""What a field declared so may hold: JSON has no types of ours, and true is not the threshold 1."""


def _check_types(record: Any) -> None:
    for declared in fields(record):
        said, holds = _KINDS[str(declared.type)]
        value = getattr(record, declared.name)
        if not holds(value):
            raise ValueError(f"'{declared.name}' is {str(value)[:60]!r}; it must be {said}")


@dataclass(frozen=True)
class TensorSpec:
    """An input or output tensor.

    Attributes:
        name: As the model names it.
        shape: (1, height, width, 1), NHWC.
        dtype: ``float32``, ``uint8`` or ``int8``.
        scale: Real value of one step; 0 for float32.
        zero_point: Stored value of real 0.
    """

    name: str
    shape: tuple[int, int, int, int]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0

    def __post_init__(self) -> None:
        _check_types(self)
        if self.shape[0] != 1 or self.shape[3] != 1 or min(self.shape) < 1 or max(self.shape) > MAX_SIDE:
            raise ValueError(
                f"tensor '{self.name}' has shape {self.shape}; (1, height, width, 1) is needed, sides up to {MAX_SIDE}"
            )
        if self.dtype not in DTYPES:
            raise ValueError(f"tensor '{self.name}' has dtype {self.dtype}; {', '.join(DTYPES)} are known")
        if self.dtype == "float32" and self.scale != 0:
            raise ValueError(f"tensor '{self.name}' is float32 with scale {self.scale}; it must be 0")
        if self.dtype != "float32" and not self.scale > 0:
            raise ValueError(f"tensor '{self.name}' is {self.dtype} with scale {self.scale}; it must be above 0")
        low, high = _STORED[self.dtype]
        if not low <= self.zero_point <= high:
            raise ValueError(f"tensor '{self.name}' is {self.dtype} with zero point {self.zero_point}")


@dataclass(frozen=True)
class Preprocessing:
    """How a frame becomes the input tensor.

    Attributes:
        height: Of the input, in pixels.
        width: Of the input, in pixels.
        resize_rule: Name of the rule in ``edge_runtime.frame.preprocess``.
        channels: 1: grey, ITU-R BT.601 luma.
        scale: Real input value of one grey level: 1 / 255.
    """

    height: int
    width: int
    resize_rule: str = RESIZE_RULE
    channels: int = 1
    scale: float = 1 / 255

    def __post_init__(self) -> None:
        _check_types(self)
        if self.resize_rule != RESIZE_RULE:
            raise ValueError(f"resize rule '{self.resize_rule}' is not known; '{RESIZE_RULE}' is")
        if self.channels != 1 or abs(self.scale * 255 - 1) > 1e-6:
            raise ValueError("the input contract is one grey channel of byte / 255")


@dataclass(frozen=True)
class Manifest:
    """All that is known of an artifact.

    Attributes:
        name: ``<strategy>-<recipe>``.
        strategy: What was trained.
        recipe: How it was converted.
        model_sha256: Of the .tflite file's bytes.
        model_bytes: Size of the .tflite file.
        input: The input tensor.
        output: The output tensor: logits, one a pixel.
        preprocessing: From frame to input.
        threshold: Probability above which a pixel is head.
        calibration: Data set's title, count and file hashes of the calibration images; empty where none were used.
        quantization: How int8 came about: the method, what every one tried cost, the range of every tensor; empty where
            nothing was calibrated.
        parity: Differences from torch, on which images, and the tolerances they were held to.
        accuracy: Summaries of scores against the reference, and the degradation against float32.
        golden: Answers to the frames that every device has; see :mod:`edge_runtime.artifact.golden`.
        rewrites: Exact rewrites of the graph that it was exported with, by name; see :mod:`export.conversion.rewrites`.
        quality: Limits for refusing and the interval beside a circumference, calibrated on the validation part; empty
            where they were not.
        checkpoint: Hash, data, split, settings and git commit of the training.
        git_commit: Of the export.
        tools: Versions.
        intended_use: What it is for.
        limits: What it is not.
        request_sha256: Of all the export was asked for, from what and with which tools; the same means nothing to redo.
        schema_version: Of this format.
    """

    name: str
    strategy: str
    recipe: str
    model_sha256: str
    model_bytes: int
    input: TensorSpec
    output: TensorSpec
    preprocessing: Preprocessing
    threshold: float
    calibration: dict[str, Any] = field(default_factory=dict)
    quantization: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    accuracy: dict[str, Any] = field(default_factory=dict)
    golden: dict[str, Any] = field(default_factory=dict)
    rewrites: tuple[str, ...] = ()
    quality: dict[str, Any] = field(default_factory=dict)
    checkpoint: dict[str, Any] = field(default_factory=dict)
    git_commit: str | None = None
    tools: dict[str, str] = field(default_factory=dict)
    intended_use: str = "Research on fetal head circumference from 2-D ultrasound in the standard plane."
    limits: str = "Not a medical device. Not for diagnosis. Trained on HC18: one hospital, two scanner types."
    request_sha256: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input, in pixels."""
        return self.preprocessing.height, self.preprocessing.width

    def __post_init__(self) -> None:
        _check_types(self)
        for key in ("name", "strategy", "recipe"):  # some become parts of file names
            if not _NAME.fullmatch(getattr(self, key)):
                raise ValueError(f"'{key}' is {getattr(self, key)[:60]!r}; letters, digits and ._+- are allowed")
        if not _SHA256.fullmatch(self.model_sha256):
            raise ValueError(
                f"'model_sha256' is {self.model_sha256[:80]!r}; 64 hexadecimal digits in lower case are needed"
            )
        if not 0 < self.model_bytes <= MAX_MODEL_BYTES:
            raise ValueError(f"'model_bytes' is {self.model_bytes}; 1 to {MAX_MODEL_BYTES} are allowed")
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema version {self.schema_version} is not {SCHEMA_VERSION}")
        size = self.size
        for tensor in (self.input, self.output):
            if tensor.shape[1:3] != size:
                raise ValueError(f"tensor '{tensor.name}' has shape {tensor.shape}, preprocessing makes {size}")
        zero = {"float32": 0, "uint8": 0, "int8": -128}[self.input.dtype]
        if self.input.dtype != "float32" and (
            abs(self.input.scale / self.preprocessing.scale - 1) > 1e-5 or self.input.zero_point != zero
        ):
            raise ValueError(
                f"input is {self.input.dtype} with scale {self.input.scale} and zero point {self.input.zero_point}; "
                f"1/255 and {zero} are the contract: a frame's bytes are the tensor"
            )
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold {self.threshold} is not between 0 and 1")

    def to_json(self) -> dict[str, Any]:
        """As a plain dictionary, ready for JSON."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Manifest:
        """Back from :meth:`to_json`.

        Raises:
            ValueError: A field is missing, unknown or impossible (also as KeyError or TypeError).
        """
        values = dict(values)
        for key in ("input", "output"):
            tensor = dict(values[key])
            values[key] = TensorSpec(**{**tensor, "shape": tuple(tensor["shape"])})
        values["preprocessing"] = Preprocessing(**values["preprocessing"])
        if isinstance(values.get("rewrites"), list):
            values["rewrites"] = tuple(values["rewrites"])
        return Manifest(**values)


def manifest_path(model: Path) -> Path:
    """Where the manifest of a model file lies: the same name, ending in ``.json``."""
    return model.with_suffix(".json")


def write_manifest(model: Path, manifest: Manifest) -> Path:
    """Write the manifest of a model file, sealed. This is the only way a manifest is made or changed.

    A signature beside the model is removed if it is of another manifest: it would be stale.

    Args:
        model: The .tflite file.
        manifest: The model's manifest.

    Returns:
        The manifest's file.

    Raises:
        UsageError: The place cannot be written.
    """
    path, data = manifest_path(model), seal(manifest.to_json())
    try:
        if not (path.is_file() and path.read_bytes() == data):
            signature_path(model).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be replaced: {error}. Choose a folder you may write to.") from error
    write_bytes(path, data)
    return path


def load_manifest(model: Path) -> Manifest:
    """Read the manifest of a model file.

    Args:
        model: The .tflite file.

    Raises:
        UsageError: There is no such model file.
        ModelError: No manifest, or one that is damaged, edited, too large, or of another schema version.
    """
    return parse_manifest(read_manifest(model), manifest_path(model))


def read_manifest(model: Path) -> bytes:
    """The bytes of the manifest of a model file, nothing checked but their number; as :func:`load_manifest` raises."""
    path = manifest_path(model)
    if not is_file(model):
        raise UsageError(f"There is no model file {model}.")
    if not is_file(path):
        raise ModelError(
            f"{model} has no manifest: {path.name} is missing beside it. Copy both files; "
            "a model without its manifest is not run, since nothing says what it takes.",
            code="no_manifest",
        )
    try:
        return read_bounded(path, MAX_MANIFEST_BYTES)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", code="manifest_unreadable") from error


def parse_manifest(data: bytes, path: Path) -> Manifest:
    """Check the seal of a manifest's bytes, then what it says.

    Args:
        data: The whole file.
        path: Of it, for the message.

    Raises:
        ModelError: Damaged, edited, of another schema version, or not possible.
    """
    try:
        values = unseal(data)
        version = values["schema_version"]
        if not _is_int(version) or version != SCHEMA_VERSION:
            raise ModelError(
                f"{path} has schema version {version!r}; this runtime reads {SCHEMA_VERSION}. Install the runtime that "
                "fits the model, or export the model again.",
                code="schema_version",
            )
        return Manifest.from_json(values)
    except SealError as error:
        raise ModelError(
            f"{path} {error}: it is damaged, was edited by hand, or is of an older version, and not a usable manifest. "
            "Copy both files again, or export the model again; a program changes a manifest by "
            "edge_runtime.artifact.manifest.write_manifest, which seals it.",
            code="seal",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} is not a usable manifest: {type(error).__name__}: {str(error)[:300]}", code="manifest"
        ) from error


def read_model(model: Path, manifest: Manifest) -> bytes:
    """Read a model file once and check it against its manifest, before anything parses it.

    Returns:
        The bytes that were checked.

    Raises:
        ModelError: Its size or sha256 is not what the manifest says, or it cannot be read.
    """
    try:
        data = read_bounded(model, manifest.model_bytes)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{model} cannot be read: {error}. Its manifest says {manifest.model_bytes} bytes; if it is larger, it is "
            "damaged or not the one described: copy both files again.",
            code="model_unreadable",
        ) from error
    sha256 = hashlib.sha256(data).hexdigest()
    if len(data) != manifest.model_bytes or sha256 != manifest.model_sha256:
        raise ModelError(
            f"{model} has {len(data)} bytes and sha256 {sha256[:16]}... where its manifest says "
            f"{manifest.model_bytes} and {manifest.model_sha256[:16]}.... "
            "The file is damaged or not the one described: copy both files again.",
            code="model_hash",
        )
    return data
