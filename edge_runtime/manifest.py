"""The manifest beside a model: what it is, what it takes, what it was measured to do."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge_runtime.errors import ModelError, UsageError
from edge_runtime.preprocess import RESIZE_RULE

SCHEMA_VERSION = 1
MAX_MANIFEST_BYTES = 4_000_000
"""A manifest is some kilobytes; a larger file is not read."""

DTYPES = ("float32", "uint8", "int8")


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
        if len(self.shape) != 4 or self.shape[0] != 1 or self.shape[3] != 1 or min(self.shape) < 1:
            raise ValueError(f"tensor '{self.name}' has shape {self.shape}; (1, height, width, 1) is needed")
        if self.dtype not in DTYPES:
            raise ValueError(f"tensor '{self.name}' has dtype {self.dtype}; {', '.join(DTYPES)} are known")
        if self.dtype != "float32" and not self.scale > 0:
            raise ValueError(f"tensor '{self.name}' is {self.dtype} with scale {self.scale}; it must be above 0")


@dataclass(frozen=True)
class Preprocessing:
    """How a frame becomes the input tensor.

    Attributes:
        height: Of the input, in pixels.
        width: Of the input, in pixels.
        resize_rule: Name of the rule in ``edge_runtime.preprocess``.
        channels: 1: grey, ITU-R BT.601 luma.
        scale: Real input value of one grey level: 1 / 255.
    """

    height: int
    width: int
    resize_rule: str = RESIZE_RULE
    channels: int = 1
    scale: float = 1 / 255

    def __post_init__(self) -> None:
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
        golden: Answers to the frames that every device has; see :mod:`edge_runtime.golden`.
        rewrites: Exact rewrites of the graph that it was exported with, by name; see :mod:`export.rewrites`.
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

    def __post_init__(self) -> None:
        size = (self.preprocessing.height, self.preprocessing.width)
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
            values[key] = TensorSpec(**{**tensor, "shape": tuple(int(n) for n in tensor["shape"])})
        values["preprocessing"] = Preprocessing(**values["preprocessing"])
        values["rewrites"] = tuple(map(str, values.get("rewrites", ())))
        return Manifest(**values)


def manifest_path(model: Path) -> Path:
    """Where the manifest of a model file lies: the same name, ending in ``.json``."""
    return model.with_suffix(".json")


def load_manifest(model: Path) -> Manifest:
    """Read the manifest of a model file.

    Args:
        model: The .tflite file.

    Raises:
        UsageError: There is no such model file.
        ModelError: No manifest, or one that is damaged, too large, or of another schema version.
    """
    path = manifest_path(model)
    if not model.is_file():
        raise UsageError(f"There is no model file {model}.")
    if not path.is_file():
        raise ModelError(
            f"{model} has no manifest: {path.name} is missing beside it. Copy both files; "
            "a model without its manifest is not run, since nothing says what it takes."
        )
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes; a manifest has at most {MAX_MANIFEST_BYTES}.")
        values = json.loads(path.read_bytes())
        version = values["schema_version"]
        if version != SCHEMA_VERSION:
            raise ModelError(
                f"{path} has schema version {version!r}; this runtime reads {SCHEMA_VERSION}. Install the runtime that "
                "fits the model, or export the model again."
            )
        return Manifest.from_json(values)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} is not a usable manifest: {type(error).__name__}: {error}") from error


def read_model(model: Path, manifest: Manifest) -> bytes:
    """Read a model file and check it against its manifest, before anything parses it.

    Raises:
        ModelError: Its size or sha256 is not what the manifest says, or it cannot be read.
    """
    try:
        if model.stat().st_size != manifest.model_bytes:
            raise ModelError(
                f"{model} has {model.stat().st_size} bytes where its manifest says {manifest.model_bytes}. "
                "The file is damaged or not the one described: copy both files again."
            )
        data = model.read_bytes()
    except OSError as error:
        raise ModelError(f"{model} cannot be read: {error}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != manifest.model_sha256:
        raise ModelError(
            f"{model} has sha256 {sha256[:16]}... where its manifest says {manifest.model_sha256[:16]}.... "
            "The file is damaged or not the one described: copy both files again."
        )
    return data
