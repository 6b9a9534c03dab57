"""Archives of phantoms, made in this process, and their rows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_runtime.__main__ import main
from tests.helpers.places import ROOT
from train.data.phantom import make_phantom

Rows = list[dict[str, Any]]
FRAMES = [make_phantom(seed) for seed in range(3)]


def read_rows(out: Path) -> Rows:
    """The rows of an archive, by the number of the image; each must be there once."""
    import pyarrow.parquet as parquet

    rows = sorted(parquet.read_table(out / "rows").to_pylist(), key=lambda row: row["number"])
    assert [row["number"] for row in rows] == list(range(len(rows)))
    return rows


def start(
    source: Path, out: Path, *options: object, program: str | None = None, cwd: Path | None = None
) -> subprocess.Popen[str]:
    """Begin an archive in a process and session of its own."""
    call = ["archive", source, "--out", out, "--model", "edge-s", "--json", *options]
    begin = ["-c", program] if program else ["-m", "edge_runtime"]
    return subprocess.Popen(
        [sys.executable, *begin, *map(str, call)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True, cwd=cwd,
    )  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Rows]:
    """Make or continue an archive in one process: ``archive(source, "--frame", 2)``; gives its rows."""
    pytest.importorskip("pyarrow")

    def make(source: object, *options: object, out: Path = tmp_path / "out", code: int = 0) -> Rows:
        call = ("archive", source, "--out", out, "--processes", 1, "--model", "edge-s", *options)
        assert main([str(word) for word in call]) == code
        return read_rows(out)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three phantoms, and a table with their pixel sizes beside the folder."""
    images = tmp_path / "images"
    images.mkdir()
    lines = ["filename,pixel size(mm)"]
    for number, (frame, _, size_mm) in enumerate(FRAMES):
        Image.fromarray(frame).save(images / f"{number}.png")
        lines.append(f"{number}.png,{size_mm}")
    (tmp_path / "sizes.csv").write_text("\n".join(lines))
    return images


def links(folder: Path, count: int) -> Path:
    """A list of images beside a folder, links to its three."""
    names = [f"links/{number:02d}.png" for number in range(count)]
    (folder.parent / "links").mkdir()
    for number, name in enumerate(names):
        (folder.parent / name).symlink_to(folder / f"{number % 3}.png")
    table = folder.parent / "many.csv"
    table.write_text("filename,pixel size(mm)\n" + "".join(f"{name},0.2\n" for name in names))
    return table


@pytest.fixture
def many(folder: Path) -> Path:
    """A list of 96 images: 12 parts, some seconds of work."""
    return links(folder, 96)


def write_table(path: Path, frames: list[np.ndarray], **columns: list[Any]) -> Path:
    """A table of frames, in small row groups."""
    import pyarrow
    import pyarrow.parquet as parquet

    values: dict[str, list[Any]] = {
        "image": [f"frame {number}" for number in range(len(frames))],
        "height": [frame.shape[0] for frame in frames],
        "width": [frame.shape[1] for frame in frames],
        "pixels": [frame.tobytes() for frame in frames],
        **columns,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({name: v for name, v in values.items() if v}), path, row_group_size=5)
    return path
