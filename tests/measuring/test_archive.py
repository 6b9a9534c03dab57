"""``python -m benchmarks archive``: that it counts what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.runtime import archive
from benchmarks.runtime.archive_document import Own, goals, read_archive, table
from tests.helpers.places import ROOT, Run


def test_an_archive_whose_command_is_killed_has_each_row_once(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "archive.json"
    call = ("--frames", 40, "--processes", 1, "--model", "edge-s", "--kill", "--work", tmp_path / "work", "--out", out)
    done = run("benchmarks", "archive", *call)
    assert (done.returncode, done.stderr) == (0, "")
    document = read_archive(out)
    (found,) = document.runs
    assert document.frames == document.distinct == found.rows == 40 and found.missing == found.twice == 0
    (killed,) = found.killed
    assert killed.what == "the command" and 26 <= killed.at < 40
    assert found.frames_per_s == pytest.approx(40 / found.seconds) and found.of_linear == 1
    assert found.of_own == pytest.approx(found.frames_per_s / document.own.frames_per_s)
    assert found.measure_ms > 1 and found.read_ms > 0 and min(*found.memory_bytes, *found.command_memory_bytes) > 3e7
    assert table(document) in done.stdout and not list((tmp_path / "work").iterdir())
    assert str(tmp_path) not in out.read_text()


def test_rows_that_are_missing_or_there_twice_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables, out = tmp_path / "tables", tmp_path / "out"
    assert archive.make_table(tables, 2 * 16) == 32
    monkeypatch.setattr(archive, "DISTINCT", 12)
    assert archive.make_table(tmp_path / "linked", 29) == 12
    import pyarrow.parquet as parquet

    names = [f.name for f in sorted((tmp_path / "linked").iterdir())]
    assert names == ["frames-000000.parquet", "frames-000001.parquet", "frames-rest.parquet"]
    assert parquet.read_table(tmp_path / "linked", columns=["image"]).num_rows == 29
    own = Own(8, 8.0, 10.0, 100.0)
    archive.run_archive(tables, out, ROOT / "edge_runtime/models/edge-s-full_int8.tflite", 1, 32, False, own)
    parts = sorted((out / "rows").iterdir())
    parts[0].unlink()
    (out / "rows" / "copy.parquet").write_bytes(parts[1].read_bytes())
    program = "import json, time; print(json.dumps(dict(part=0, began_s=1, ended_s=3, done=32, memory_bytes=5)))"
    call = (sys.executable, "-c", program)
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **options: real(call, **options))
    broken = archive.run_archive(tables, out, tmp_path, 1, 32, False, own)
    assert (broken.rows, broken.missing, broken.twice, broken.seconds) == (32, 8, 8, 2.0)
    one, two = archive.with_linear([broken, archive.replace(broken, processes=2, frames_per_s=28.0)])
    assert one.of_linear == 1 and two.of_linear == pytest.approx(28 / 32)
    assert [goal.met for goal in goals([one, two])] == [False, False, False]
    assert json.loads(json.dumps(one.memory_bytes)) == [5.0]
