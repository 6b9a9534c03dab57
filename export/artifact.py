"""Artifacts on disk: a .tflite file and its manifest beside it, both whole or both missing."""

from __future__ import annotations

import hashlib
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
from edge_runtime.artifact.signature import sign_again, signature_path
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_bytes
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.common.stderr import without_remarks
from edge_runtime.errors import FetalHeadError, ModelError, UsageError
from edge_runtime.shipped import MODELS, SIZES, shipped_model
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
        manifest: Its description.
        data: The .tflite file's bytes.
    """

    manifest: Manifest
    data: bytes

    def network(self, threads: int = 1) -> Network:
        """Load the network."""
        return Network(self.data, self.manifest, threads)


def artifact_path(out: Path, strategy: str, recipe: str) -> Path:
    """``<out>/<strategy>/<strategy>-<recipe>.tflite``."""
    return out / strategy / f"{strategy}-{recipe}.tflite"


def provenance(checkpoint: Checkpoint) -> dict[str, Any]:
    """The manifest's record of its checkpoint."""
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
    """Make an artifact from a converter's output. Its parity and accuracy are still empty.

    Args:
        data: The .tflite file's bytes.
        checkpoint: The checkpoint that was converted.
        recipe: The recipe it was converted with.
        calibration: Record of the calibration set, if there was one.
        quantization: Record of the quantization, if it was calibrated.

    Raises:
        ModelError: The network violates the input contract, or is not what its recipe promises.
    """
    name = f"{checkpoint.strategy.name}-{recipe.name}"
    try:
        with without_remarks():
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
            preprocessing=Preprocessing(*checkpoint.config.image_size, checkpoint.config.resize_rule),
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
    """Write an artifact. The manifest is written last, since a model without a manifest is not run.

    Args:
        artifact: A verified artifact.
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
    signed = signature_path(path).exists()
    # Between the two writes, the old manifest would describe the new model. A signature covers the old manifest.
    try:
        manifest_path(path).unlink(missing_ok=True)
        signature_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{manifest_path(path)} cannot be replaced: {error}. Choose another --out.") from error
    write_bytes(path, data)
    try:
        write_manifest(path, manifest)
    except BaseException:  # Ctrl-C too: leave no incomplete artifact
        path.unlink(missing_ok=True)
        raise
    if signed:
        say(sign_again(path))


def read_artifact(path: Path) -> Manifest | None:
    """The manifest of an artifact; None if it is missing, damaged, or not readable by this version."""
    try:
        manifest = load_manifest(path)
        read_model(path, manifest)
    except FetalHeadError:
        return None
    return manifest


def kept_limits(model_sha256: str, path: Path) -> dict[str, Any]:
    """The limits and interval that ``python -m export quality`` made for the same network. A new export keeps them.

    Args:
        model_sha256: Hash of the new .tflite file. Limits are kept only if the file is the same, byte for byte.
        path: Path of the new file. The artifact that is there is tried first, then the shipped ones.
    """
    for place in (path, *(shipped_model(size) for size in SIZES)):
        manifest = read_artifact(place)
        if manifest and manifest.model_sha256 == model_sha256 and manifest.quality:
            return manifest.quality
    return {}


def ship(paths: Sequence[Path], folder: Path = MODELS) -> list[Path]:
    """Copy the artifacts of the shipped sizes to the folder from which the runtime loads them.

    Args:
        paths: Exported .tflite files; at least one size in full int8 must be among them.
        folder: The folder to write to.

    Returns:
        The files written.

    Raises:
        UsageError: None of them is of a shipped size, or one was not calibrated on HC18. Nothing is written.
    """
    names = [shipped_model(size).name for size in SIZES]
    chosen = {path: load_manifest(path) for path in paths if path.name in names}
    if not chosen:
        raise UsageError(
            f"The shipped models are {', '.join(names)}, and none was exported. Add a checkpoint: --checkpoint DIR"
        )
    for manifest in chosen.values():
        title = manifest.calibration.get("title")
        if title != "HC18":
            raise UsageError(
                f"{manifest.name} was calibrated on {title}; a shipped model must be calibrated on HC18. "
                "Pass the folder of HC18 with --data."
            )
    for path, manifest in chosen.items():
        _write(folder / path.name, read_model(path, manifest), manifest)
    return [folder / path.name for path in chosen]
