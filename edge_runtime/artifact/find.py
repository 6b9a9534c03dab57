"""Find .tflite files: those that are named, and those below folders that are named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_runtime.artifact.manifest import manifest_path
from edge_runtime.errors import UsageError
from edge_runtime.shipped import find_model

SUFFIX = ".tflite"


def find_models(places: Sequence[Path], *, artifacts: bool = False) -> list[Path]:
    """Find model files.

    A file that is named is taken, whatever its suffix. Below a folder, every .tflite file is taken except hidden ones
    (macOS leaves ``._name`` beside each file on foreign disks).

    Args:
        places: Files and folders; and names of shipped sizes, unless there is a file or folder of that name.
        artifacts: Take only artifacts: files that end in .tflite and, below a folder, have a manifest beside them.

    Returns:
        Each file once, even if two places lead to it; in the order of the places, those of a folder sorted.

    Raises:
        UsageError: A place does not exist, or holds no such file.
    """
    found: dict[Path, Path] = {}
    for named in places:
        place = named if named.exists() else find_model(named)
        if place.is_file() and not (artifacts and place.suffix.lower() != SUFFIX):
            here = [place]
        elif place.is_dir():
            here = sorted(path for path in place.rglob("*") if _counts(path, artifacts))
        else:
            raise UsageError(
                f"{place} is neither a folder nor a .tflite file. Make some with: python -m export --checkpoint all"
            )
        if not here:
            wanted = "artifact (a .tflite file with its .json manifest beside it)" if artifacts else ".tflite file"
            raise UsageError(f"{place} holds no {wanted}. Make some with: python -m export --checkpoint all")
        for path in here:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _counts(path: Path, artifacts: bool) -> bool:
    shown = path.suffix.lower() == SUFFIX and not path.name.startswith(".") and path.is_file()
    return shown and (manifest_path(path).is_file() if artifacts else True)
