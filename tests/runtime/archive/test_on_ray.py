"""Several processes on Ray: one of them killed, the command killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.archive.conftest import Rows, read_rows, start

pytestmark = pytest.mark.slow
Make = Callable[..., Rows]


def reports(process: subprocess.Popen[str], count: int) -> list[dict[str, Any]]:
    assert process.stdout is not None
    return [json.loads(process.stdout.readline()) for _ in range(count)]


def alive(folder: Path) -> list[str]:
    """Command lines of processes whose environment names a temporary folder: Ray's daemons and workers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"TMPDIR={folder}".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if line]


@pytest.fixture
def own_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of short name, to see what is left in it: the paths of Ray's sockets have to be short."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def gone(folder: Path, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while alive(folder) and time.monotonic() < end:
        time.sleep(0.5)
    return not alive(folder)


def test_a_killed_process_loses_nothing_and_doubles_nothing(
    archive: Make, many: Path, tmp_path: Path, own_tmp: Path
) -> None:
    out = tmp_path / "ray"
    process = start(many, out, "--processes", 2)
    first = reports(process, 2)
    os.kill(first[-1]["process"], signal.SIGKILL)
    printed, said = process.communicate(timeout=400)
    assert (process.returncode, said) == (0, "")
    lines = [json.loads(line) for line in printed.splitlines()]
    assert lines[-1]["finished"] and lines[-1]["done"] == lines[-1]["of"] == 96
    assert first[-1]["process"] not in {line["process"] for line in lines[-3:-1]}
    assert gone(own_tmp) and not list(own_tmp.iterdir())
    here = archive(many)
    assert [{**row, "latency_ms": None} for row in read_rows(out)] == [{**row, "latency_ms": None} for row in here]
    assert not list((out / "attempts").iterdir())


def test_a_killed_command_takes_its_processes_along_and_is_continued(
    archive: Make, many: Path, tmp_path: Path, own_tmp: Path
) -> None:
    process = start(many, tmp_path / "out", "--processes", 2)
    reports(process, 2)
    process.kill()
    process.communicate()
    assert gone(own_tmp)
    before = len(list((tmp_path / "out" / "rows").glob("*.parquet")))
    assert 2 <= before < 12 and len(archive(many)) == 96
