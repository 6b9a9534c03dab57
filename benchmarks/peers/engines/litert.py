"""LiteRT: this project's own export and its own runtime, with the interpreter of the environment."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.peers.source import ARTIFACTS, Precision, Run
from edge_runtime.artifact.manifest import load_manifest, manifest_path, read_model
from edge_runtime.artifact.network import Network


def convert(source: Path, precision: Precision, target: Path) -> None:
    """Take the export as it is."""
    model = source / ARTIFACTS[precision]
    shutil.copy(model, target / "model.tflite")
    shutil.copy(manifest_path(model), target / "model.json")


def load(source: Path, target: Path, threads: int) -> Run:
    """Load it as the runtime does."""
    model = target / "model.tflite"
    manifest = load_manifest(model)
    return Network(read_model(model, manifest), manifest, threads, backend="ai-edge-litert")
