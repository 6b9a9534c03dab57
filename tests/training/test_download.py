from __future__ import annotations

import functools
import hashlib
import http.server
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.errors import UsageError
from train.data import download as module
from train.data.download import DownloadError, download
from train.data.hc18 import read_dataset


@pytest.fixture
def published(phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A local web server that publishes a data set the way Zenodo publishes HC18; yields its folder."""
    folder = tmp_path / "published"
    folder.mkdir()
    archive = folder / "training_set.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted((phantom / "training_set").iterdir()):
            file.write(path, f"training_set/{path.name}")
    table = "training_set_pixel_size_and_HC.csv"
    (folder / table).write_bytes((phantom / table).read_bytes())
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HC18_URL", f"http://127.0.0.1:{server.server_port}")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setitem(module.ARCHIVES, "training_set.zip", sha256)
    yield folder
    server.shutdown()
    server.server_close()


def test_a_download_becomes_a_data_set(published: Path, tmp_path: Path) -> None:
    root = download(tmp_path / "data" / "hc18")
    assert len(read_dataset(root).samples) == 20
    assert sorted(p.name for p in root.iterdir()) == ["training_set", "training_set_pixel_size_and_HC.csv"]
    with pytest.raises(UsageError, match="there already"):
        download(root)


@pytest.mark.parametrize("damage", ["cut", "altered", "missing"])
def test_a_broken_download_is_an_error_and_leaves_nothing(published: Path, tmp_path: Path, damage: str) -> None:
    archive = published / "training_set.zip"
    data = archive.read_bytes()
    if damage == "missing":
        archive.unlink()
    else:
        archive.write_bytes(data[: len(data) // 2] if damage == "cut" else data[:-1] + b"x")
    with pytest.raises(DownloadError, match=r"training_set\.zip"):
        download(tmp_path / "data" / "hc18")
    assert list((tmp_path / "data").iterdir()) == []


def test_the_published_checksums_are_those_of_the_record() -> None:
    assert module.ARCHIVES["training_set.zip"].startswith("fd20d7909df892cf")
    assert module.ARCHIVES["test_set.zip"].startswith("6356d1171e5805da")
