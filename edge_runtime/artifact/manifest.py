"""The manifest beside a model: what the model is, what input it needs, and how well it was measured to work."""

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
from edge_runtime.frame.geometry import LETTERBOX, RESIZE_RULES, ResizeRule

SCHEMA_VERSION = 2
MAX_MANIFEST_BYTES = 4_000_000
"""A manifest has a few kilobytes. A larger file is not read."""

MAX_MODEL_BYTES = 1 << 29
"""Four times the size of a plain U-Net of 31 million float32 parameters. A manifest with a larger number is refused."""

MAX_SIDE = 4096
"""Maximum side of a network's input in pixels: eight times the paper's."""

OUTPUT_STRIDES = (1, 2, 4, 8)
"""Sides of the input divided by those of the output."""

DTYPES = ("float32", "uint8", "int8")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STORED = {"float32": (0, 0), "uint8": (0, 255), "int8": (-128, 127)}
"""Smallest and largest zero point."""


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


_KINDS = {
    "str": ("one line of text", _is_text),
    "ResizeRule": ("one line of text", _is_text),
    "str | None": ("one line of text or null", lambda value: value is None or _is_text(value)),
    "int": ("an integer", _is_int),
    "float": ("a finite number", _is_real),
    "dict[str, Any]": ("an object", _is_dict),
    "dict[str, str]": (
        "an object whose values are texts",
        lambda value: _is_dict(value) and all(map(_is_text, value.values())),
    ),
    "tuple[str, ...]": ("a list of texts", lambda value: isinstance(value, tuple) and all(map(_is_text, value))),
    "tuple[int, int, int, int]": (
        "four integers",
        lambda value: isinstance(value, tuple) and len(value) == 4 and all(map(_is_int, value)),
    ),
    "TensorSpec": ("a tensor", lambda value: isinstance(value, TensorSpec)),
    "Preprocessing": ("a preprocessing object", lambda value: isinstance(value, Preprocessing)),
}
"""For each declared type: its name in messages, and a check. In Python, JSON's true would pass as the number 1."""


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
        name: Its name in the model.
        shape: (1, height, width, 1), NHWC.
        dtype: ``float32``, ``uint8`` or ``int8``.
        scale: Real value of one quantization step. 0 for float32.
        zero_point: Stored value that stands for the real 0.
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
                f"tensor '{self.name}' has shape {self.shape}; it must be (1, height, width, 1), sides up to {MAX_SIDE}"
            )
        if self.dtype not in DTYPES:
            raise ValueError(f"tensor '{self.name}' has dtype {self.dtype}; it must be one of {', '.join(DTYPES)}")
        if self.dtype == "float32" and self.scale != 0:
            raise ValueError(f"tensor '{self.name}' is float32 with scale {self.scale}; it must be 0")
        if self.dtype != "float32" and not self.scale > 0:
            raise ValueError(f"tensor '{self.name}' is {self.dtype} with scale {self.scale}; it must be above 0")
        low, high = _STORED[self.dtype]
        if not low <= self.zero_point <= high:
            raise ValueError(
                f"tensor '{self.name}' is {self.dtype} with zero point {self.zero_point}; it must be {low} to {high}"
            )


@dataclass(frozen=True)
class Preprocessing:
    """How a frame becomes the input tensor.

    Attributes:
        height: Height of the input in pixels.
        width: Width of the input in pixels.
        resize_rule: How a frame is fitted into the input, see :mod:`edge_runtime.frame.geometry`.
        channels: Always 1: grey, ITU-R BT.601 luma.
        scale: Real input value of one grey level, always 1 / 255.
    """

    height: int
    width: int
    resize_rule: ResizeRule = LETTERBOX
    channels: int = 1
    scale: float = 1 / 255

    def __post_init__(self) -> None:
        _check_types(self)
        if self.resize_rule not in RESIZE_RULES:
            known = " or ".join(f"'{rule}'" for rule in RESIZE_RULES)
            raise ValueError(f"resize rule '{self.resize_rule}' is not known; it must be {known}")
        if self.channels != 1 or abs(self.scale * 255 - 1) > 1e-6:
            raise ValueError("the input must be one grey channel of byte / 255")


