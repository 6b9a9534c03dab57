"""Files are whole or missing, whatever stops the writer, and models are found alike by every command."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from edge_runtime.artifact.find import find_models
from edge_runtime.common.cli import ending_text
from edge_runtime.common.files import write_bytes, write_json, write_new
from edge_runtime.errors import UsageError
from edge_runtime.shipped import shipped_model
from tests.helpers.places import ROOT


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the disk, in order."""
    seen: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        seen.append("sync folder" if path.is_dir() else f"sync {path.stat().st_size} bytes")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        seen.append(f"rename to {target.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    return seen


def test_a_file_reaches_the_disk_before_its_name_and_then_the_folder(tmp_path: Path, steps: list[str]) -> None:
    write_bytes(tmp_path / "a.bin", b"12345")
    assert steps == ["sync 5 bytes", "rename to a.bin", "sync folder"]
    steps.clear()
    write_new(tmp_path / "key", b"123", 0o600)
    assert steps == ["sync 3 bytes", "sync folder"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync", full) if call == "fsync" else (Path, "replace", full)))
    with pytest.raises(UsageError, match="No space left"):
        write_json(path, {"new": 2})
    assert '"old": 1' in path.read_text() and list(tmp_path.iterdir()) == [path]
    if call == "fsync":
        with pytest.raises(OSError, match="No space left"):
            write_new(tmp_path / "key", b"secret", 0o600)
        assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "key", b"theirs", 0o600)
    assert (tmp_path / "key").read_bytes() == b"mine"


def test_no_module_writes_files_past_the_module_that_does_it_whole() -> None:
    """``Path.write_text`` and its like leave half a file when they are stopped; temporary folders are no matter."""
    direct = re.compile(r"\.write_text\(|(?<!\bdef )\b\w+\.write_bytes\(|open\([^)]*[\"'][wxa]b?[\"']|np\.savez?\(")
    allowed = {
        "edge_runtime/common/files.py": "the module itself",
        "export/conversion/in_process.py": "into the temporary folder of a conversion",
        "benchmarks/suite/latency.py": "frames for the processes it starts, in a temporary folder",
        "benchmarks/suite/worker.py": "times for the process that started it, likewise",
        "benchmarks/peers/prepare.py": "likewise",
        "benchmarks/peers/worker.py": "likewise",
        "benchmarks/runtime/overhead.py": "likewise",
        "benchmarks/fuzz/artifacts.py": "damage, made on purpose in a temporary folder",
        "benchmarks/fuzz/files.py": "likewise",
        "benchmarks/fuzz/rig.py": "likewise",
        "benchmarks/common/stage.py": "a log, which grows",
        "train/data/phantom.py": "into a temporary folder that is renamed",
        "train/weights.py": "into a temporary folder",
        "train/loop.py": "a temporary file that is renamed",
    }
    for package in ("edge_runtime", "export", "benchmarks", "train", "examples"):
        for path in (ROOT / package).rglob("*.py"):
            if (name := path.relative_to(ROOT).as_posix()) not in allowed:
                assert not direct.search(path.read_text()), f"{name}: write through edge_runtime.common.files"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-9, "was killed by signal 9 (SIGKILL; the system does this when memory runs out)"),
        (-11, "was killed by signal 11 (SIGSEGV)"),
        (-40, "was killed by signal 40 (unknown)"),
    ],
)
def test_how_a_process_ended(code: int, said: str) -> None:
    assert ending_text(code) == said


def test_models_are_found_once_and_hidden_files_are_none(tmp_path: Path) -> None:
    for name in ("b/x.tflite", "b/x.json", "a.tflite", "C.TFLITE", "._a.tflite", "notes.txt", ".a.tflite.1.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    names = [path.relative_to(tmp_path).as_posix() for path in find_models([tmp_path, tmp_path / "b"])]
    assert names == ["C.TFLITE", "a.tflite", "b/x.tflite"]
    assert find_models([tmp_path], artifacts=True) == [tmp_path / "b" / "x.tflite"]
    assert find_models([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]
    for places, artifacts in (([tmp_path / "none"], False), ([tmp_path / "notes.txt"], True)):
        with pytest.raises(UsageError, match="neither a folder nor a"):
            find_models(places, artifacts=artifacts)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"holds no \.tflite file"):
        find_models([tmp_path, tmp_path / "empty"])


def test_a_shipped_size_is_a_model_unless_a_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_models([Path("edge-s")]) == [shipped_model("edge-s")]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edge-s").mkdir()
    (tmp_path / "edge-s" / "mine.tflite").write_bytes(b"")
    assert find_models([Path("edge-s")]) == [Path("edge-s/mine.tflite")]
