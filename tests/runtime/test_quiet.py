"""What a command writes to stderr: errors, and nothing that the interpreter says about itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from edge_runtime.artifact.network import BACKENDS
from edge_runtime.common import stderr
from tests.helpers.places import Run
from train.data.phantom import make_phantom


@pytest.mark.parametrize(
    "command",
    [
        ("measure", "frame.png", "--pixel-size-mm", 0.2),
        ("measure", "frame.png", "--json"),
        ("stream", "frame.png", "--pixel-size-mm", 0.2),
        ("bench", "--frames", 2, "--warmup", 0, "--threads", 2),
        ("info",),
        ("tune", "--rounds", 10),
        *(("verify", "--backend", backend) for backend in BACKENDS),
    ],
    ids=lambda command: " ".join(map(str, command)),
)
def test_a_command_that_succeeds_writes_nothing_to_stderr(
    run: Run, tmp_path: Path, command: tuple[object, ...]
) -> None:
    Image.fromarray(make_phantom(0)[0]).save(tmp_path / "frame.png")
    done = run("edge_runtime", *command, cwd=tmp_path, env={"FETAL_HEAD_EDGE_CACHE": str(tmp_path / "cache")})
    assert (done.returncode, done.stderr) == (0, "")


_NATIVE = (
    b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nWARNING: slow\nVERBOSE: a\nERROR: bad\n"
    b"I0000 00:00:1 x.cc:1] b\nW0000 00:00:1 x.cc:1] c\nInformation\nno end"
)
_KEPT = "WARNING: slow\nERROR: bad\nW0000 00:00:1 x.cc:1] c\nInformation\nno end"


def test_only_remarks_are_dropped_and_errors_come_out_even_where_the_work_fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stderr, "_is_command", True)
    with pytest.raises(ValueError, match="failed"), stderr.without_remarks():
        os.write(2, _NATIVE)
        raise ValueError("failed")
    print("after", file=sys.stderr)
    assert capfd.readouterr().err == _KEPT + "after\n"


def test_a_program_that_embeds_the_runtime_keeps_its_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with stderr.without_remarks():
        os.write(2, _NATIVE)
    assert capfd.readouterr().err == _NATIVE.decode()


def test_a_command_without_stderr_or_temporary_folder_runs_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(stderr, "_is_command", True)
    for name in ("tempfile.TemporaryFile", "os.dup"):
        with monkeypatch.context() as patch:
            patch.setattr(f"edge_runtime.common.stderr.{name}", refuse)
            with stderr.without_remarks():
                os.write(2, b"INFO: seen\n")
    assert capfd.readouterr().err == "INFO: seen\n" * 2