@dataclass(frozen=True)
class Manifest:
    """Everything that is known about an artifact.

    Attributes:
        name: ``<strategy>-<recipe>``.
        strategy: The strategy it was trained with.
        recipe: The recipe it was converted with.
        model_sha256: sha256 of the .tflite file.
        model_bytes: Size of the .tflite file.
        input: The input tensor.
        output: The output tensor: one logit for each pixel of the input, or for each 2x2 or 4x4 of them.
        preprocessing: How a frame becomes the input.
        threshold: Probability above which a pixel is head.
        calibration: The data set's title, and the number and file hashes of the calibration images. Empty if none were
            used.
        quantization: How the int8 model was made: the method, the loss of every method that was tried, and the range of
            every tensor. Empty if nothing was calibrated.
        parity: Differences from torch, the images they were measured on, and the tolerances.
        accuracy: Summaries of scores against the reference, and the degradation compared with float32.
        golden: Answers to the frames that every device has. See :mod:`edge_runtime.artifact.golden`.
        rewrites: Names of the exact graph rewrites in the export. See :mod:`export.conversion.rewrites`.
        quality: Limits for refusing a frame, and the interval beside a circumference, calibrated on the validation
            part. Empty if they were not calibrated.
        checkpoint: Hash, data, split, settings and git commit of the training.
        git_commit: Commit of the export.
        tools: Versions of the tools that exported it.
        intended_use: What it is for.
        limits: What it must not be used for, and what it was not tested on.
        request_sha256: Hash of the export's options, inputs and tools. If it is the same, there is nothing to redo.
        schema_version: Version of this format.
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
    limits: str = "Not a medical device. Not for diagnosis. Circumferences were validated in one hospital alone."
    request_sha256: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input, in pixels."""
        return self.preprocessing.height, self.preprocessing.width

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the network's output, in pixels."""
        return self.output.shape[1:3]

    def __post_init__(self) -> None:
        _check_types(self)
        for key in ("name", "strategy", "recipe"):  # some become parts of file names
            if not _NAME.fullmatch(getattr(self, key)):
                raise ValueError(f"'{key}' is {getattr(self, key)[:60]!r}; only letters, digits and ._+- are allowed")
        if not _SHA256.fullmatch(self.model_sha256):
            raise ValueError(
                f"'model_sha256' is {self.model_sha256[:80]!r}; it must be 64 hexadecimal digits in lower case"
            )
        if not 0 < self.model_bytes <= MAX_MODEL_BYTES:
            raise ValueError(f"'model_bytes' is {self.model_bytes}; it must be 1 to {MAX_MODEL_BYTES}")
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"the schema version is {self.schema_version}; it must be {SCHEMA_VERSION}")
        size, strides = self.size, OUTPUT_STRIDES
        if self.input.shape[1:3] != size:
            raise ValueError(f"tensor '{self.input.name}' has shape {self.input.shape}, but preprocessing makes {size}")
        if not any(size == (self.output_size[0] * n, self.output_size[1] * n) for n in strides):
            raise ValueError(
                f"tensor '{self.output.name}' has shape {self.output.shape}; its sides must be those of the input, "
                f"{size}, divided by {' or '.join(map(str, strides))}"
            )
        zero = {"float32": 0, "uint8": 0, "int8": -128}[self.input.dtype]
        if self.input.dtype != "float32" and (
            abs(self.input.scale / self.preprocessing.scale - 1) > 1e-5 or self.input.zero_point != zero
        ):
            raise ValueError(
                f"the input is {self.input.dtype} with scale {self.input.scale} and zero point "
                f"{self.input.zero_point}; they must be 1/255 and {zero}, so that a frame's bytes are the tensor"
            )
        if not 0 < self.threshold < 1:
            raise ValueError(f"the threshold is {self.threshold}; it must be between 0 and 1")

    def to_json(self) -> dict[str, Any]:
        """Convert to a plain dictionary, ready for JSON."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Manifest:
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: A field is missing, unknown or impossible. KeyError and TypeError mean the same.
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
    """The path of a model file's manifest: the same name, ending in ``.json``."""
    return model.with_suffix(".json")


