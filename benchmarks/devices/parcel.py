"""What is sent to a device: the wheel, the source of the benchmarks, artifacts and frames, in one archive."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.devices.connection import SCRIPT
from benchmarks.devices.wheels import ROOT
from edge_runtime.artifact.manifest import manifest_path
from edge_runtime.artifact.signature import signature_path
from edge_runtime.common.cli import counted
from edge_runtime.common.provenance import git_commit

SOURCE = ("benchmarks", "export", "train")
"""Packages that are sent as source. The runtime is in the wheel."""


@dataclass(frozen=True)
class Request:
    """What is to be measured.

    Attributes:
        models: The .tflite files.
        frames: The frame set.
        options: Options of ``python -m benchmarks run``.
    """

    models: tuple[Path, ...]
    frames: Path
    options: tuple[str, ...]

    @property
    def words(self) -> str:
        """The request for people."""
        return f"{' '.join(self.options)}, {counted(len(self.models), 'artifact')}, {self.frames.name}"

    @property
    def line(self) -> str:
        """The request with a hash of its files, in one line: equal lines ask for the same."""
        found = hashlib.sha256(repr(self.options).encode())
        for path in (*self.models, self.frames):
            for part in (path, *_beside(path)):
                found.update(hashlib.sha256(part.read_bytes()).digest())
        return f"{found.hexdigest()} {self.words}"

    def call(self, folder: str) -> list[str]:
        """The arguments of ``python -m benchmarks run`` on the device.

        The paths are absolute, because a result file keeps only the last part of such.
        """
        places = [f"{folder}/artifacts", "--frame-set", f"{folder}/frames/{self.frames.name}"]
        return [*places, *self.options, "--out", f"{folder}/result.json", "--overwrite"]


def pack(file: IO[bytes], request: Request, wheel: Path, packages: Path | None) -> int:
    """Write the archive.

    Args:
        file: Where to; it stands at its beginning afterwards.
        request: What is to be measured.
        wheel: Of the runtime.
        packages: Folder with the wheels it needs; None if the device downloads them.

    Returns:
        Its size in bytes.
    """
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
        for name, path in _files(request, wheel, packages):
            archive.add(path, name, recursive=False, filter=_nobodys)
        for name, text in (("request", request.line), ("commit", git_commit() or "")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data := f"{text}\n".encode())
            archive.addfile(entry, io.BytesIO(data))
    size = file.tell()
    file.seek(0)
    return size


def _files(request: Request, wheel: Path, packages: Path | None) -> Iterator[tuple[str, Path]]:
    """Names in the archive, and what is to stand there."""
    yield SCRIPT.name, SCRIPT
    yield f"wheel/{wheel.name}", wheel
    for package in sorted(packages.iterdir()) if packages else ():
        yield f"wheels/{package.name}", package
    for room in SOURCE:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield f"source/{path.relative_to(ROOT).as_posix()}", path
    for number, model in enumerate(request.models, start=1):  # two folders may hold files of one name
        for path in (model, *_beside(model)):
            yield f"artifacts/{number}/{path.name}", path
    yield f"frames/{request.frames.name}", request.frames


def _beside(model: Path) -> list[Path]:
    return [path for path in (manifest_path(model), signature_path(model)) if path != model and path.is_file()]


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing of this machine's users goes along."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry
