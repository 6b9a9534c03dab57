"""What the command says when something is wrong, at a real ssh server; and that nothing stays on the device."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.shipped import shipped_model
from tests.measuring.devices.conftest import Device
from tests.measuring.devices.loopback import HOST, PYTHON, Loopback

SMALL = shipped_model("edge-s")
FEW = ("--frames", "2", "--warmup", "0", "--rounds", "1")


def fails(board: Loopback, code: int, *said: str, call: tuple[object, ...] = (HOST, SMALL, *FEW)) -> str:
    """Call, and hold the last message to what it must say; nothing is left."""
    found, text = board.run(*call)
    message = text[text.rindex("error: ") :]
    assert found == code, text
    for words in said:
        assert re.search(words, message), text
    assert sorted(board.home.rglob("*")) == []
    return message


def test_a_changed_host_key(device: Device) -> None:
    board = device()
    board.know("other_key")
    fails(board, 1, "host key of scanner.local is not the one", "remove the old key: ssh-keygen .*-R")


def test_an_unknown_host_key_that_nobody_confirms(device: Device) -> None:
    board = device()
    (board.place / "known_hosts").write_text("")
    fails(board, 1, "not known yet", "by hand.*: ssh scanner.local")


def test_a_user_who_is_refused(device: Device) -> None:
    board = device()
    (board.place / "authorized_keys").write_text("")
    fails(board, 1, r"refused to let you in \(.*Permission denied", "by hand: ssh scanner.local")


def test_a_device_that_is_off_and_one_that_nobody_knows(device: Device) -> None:
    board = device()
    board.stop()
    fails(board, 1, r"scanner.local cannot be reached \(.*Connection refused", "Is it on")
    fails(board, 1, "no-such.invalid cannot be reached", call=("pi@no-such.invalid", SMALL, *FEW))


def test_a_device_without_python(device: Device) -> None:
    board = device()
    fails(board, 1, "has no python3.99", "sudo apt install", "--python", call=(HOST, SMALL, "--python", "python3.99"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("import sys; sys.version_info = (3, 9, 2)", "is Python 3.9; 3.10 or newer is needed"),
        ("import struct; struct.calcsize = lambda _: 4", "has 32 bits, on .*64-bit system"),
        ("import platform; platform.libc_ver = lambda: ('', '')", "C library is not glibc"),
        ("import sys; sys.modules['ensurepip'] = None", "venv or ensurepip is missing.*sudo apt install python3-venv"),
        ("import os; os._exit(1)", "does not run"),
    ],
    ids=["too old", "32 bits", "no glibc", "no venv", "broken"],
)
def test_a_python_that_will_not_do(change: str, said: str, device: Device) -> None:
    board = device()
    (board.place / "site").mkdir()
    (board.place / "site" / "sitecustomize.py").write_text(change)
    board.command("python3", f'PYTHONPATH={board.place}/site exec {PYTHON} "$@"')
    fails(board, 1, said)


def test_a_folder_of_something_else_and_one_that_cannot_be_made(device: Device) -> None:
    board = device()
    board.home.rmdir()
    other = board.place / "other"
    other.mkdir()
    (other / "precious").write_text("x")
    fails(board, 2, "holds something else", call=(HOST, SMALL, "--folder", other))
    fails(board, 2, "holds something else", call=(HOST, "--discard", "--folder", other))
    assert (other / "precious").read_text() == "x"
    fails(board, 2, "precious is not a folder", call=(HOST, SMALL, "--folder", other / "precious" / "sub"))
    for odd in ("new/../precious", "x/.", "/", ""):
        fails(board, 2, "name a folder, without '.' and '..'", call=(HOST, SMALL, "--folder", odd))


def test_a_wrong_call_connects_to_nothing(device: Device, tmp_path: Path) -> None:
    board = device()
    board.stop()
    mine = tmp_path / "mine.json"
    mine.write_text("")
    fails(board, 2, "already exists", call=(HOST, SMALL, "--out", mine))
    fails(board, 2, "no frame set", call=(HOST, SMALL, "--frame-set", tmp_path / "no.frames"))
    fails(board, 2, "neither a folder nor", call=(HOST, tmp_path / "no.tflite"))
    fails(board, 2, "not a destination", call=("a b", SMALL))
    fails(board, 2, "not a destination", call=("--", "-oProxyCommand=touch hacked", SMALL))
    fails(board, 2, "minutes", call=(HOST, SMALL, "--minutes", "3"))


@contextlib.contextmanager
def disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A small disk of its own."""
    place.mkdir()
    call = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(place)]
    if subprocess.run(call, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield place
        assert list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize(
    ("kilobytes", "said"),
    [(400, "disk of scanner.local became full"), (18_000, "disk of the device became full")],
    ids=["while files are sent", "while the environment is made"],
)
def test_a_disk_that_becomes_full(kilobytes: int, said: str, device: Device, tmp_path: Path) -> None:
    board = device()
    with disk(tmp_path / "disk", kilobytes) as place:
        call = (HOST, SMALL, *FEW, "--folder", place / "sub" / "device")
        fails(board, 1, r"has \d+ MB free at .*400 MB are needed", "--folder", call=call)
        board.command("df", "echo head; echo none 9 9 9999999 1% /")  # it says that there is room
        fails(board, 1, said, "--folder", call=call)


def test_pip_without_a_network(device: Device) -> None:
    nowhere = "http://127.0.0.1:9"
    board = device(new_environment=True, PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL=nowhere, PIP_RETRIES="1")
    fails(board, 1, "pip has no network on the device. Add --offline")


def test_a_run_that_ends_without_a_result(device: Device) -> None:
    board = device(new_environment=True, PIP_NO_DEPS="1")
    fails(board, 1, "exit code 1 and no result. Last line: ModuleNotFoundError: No module named 'numpy'", "--keep")


def test_a_connection_that_is_cut_while_files_are_sent(device: Device) -> None:
    board = device()
    board.command("tar", "kill -9 $PPID; sleep 1")
    fails(board, 1, r"connection to scanner.local was lost|cannot be reached")


def test_a_run_that_is_killed(device: Device) -> None:
    board = device()
    process = board.call(HOST, SMALL, "--seconds", "600", *FEW)
    assert process.stdout is not None
    while not process.stdout.readline().startswith("latency, quick"):
        assert process.poll() is None
    os.killpg(int((board.home / ".cache/fetal-head-edge/device/pid").read_text()), signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode == 1 and "ended on the device without a word" in said, said
    assert sorted(board.home.rglob("*")) == []
