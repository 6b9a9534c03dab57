"""Artifacts on disk: a .tflite file and its manifest beside it, both whole or not there."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.artifact.manifest import (
    Manifest,
    Preprocessing,
    load_manifest,
    manifest_path,
    read_model,
    write_manifest,
)
from edge_runtime.artifact.network import Network, describe_tensor, load_backend
from edge_runtime.artifact.signature import signature_path
from edge_runtime.common.files import write_bytes
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.errors import FetalHeadError, ModelError, UsageError
from edge_runtime.segmenter import DEFAULT_MODEL
from export.recipes import Recipe
from export.tflite.audit import audit
from export.tflite.model import Model
from train.checkpoint import Checkpoint

THRESHOLD = 0.5
"""Probability above which a pixel is head: what the losses train for."""

TOOLS = (
    "torch", "segmentation-models-pytorch", "onnx", "onnxruntime", "onnxsim", "onnx2tf", "tensorflow", "tf-keras",
    "ai-edge-litert", "tflite-runtime", "numpy",
)  # fmt: skip


@dataclass(frozen=True)
class Artifact:
    """A converted network.

    Attributes:
        manifest: What it is.
        data: The .tflite file's bytes.
    """

    manifest: Manifest
    data: bytes

    def network(self, threads: int = 1) -> Network:
        """Ready to run."""
        return Network(self.data, self.manifest, threads)


def artifact_path(out: Path, strategy: str, recipe: str) -> Path:
    """``<out>/<strategy>/<strategy>-<recipe>.tflite``."""
    return out / strategy / f"{strategy}-{recipe}.tflite"


def provenance(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a manifest says of its checkpoint."""
    info = checkpoint.info
    return {
        "sha256": checkpoint.sha256,
        "data": info.get("data", {}),
        "config": info["config"],
        "kept_epoch": info.get("kept_epoch"),
        "git_commit": info.get("git_commit"),
        "tools": info.get("tools", {}),
    }


def new_artifact(
    data: bytes,
    checkpoint: Checkpoint,
    recipe: Recipe,
    calibration: dict[str, Any] | None = None,
    quantization: dict[str, Any] | None = None,
) -> Artifact:
    """Make an artifact of a converter's output, its parity and accuracy still empty.

    Args:
        data: The .tflite file's bytes.
        checkpoint: What was converted.
        recipe: How.
        calibration: Record of the calibration set, where there was one.
        quantization: Record of how it was quantized, where it was calibrated.

    Raises:
        ModelError: The network does not keep the input contract, or is not what its recipe says.
    """
    name = f"{checkpoint.strategy.name}-{recipe.name}"
    try:
        interpreter = load_backend()[1].Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
        if violations := audit(Model(data), recipe.name).violations:
            raise ValueError("; ".join(violations))
        manifest = Manifest(
            name=name,
            strategy=checkpoint.strategy.name,
            recipe=recipe.name,
            model_sha256=hashlib.sha256(data).hexdigest(),
            model_bytes=len(data),
            input=describe_tensor(interpreter.get_input_details()[0]),
            output=describe_tensor(interpreter.get_output_details()[0]),
            preprocessing=Preprocessing(*checkpoint.config.image_size),
            threshold=THRESHOLD,
            calibration=calibration or {},
            quantization=quantization or {},
            checkpoint=provenance(checkpoint),
            git_commit=git_commit(),
            tools=tool_versions(TOOLS),
        )
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{name}: the converted network cannot be used: {error}. It was not written.") from error
    return Artifact(manifest, data)


def write_artifact(artifact: Artifact, out: Path) -> Path:
    """Write an artifact, the manifest last: a model without one is not run.

    Args:
        artifact: Verified.
        out: Folder of artifacts.

    Returns:
        The .tflite file.

    Raises:
        UsageError: The place cannot be written.
    """
    path = artifact_path(out, artifact.manifest.strategy, artifact.manifest.recipe)
    _write(path, artifact.data, artifact.manifest)
    return path


def _write(path: Path, data: bytes, manifest: Manifest) -> None:
    try:  # between the two writes the old manifest would describe the new model; a signature is of the old manifest
        manifest_path(path).unlink(missing_ok=True)
        signature_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{manifest_path(path)} cannot be replaced: {error}. Choose another --out.") from error
    write_bytes(path, data)
    try:
        write_manifest(path, manifest)
    except BaseException:  # Ctrl-C too: no half artifact
        path.unlink(missing_ok=True)
        raise


def read_artifact(path: Path) -> Manifest | None:
    """The manifest of an artifact that is there, whole and readable by this version, else None."""
    try:
        manifest = load_manifest(path)
        read_model(path, manifest)
    except FetalHeadError:
        return None
    return manifest


def kept_limits(model_sha256: str, path: Path) -> dict[str, Any]:
    """Limits and interval that ``python -m export quality`` has made for a network: an export of it keeps them.

    Args:
        model_sha256: Of the new .tflite file; they are only the same network's, byte for byte.
        path: Where it will be written; an artifact that lies there is asked, then the shipped one.
    """
    for place in (path, DEFAULT_MODEL):
        manifest = read_artifact(place)
        if manifest and manifest.model_sha256 == model_sha256 and manifest.quality:
            return manifest.quality
    return {}


def check_writable(folder: Path) -> None:
    """Fail before long work rather than after it.

    Raises:
        UsageError: The folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-"):
            pass
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error}. Choose another --out.") from error


def ship(paths: Sequence[Path], target: Path = DEFAULT_MODEL) -> Path:
    """Copy an artifact to where the wheel takes its default model from.

    Args:
        paths: Exported .tflite files, the one to ship among them.
        target: Where to.

    Returns:
        ``target``.

    Raises:
        UsageError: The artifact the wheel ships is not among them, or was not calibrated on HC18.
    """
    path = next((p for p in paths if p.name == target.name), None)
    if path is None:
        raise UsageError(f"The wheel ships {target.stem}, and it was not exported. Add its checkpoint.")
    manifest = load_manifest(path)
    title = manifest.calibration.get("title")
    if title != "HC18":
        raise UsageError(
            f"{manifest.name} was calibrated on {title}; the wheel ships one calibrated on HC18. "
            "Give --data the folder of HC18."
        )
    _write(target, read_model(path, manifest), manifest)
    return target
