"""What the command says when something is wrong, before a phone sees anything."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from benchmarks.devices.phone.address import new_token, qr_code
from benchmarks.devices.phone.litert import CORE, SHA512, UTILS
from benchmarks.frames.pack import PHANTOM
from edge_runtime.device.thread_cache import CACHE_VARIABLE
from edge_runtime.shipped import shipped_model
from tests.helpers.places import ROOT, Run
from tests.measuring.devices.phone.conftest import Start

SMALL = shipped_model("edge-s")


def fails(run: Run, code: int, *said: str, call: tuple[object, ...], env: dict[str, str] | None = None) -> None:
    done = run("benchmarks", "phone", "--host", "127.0.0.1", "--port", 0, *call, env=env, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and all(words in line for words in said), line
    assert "http://" not in done.stdout


def test_a_port_in_use_and_an_address_of_another_computer(run: Run, litert: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = f"127.0.0.1:{port} cannot be served: Address already in use", "Give another --port"
        fails(run, 2, *said, call=(SMALL, "--litert", litert, "--port", port))
    fails(run, 2, "203.0.113.7:0 cannot be served", call=(SMALL, "--litert", litert, "--host", "203.0.113.7"))
    fails(run, 2, "--host is empty", call=(SMALL, "--litert", litert, "--host", ""))


def test_an_empty_folder_and_artifacts_without_manifests(run: Run, litert: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for _ in range(2):  # an empty folder, then one with a model that has no manifest
        fails(run, 2, "holds no artifact (a .tflite file with its .json manifest beside it)", call=(bare,))
        shutil.copy(SMALL, bare / "bare.tflite")
    fails(run, 1, "No artifact can be used", "bare.tflite has no manifest", call=(bare / "bare.tflite",))
    fails(run, 2, "neither a folder nor a .tflite file", call=(tmp_path / "none",))


def test_one_artifact_that_cannot_be_used_leaves_the_others(start: Start, tmp_path: Path) -> None:
    shutil.copy(SMALL, tmp_path / "bare.tflite")
    desk = start(SMALL, tmp_path / "bare.tflite")
    assert "error: bare: bare.tflite has no manifest" in desk.said and "quick: 1 artifact," in desk.said
    assert str(tmp_path) not in desk.said and desk.interrupt() == 130


def test_a_frame_set_that_does_not_match_its_hashes(run: Run, tmp_path: Path) -> None:
    data, out = PHANTOM.read_bytes(), tmp_path / "r.json"
    (tmp_path / "changed.frames").write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    (tmp_path / "cut.frames").write_bytes(data[:-9])
    for name, said in (("changed", "does not match its SHA-256"), ("cut", "is cut short")):
        fails(run, 1, said, call=(SMALL, "--frame-set", tmp_path / f"{name}.frames", "--out", out))
    fails(run, 2, "There is no frame set", call=(SMALL, "--frame-set", tmp_path / "none.frames"))


def test_a_result_that_is_there_already_and_one_file_for_two_phones(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("mine")
    fails(run, 2, "already exists", call=(SMALL, "--out", tmp_path / "mine.json"))
    fails(run, 2, "--out names one file", call=(SMALL, "--out", tmp_path / "r.json", "--phones", 2))
    assert (tmp_path / "mine.json").read_text() == "mine"


def npm(folder: Path, script: str) -> dict[str, str]:
    """An npm that does what a script says, and an empty cache."""
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", CACHE_VARIABLE: str(folder / "cache")}


def test_litert_that_cannot_be_fetched(run: Run, tmp_path: Path) -> None:
    elsewhere = f"npm pack @litertjs/core@{CORE[-9:-4]} @litertjs/wasm-utils@{UTILS[-9:-4]} where there is npm"
    offline = npm(tmp_path / "offline", "echo 'npm error code ENOTFOUND' >&2; echo 'npm error no network' >&2; exit 1")
    fails(run, 1, "npm could not fetch LiteRT.js (code ENOTFOUND; no network)", elsewhere, call=(SMALL,), env=offline)
    nothing = npm(tmp_path / "nothing", "exit 0")
    fails(run, 1, "npm did not bring LiteRT.js", elsewhere, call=(SMALL,), env=nothing)
    other = npm(tmp_path / "other", f'for last; do :; done; for f in {CORE} {UTILS}; do echo x > "$last/$f"; done')
    fails(run, 1, f"npm brought another {CORE} than this program was made for", call=(SMALL,), env=other)
    no_npm = {"PATH": str(tmp_path), CACHE_VARIABLE: str(tmp_path / "cache")}
    fails(run, 1, "npm, which comes with Node.js and is not here", elsewhere, call=(SMALL,), env=no_npm)
    assert not (tmp_path / "cache").exists() and not (tmp_path / "other" / "cache").exists()


def test_litert_from_a_folder_and_a_damaged_cache(run: Run, litert: Path, tmp_path: Path) -> None:
    fails(run, 2, "--litert: ", f"{CORE} cannot be read", "npm pack", call=(SMALL, "--litert", tmp_path))
    for name in SHA512:
        shutil.copy(litert / name, tmp_path)
    with (tmp_path / UTILS).open("r+b") as file:
        file.write(b"x")
    fails(run, 2, f"{UTILS} is not the file that npm has under this name", call=(SMALL, "--litert", tmp_path))
    env = npm(tmp_path / "npm", "echo 'npm error offline' >&2; exit 1")
    shutil.copytree(litert, tmp_path / "npm" / "cache" / "litertjs")
    (tmp_path / "npm" / "cache" / "litertjs" / CORE).write_bytes(b"half")
    fails(run, 1, "npm could not fetch LiteRT.js (offline)", call=(SMALL,), env=env)  # it is fetched again


def test_the_code_holds_the_address() -> None:
    cv2 = pytest.importorskip("cv2")
    address = f"http://192.168.178.123:8010/{new_token()}/"
    halves = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}  # as on a dark terminal
    drawn = [[halves[char] for char in line] for line in qr_code(address).splitlines()]
    picture = np.array(drawn, np.uint8).transpose(0, 2, 1).reshape(2 * len(drawn), -1)
    assert cv2.QRCodeDetector().detectAndDecode(np.kron(picture, np.ones((6, 6), np.uint8)))[0] == address


def test_a_missing_library_for_the_code_is_named_with_its_extra(run: Run, tmp_path: Path) -> None:
    (tmp_path / "segno.py").write_text("raise ImportError('no segno')")
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    fails(run, 1, "pip install 'fetal-head-edge[phone]'", call=(SMALL,), env=env)


@pytest.mark.parametrize(
    "option", [("--mode", "sustained"), ("--phones", "0"), ("--port", "70000"), ("--threads", "x")]
)
def test_a_wrong_option(run: Run, option: tuple[str, str]) -> None:
    fails(run, 2, option[0], call=option)
