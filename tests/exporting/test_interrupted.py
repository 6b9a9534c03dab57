"""An export that is stopped, killed or out of room leaves whole artifacts or none, and no temporary file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_runtime.artifact.manifest import manifest_path
from export.artifact import read_artifact
from export.commands.parallel import export_apart
from tests.helpers.places import ROOT
from tests.helpers.random_checkpoint import make_checkpoint
from tests.helpers.tiny_model import make_artifact

WITH_LITTLE_ROOM = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
"""


def environment(temporary: Path, *paths: Path) -> dict[str, str]:
    temporary.mkdir(exist_ok=True)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (*paths, ROOT))),
        "TMPDIR": str(temporary),
        "TORCHINDUCTOR_CACHE_DIR": str(temporary.parent / "torch"),
    }


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def assert_whole(out: Path) -> None:
    models = list(out.rglob("*.tflite"))
    assert all(read_artifact(path) for path in models)
    assert set(left(out)) == {*models, *map(manifest_path, models)}


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_midway(phantom: Path, tmp_path: Path, stop: signal.Signals, code: int) -> None:
    checkpoints = [make_checkpoint(tmp_path / name, name) for name in ("edge-s", "edge-m")]
    chosen = checkpoints if stop == signal.SIGTERM else checkpoints[:1]  # two: each in a process of its own
    command = ["--checkpoint", *map(str, chosen), "--data", str(phantom), "--out", str(tmp_path / "out"), "--jobs", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "export", *command], env=environment(tmp_path / "tmp"), stdout=-1, stderr=-1, text=True
    ) as process:
        until = time.monotonic() + 300
        while not list(tmp_path.rglob("*.tflite")) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)  # converters write theirs into the temporary folder: any will do
        process.send_signal(stop)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert_whole(tmp_path / "out")
    assert left(tmp_path / "tmp") == []


def test_a_killed_converter(phantom: Path, tmp_path: Path) -> None:
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "onnx2tf.py").write_text(
        "def convert(**_):\n    import os\n    print('about to die', flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    command = ["--checkpoint", make_checkpoint(tmp_path / "edge-s"), "--data", phantom, "--out", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-m", "export", *map(str, command)],
        env=environment(tmp_path / "tmp", tmp_path / "fake"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert (
        "was killed by signal 9 (SIGKILL" in done.stderr
        and "about to die" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert left(tmp_path / "out") == [] == left(tmp_path / "tmp")


def test_one_of_two_exports_is_killed(phantom: Path, tmp_path: Path) -> None:
    """As the system kills it when memory runs out: the command fails and says which, the other export is whole."""
    killed, other = (make_checkpoint(tmp_path / name, name) for name in ("edge-s", "edge-m"))
    out = tmp_path / "out"
    command = ["--checkpoint", killed, other, "--data", phantom, "--out", out, "--recipes", "float32", "--jobs", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "export", *map(str, command), "--json"],
        env=environment(tmp_path / "tmp"), stdout=-1, stderr=-1, text=True,
    ) as process:  # fmt: skip
        until = time.monotonic() + 300
        while not (pid := child(process.pid, str(killed))) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert pid
        os.kill(pid, signal.SIGKILL)
        printed, errors = process.communicate(timeout=300)
    assert process.returncode == 1, errors
    assert f"error: {killed}: the export was killed by signal 9 (SIGKILL" in errors and "Traceback" not in errors
    document = json.loads(printed)
    assert [failure["checkpoint"] for failure in document["failures"]] == [str(killed)]
    assert [Path(artifact["path"]).name for artifact in document["artifacts"]] == ["edge-m-float32.tflite"]
    assert_whole(out)


def child(parent: int, argument: str) -> int | None:
    """The process id of a child that was started with an argument. One that is just forked still has its parent's."""
    own = Path(f"/proc/{parent}/cmdline").read_text()
    for task in Path(f"/proc/{parent}/task").iterdir():
        for pid in (task / "children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended since
                started_with = Path(f"/proc/{pid}/cmdline").read_text()
                if started_with != own and argument in started_with.split("\0"):
                    return int(pid)
    return None


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", 1, "was killed by signal 9 (SIGKILL"),
        ("import os; print('{}', flush=True); os.kill(os.getpid(), 11)", 1, "was killed by signal 11 (SIGSEGV)"),
        ("print('{\"artifacts\": [')", 1, "ended with exit code 0 before it was done"),
        ("raise SystemExit(3)", 3, "ended with exit code 3 before it was done"),
    ],
)
def test_every_way_an_export_can_die_is_a_failure(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
    code: int,
    said: str,
) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "__main__.py").write_text(program)
    monkeypatch.chdir(tmp_path)
    ((found, document),) = export_apart([tmp_path / "edge"], [], 1)
    assert found == code and said in capsys.readouterr().err
    (failure,) = document["failures"]
    assert said in failure["error"] and failure["checkpoint"] == str(tmp_path / "edge")
    assert document["artifacts"] == []


def test_no_room_for_temporary_files(phantom: Path, tmp_path: Path) -> None:
    program = f"{WITH_LITTLE_ROOM}\nfrom edge_runtime.common.cli import run_command\nfrom export.__main__ import main\n"
    command = ["--checkpoint", make_checkpoint(tmp_path / "edge-s"), "--data", phantom, "--out", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", f"{program}run_command(main)", "1000000", *map(str, command)],
        env=environment(tmp_path / "tmp"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr and "Traceback" not in done.stderr
    assert left(tmp_path / "out") == [] == left(tmp_path / "tmp")


def test_no_room_for_the_manifest(tmp_path: Path) -> None:
    path = make_artifact(tmp_path / "from", "full_int8", name="edge")
    room = path.stat().st_size + 1
    program = f"""{WITH_LITTLE_ROOM}
from pathlib import Path
from dataclasses import replace
from edge_runtime.common.cli import run_command
from edge_runtime.artifact.manifest import load_manifest
from export.artifact import Artifact, write_artifact
def main(arguments):
    path = Path(arguments[0])
    long = replace(load_manifest(path), limits="x" * {room})
    write_artifact(Artifact(long, path.read_bytes()), Path(arguments[1]))
run_command(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(room), str(path), str(tmp_path / "out")],
        env=environment(tmp_path / "tmp"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "with room" in done.stderr and "Traceback" not in done.stderr
    assert left(tmp_path / "out") == []
