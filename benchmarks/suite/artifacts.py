"""Which model files a benchmark measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.artifact.find import find_models
from edge_runtime.artifact.manifest import Manifest, load_manifest
from edge_runtime.errors import FetalHeadError, ModelError, UsageError

REFERENCE_RECIPE = "float32"
"""The recipe the others are compared with."""


@dataclass(frozen=True)
class Artifact:
    """A model file to measure.

    Attributes:
        path: The .tflite file.
        manifest: What it is; None where the manifest cannot be used.
        error: Why the manifest cannot be used, else None.
    """

    path: Path
    manifest: Manifest | None
    error: str | None = None

    @property
    def name(self) -> str:
        """``<strategy>-<recipe>``; the file's name where the manifest cannot be used."""
        return self.manifest.name if self.manifest else self.path.stem

    def describe_error(self, error: FetalHeadError | str) -> str:
        """An error's text for a result file: without this machine's folders."""
        return str(error).replace(f"{self.path.parent}/", "")


def find_artifacts(places: Sequence[Path]) -> list[Artifact]:
    """Find model files with their manifests.

    A damaged manifest is kept as the artifact's error, so that the others are still measured.

    Args:
        places: Folders, which are searched with their subfolders, and .tflite files.

    Returns:
        Sorted by strategy; of each strategy float32 first, then from large to small. Damaged manifests come last.

    Raises:
        UsageError: A place does not exist, holds no artifact, or two artifacts have one name.
    """
    artifacts = sorted((_read(path) for path in find_models(places, artifacts=True)), key=_order)
    seen: dict[str, Path] = {}
    for artifact in artifacts:
        if artifact.name in seen:
            raise UsageError(
                f"{seen[artifact.name]} and {artifact.path} are both called {artifact.name}; a result could not tell "
                "them apart. Name one of them, or measure them into two result files and compare those."
            )
        seen[artifact.name] = artifact.path
    return artifacts


def _read(path: Path) -> Artifact:
    try:
        return Artifact(path, load_manifest(path))
    except ModelError as error:
        return Artifact(path, None, str(error))


def _order(artifact: Artifact) -> tuple[bool, str, bool, int, str]:
    manifest = artifact.manifest
    if manifest is None:
        return True, "", False, 0, artifact.name
    return False, manifest.strategy, manifest.recipe != REFERENCE_RECIPE, -manifest.model_bytes, artifact.name