def write_manifest(model: Path, manifest: Manifest) -> Path:
    """Seal and write the manifest of a model file. Manifests are made and changed only in this way.

    If the manifest changes, a signature beside the model is removed, since it would no longer be valid.

    Args:
        model: The .tflite file.
        manifest: Its manifest.

    Returns:
        The path of the manifest.

    Raises:
        UsageError: The file cannot be written.
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
        UsageError: The model file does not exist.
        ModelError: The manifest is missing, damaged, edited, too large, or has another schema version.
    """
    return parse_manifest(read_manifest(model), manifest_path(model))


def read_manifest(model: Path) -> bytes:
    """Read the bytes of a model file's manifest, without checking them.

    Raises:
        UsageError: The model file does not exist.
        ModelError: The manifest is missing, too large or cannot be read.
    """
    path = manifest_path(model)
    if not is_file(model):
        raise UsageError(f"There is no model file {model}.")
    if not is_file(path):
        raise ModelError(
            f"{model} has no manifest: {path.name} is missing beside it. Copy both files. A model without its manifest "
            "is not run, because nothing says what input it needs.",
            code="no_manifest",
        )
    try:
        return read_bounded(path, MAX_MANIFEST_BYTES)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", code="manifest_unreadable") from error


def parse_manifest(data: bytes, path: Path) -> Manifest:
    """Check the seal of a manifest, then parse it and check its content.

    Args:
        data: The whole file.
        path: Its path, for messages.

    Raises:
        ModelError: It is damaged, edited, inconsistent, or has another schema version.
    """
    try:
        values = unseal(data)
        version = values["schema_version"]
        if not _is_int(version) or version != SCHEMA_VERSION:
            raise ModelError(
                f"{path} has schema version {version!r}, but this runtime reads version {SCHEMA_VERSION}. Install the "
                "runtime that fits the model, or export the model again.",
                code="schema_version",
            )
        return Manifest.from_json(values)
    except SealError as error:
        raise ModelError(
            f"{path} {error}, so it is not a usable manifest. It is damaged, was edited by hand, or has an older "
            "format. Copy both files again, or export the model again. To change a manifest from a program, use "
            "edge_runtime.artifact.manifest.write_manifest, which seals it.",
            code="seal",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} is not a usable manifest: {type(error).__name__}: {str(error)[:300]}", code="manifest"
        ) from error


def read_model(model: Path, manifest: Manifest) -> bytes:
    """Read a model file once, and check it against its manifest before anything parses it.

    Returns:
        The bytes that were checked.

    Raises:
        ModelError: The file cannot be read, or its size or sha256 is not the one in the manifest.
    """
    try:
        data = read_bounded(model, manifest.model_bytes)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{model} cannot be read: {error}. Its manifest says that it has {manifest.model_bytes} bytes. If it is "
            "larger, it is damaged or belongs to another manifest: copy both files again.",
            code="model_unreadable",
        ) from error
    sha256 = hashlib.sha256(data).hexdigest()
    if len(data) != manifest.model_bytes or sha256 != manifest.model_sha256:
        raise ModelError(
            f"{model} has {len(data)} bytes and the sha256 {sha256[:16]}..., but its manifest says "
            f"{manifest.model_bytes} bytes and {manifest.model_sha256[:16]}... "
            "The file is damaged or belongs to another manifest: copy both files again.",
            code="model_hash",
        )
    return data
