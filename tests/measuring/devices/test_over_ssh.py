"""Runs over a real ssh server: from beginning to end, through lost connections, and what is left afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from benchmarks.suite.document import load_document
from edge_runtime.shipped import shipped_model
from tests.helpers.places import ROOT
from tests.measuring.devices.conftest import Device
from tests.measuring.devices.loopback import HOST, Loopback

pytestmark = pytest.mark.slow

SMALL = shipped_model("edge-s")
FEW = ("--frames", "3", "--warmup", "1")
FOLDER = ".cache/fetal-head-edge/device"


BLOCK = re.search(r"<!-- tested over ssh -->\n```sh\n(.*?)```", (ROOT / "docs" / "devices.md").read_text(), re.DOTALL)


def left(device: Loopback) -> list[Path]:
    return sorted(device.home.rglob("*"))


def test_the_pages_three_commands_lead_to_a_report(device: Device, tmp_path: Path) -> None:
    assert BLOCK is not None and len(BLOCK[1].splitlines()) == 3
    board, copy = device(), tmp_path / "copy"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if not name.startswith(("checkpoints/", "docs/", "tests/")) and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    before = set((copy / "benchmarks" / "results").iterdir())
    call = ["bash", "-e", "-c", BLOCK[1]]
    done = subprocess.run(call, cwd=copy, env={**board.environ, "PYTHONPATH": ""}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (new,) = set((copy / "benchmarks" / "results").iterdir()) - before
    names = [result.artifact for result in load_document(new).results]
    assert names == ["edge-l-full_int8", "edge-m-full_int8", "edge-s-full_int8"] and left(board) == []
    report = (copy / "reports" / "report.html").read_text()
    assert new.name in report and all(name in report for name in names)


def test_a_run_from_beginning_to_end_leaves_nothing_and_names_nobody(device: Device, tmp_path: Path) -> None:
    board = device(new_environment=True)
    code, said = board.run(HOST, SMALL, *FEW, "--out", tmp_path / "result.json")
    assert code == 0, said
    assert said.count("round 1/2") == 1 and said.count("round 2/2") == 1 and f"brought back: {tmp_path}" in said
    assert left(board) == []
    document = load_document(tmp_path / "result.json")
    (result,) = document.results
    assert result.artifact == "edge-s-full_int8" and result.timed_frames == 6 and result.accuracy
    assert document.conditions.is_phantom and document.conditions.arguments["frame_set"] == "phantom.frames"
    text = json.dumps(json.loads((tmp_path / "result.json").read_text()))
    for private in (str(tmp_path), str(board.home), HOST, os.uname().nodename, "127.0.0.1"):
        assert private not in text, private


@pytest.mark.parametrize("shell", ["tcsh", "fish"])
def test_a_login_shell_of_another_language(device: Device, tmp_path: Path, shell: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed here")
    board = device(shell=found)
    odd = tmp_path / "a (folder)! $HOME"
    code, said = board.run(HOST, SMALL, *FEW, "--rounds", "1", "--folder", odd, "--out", tmp_path / "result.json")
    assert code == 0 and load_document(tmp_path / "result.json").results and not odd.exists(), said


def test_a_lost_connection_is_taken_up_again(device: Device, tmp_path: Path) -> None:
    board = device()
    process = board.call(HOST, SMALL, "--seconds", "4", *FEW, "--out", tmp_path / "result.json")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(("latency, quick", "  round 1/2")):
            board.cut()
    said = "".join(lines)
    assert process.wait() == 0, said
    assert said.count("The connection was lost; the run goes on on the device") == 2, said
    assert said.count("connected again") == 2
    # no line is lost, and none comes twice
    for once in ("latency, quick", "  round 1/2", "  round 2/2", "accuracy:", "wrote "):
        assert len(re.findall(f"^{once}", said, flags=re.MULTILINE)) == 1, (once, said)
    assert load_document(tmp_path / "result.json").results and left(board) == []


def test_a_run_goes_on_without_a_connection_and_is_found_by_a_later_call(device: Device, tmp_path: Path) -> None:
    board = device()
    call = (HOST, SMALL, "--seconds", "3", *FEW, "--out", tmp_path / "result.json", "--patience", "0.02")
    process = board.call(*call)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("latency, quick"):
            board.stop()
    assert process.wait() == 1, lines
    assert "Call the same command again later" in lines[-1] and not (tmp_path / "result.json").exists()
    board.start()
    code, said = board.run(HOST, SMALL, "--seconds", "5", *FEW)
    assert code == 2 and "another run (--mode quick --frames 3 --seconds 3.0" in said and "--discard" in said
    code, said = board.run(*call)
    assert code == 0, said
    assert "at this run already" in said and said.count("latency, quick") == 1 and "building" not in said
    assert load_document(tmp_path / "result.json").results and left(board) == []


def test_packages_go_along_and_a_kept_environment_is_used_again(device: Device, tmp_path: Path) -> None:
    board = device(new_environment=True, PIP_FIND_LINKS="/nowhere")
    folder = tmp_path / "a folder; touch $(echo x)"
    options = (HOST, SMALL, *FEW, "--rounds", "1", "--offline", "--folder", folder)
    code, said = board.run(*options, "--keep", "--out", tmp_path / "1.json")
    assert code == 0, said
    assert "Processing ./wheels/numpy" in said and f"kept on the device: {folder}" in said
    sent = {path.name.split("-")[0] for path in (folder / "wheels").iterdir()}
    assert sent == {"ai_edge_litert", "numpy", "pillow"}
    code, said = board.run(*options, "--keep", "--out", tmp_path / "2.json")
    assert code == 0 and "going on with the environment that is there" in said, said
    code, said = board.run(HOST, "--folder", folder, "--discard")
    assert (code, said) == (0, "removed\n") and not folder.exists() and left(board) == []
    assert board.run(HOST, "--folder", folder, "--discard") == (0, "nothing was there\n")
    assert {path.name for path in tmp_path.iterdir()} == {"device", "1.json", "2.json"}


def test_ctrl_c_leaves_a_run_alone_and_discard_ends_it(device: Device) -> None:
    board = device()

    def follow(until: str) -> subprocess.Popen[str]:
        process = board.call(HOST, SMALL, "--seconds", "600", *FEW)
        assert process.stdout is not None
        while until not in process.stdout.readline():
            assert process.poll() is None
        return process

    process = follow("latency, quick")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: ssh gets it too
    said, _ = process.communicate()
    assert process.returncode == 130 and "The run goes on on the device" in said, said
    process = follow("at this run already")
    pid = int((board.home / FOLDER / "pid").read_text())
    assert board.run(HOST, "--discard") == (0, "removed\n")
    said, _ = process.communicate()
    assert process.returncode == 1 and "removed it with --discard" in said and left(board) == []
    stats = [path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
    assert str(pid) not in {of for state, _, group, session, *_ in stats if state != "Z" for of in (group, session)}


def test_an_artifact_that_fails_is_reported_and_the_others_are_brought_back(device: Device, tmp_path: Path) -> None:
    board = device()
    for path in (SMALL, SMALL.with_suffix(".json"), shipped_model("edge-m")):
        shutil.copy(path, tmp_path)
    (tmp_path / "edge-m-full_int8.json").write_text("{}")
    code, said = board.run(HOST, tmp_path, *FEW, "--rounds", "1", "--out", tmp_path / "result.json")
    assert code == 1 and "1 of 2 failed: edge-m-full_int8" in said, said
    good, failed = load_document(tmp_path / "result.json").results
    assert good.accuracy and failed.error and str(tmp_path) not in failed.error and left(board) == []


def test_two_calls_at_a_time_do_not_mix(device: Device, tmp_path: Path) -> None:
    board = device()
    board.command("tar", f'while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; exec {shutil.which("tar")} "$@"')
    first = board.call(HOST, SMALL, *FEW, "--out", tmp_path / "first.json")
    while not (board.home / FOLDER / "sending").exists():
        assert first.poll() is None
    code, said = board.run(HOST, SMALL, *FEW, "--frames", "5", "--out", tmp_path / "second.json")
    assert code == 2 and "Another call is sending its files to the device" in said, said
    (tmp_path / "go").touch()
    said, _ = first.communicate()
    assert first.returncode == 0, said
    assert load_document(tmp_path / "first.json").conditions.frames != 5
    assert not (tmp_path / "second.json").exists() and left(board) == []


def test_the_result_of_another_run_is_not_taken(device: Device, tmp_path: Path) -> None:
    board = device()
    call = (HOST, SMALL, "--seconds", "3", *FEW, "--out", tmp_path / "result.json")
    process = board.call(*call)
    assert process.stdout is not None
    while not process.stdout.readline().startswith("latency, quick"):
        assert process.poll() is None
    request = board.home / FOLDER / "request"
    ours = request.read_text()
    request.write_text("0123 --frames 7, 1 artifact\n")
    said, _ = process.communicate()
    assert process.returncode == 2 and "somebody removed it and began another" in said, said
    request.write_text(ours)
    result = board.home / FOLDER / "result.json"
    result.write_text(result.read_text()[:500])
    code, said = board.run(*call)
    assert code == 1 and "The result in " in said and "is damaged (it is not " in said and "--discard" in said, said
    assert str(tempfile.gettempdir()) + "/fetal" not in said and not (tmp_path / "result.json").exists()
    assert board.run(HOST, "--discard") == (0, "removed\n") and left(board) == []


def test_a_kept_environment_is_made_anew_for_another_python(device: Device, tmp_path: Path) -> None:
    board = device()
    shutil.copy(board.place / "bin" / "python3", board.place / "bin" / "other")
    for python, is_new in (("python3", True), ("python3", False), ("other", True)):
        code, said = board.run(HOST, SMALL, *FEW, "--keep", "--python", python, "--out", tmp_path / "x", "--overwrite")
        assert code == 0 and ("making a virtual environment" in said) is is_new, said
        assert ("going on with the environment that is there" in said) is not is_new
    assert board.run(HOST, "--discard")[0] == 0


def test_a_phones_ssh_server_is_reached_through_its_cable(device: Device, tmp_path: Path) -> None:
    board = device()
    key = (board.place / "host_key.pub").read_text()
    (board.place / "known_hosts").write_text(f"adb-R5CT1234 {key}")
    adb = board.place / "host" / "adb"
    adb.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/adb.txt\n'
        'case "$*" in\n'
        "devices) printf 'List of devices attached\\nR5CT1234\\tdevice\\n';;\n"
        f"*'forward tcp:0 tcp:8022') echo {board.port};;\n"
        "esac\n"
    )
    adb.chmod(0o755)
    code, said = board.run(HOST, SMALL, *FEW, "--rounds", "1", "--adb", "--out", tmp_path / "result.json")
    assert code == 0, said
    assert load_document(tmp_path / "result.json").results and left(board) == []
    calls = (tmp_path / "adb.txt").read_text().splitlines()
    assert calls == [
        "devices",
        "-s R5CT1234 forward tcp:0 tcp:8022",
        f"-s R5CT1234 forward --remove tcp:{board.port}",
    ]
    (board.place / "known_hosts").write_text("")
    code, said = board.run(HOST, SMALL, *FEW, "--adb", "--serial", "R5CT1234")
    assert code == 1 and f"answer yes: adb -s R5CT1234 forward tcp:{board.port} tcp:8022; ssh " in said, said
    for options, why in (
        (("--serial", "X"), "add --adb"),
        (("--adb", "--serial", "X"), "finds no phone 'X'"),
        (("--adb", "--port", "22"), "did not say its port, but ''"),
    ):
        code, said = board.run(HOST, SMALL, *FEW, *options)
        assert code in (1, 2) and why in said, said
