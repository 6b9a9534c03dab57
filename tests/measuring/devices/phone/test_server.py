"""What the server gives and takes, without a browser: to whom, how much, and what of it is damaged."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from benchmarks.devices.phone import session as sessions_module
from benchmarks.devices.phone.server import MOST_BODY, open_server
from benchmarks.devices.phone.session import Session, Sessions
from benchmarks.devices.phone.work import make_work
from benchmarks.frames.images import images_of
from benchmarks.frames.pack import PHANTOM
from benchmarks.suite.artifacts import find_artifacts
from benchmarks.suite.modes import MODES
from edge_runtime.errors import UsageError
from edge_runtime.shipped import shipped_model

TOKEN, NAME = "a-secret", "edge-s-full_int8"
PHONE = {
    "model": "Pixel 8", "user_agent": "Browser (Android 15)", "platform": None, "cores": 8, "memory_gib": None,
    "isolated": False, "build": "relaxed SIMD", "threads": 1, "clock_ms": 0.1,
}  # fmt: skip


@dataclass
class Rig:
    """A server with the eight phantoms and edge-s; one round of two frames."""

    sessions: Sessions
    port: int
    saved: list[Session]

    def call(self, method: str, path: str, body: bytes = b"", token: str = TOKEN) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the reply."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, f"/{token}/{path}", body or None)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if answer.getheader("Content-Type") == "application/json" else {}

    def send(self, path: str, body: bytes | dict[str, Any] = b"", **query: Any) -> tuple[int, dict[str, Any]]:
        """The same as the page sends it."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        words = "&".join(f"{key}={value}" for key, value in {"crc": zlib.crc32(data), **query}.items())
        return self.call("POST", f"{path}?{words}", data)

    def join(self, **changed: Any) -> dict[str, Any]:
        """A new phone; what names it in later requests."""
        status, job = self.send("join", {**PHONE, **changed})
        assert status == 200, job
        return {"session": job["session"], "page": job["page"]}

    def output(self, index: int = 0) -> bytes:
        """A right answer."""
        task = self.sessions.work.tasks[NAME]
        task.network(np.frombuffer(task.input_bytes(self.sessions.work.images.images[index]), np.uint8).reshape(
            task.manifest.size
        ))  # fmt: skip
        return task.network.output().tobytes()


@pytest.fixture
def rig() -> Iterator[Rig]:
    plan = replace(MODES["quick"], rounds=1, frames=2, warmup=0)
    work = make_work(find_artifacts([shipped_model("edge-s")]), images_of(PHANTOM), plan)
    saved: list[Session] = []

    def save(session: Session) -> dict[str, Any]:
        saved.append(session)
        return {"file": "x.json"}

    sessions = Sessions(work, save)
    files = {"core.js": b"core", "wasm/x.wasm": b"wasm"}
    with open_server("127.0.0.1", 0, TOKEN, sessions, files) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield Rig(sessions, server.server_port, saved)
        server.shutdown()


OURS = (
    "",
    "page.js",
    "page.css",
    "link.js",
    "work.js",
    "litert/core.js",
    "frames/7",
    f"models/{NAME}",
    f"inputs/{NAME}/7",
)
NOT_OURS = (
    "server.py", "page.html", "../session.py", "%2e%2e/session.py", "litert/", "litert/../page.js", "litert/wasm/",
    "frames/8", "frames/-1", "frames/1/2", "frames/x", "frames/%D9%A3", "models/", "models/edge-m-full_int8",
    f"models/{NAME}/1", f"models/{NAME}.json", f"inputs/{NAME}", f"inputs/{NAME}/8", "inputs/../models/0", "etc/passwd",
    "join",
)  # fmt: skip


@pytest.mark.parametrize("path", OURS)
def test_the_page_is_for_those_who_know_the_secret(rig: Rig, path: str) -> None:
    assert rig.call("GET", path)[0] == 200
    for token in ("", "a-secre", "a-secret2", "A-SECRET", "%61-secre", "\u00e9".encode().hex()):
        assert rig.call("GET", path, token=token) == (404, {"error": "not found"})
    assert rig.call("POST", "join?crc=0", token="other")[0] == 404


@pytest.mark.parametrize("path", NOT_OURS)
def test_nothing_else_is_served(rig: Rig, path: str) -> None:
    assert rig.call("GET", path)[0] == 404


def test_other_methods_are_refused(rig: Rig) -> None:
    assert rig.call("PUT", "page.js")[0] == 405 and rig.call("DELETE", "")[0] == 405


def test_the_page_is_isolated_and_keeps_its_address_to_itself(rig: Rig) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=20)
    connection.request("GET", f"/{TOKEN}/")
    answer = connection.getresponse()
    page, policy = answer.read().decode(), answer.getheader("Content-Security-Policy") or ""
    assert "Research use only; not a medical device." in page and "http" not in page
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy and "http" not in policy
    assert answer.getheader("Cross-Origin-Opener-Policy") == "same-origin"
    assert answer.getheader("Cross-Origin-Embedder-Policy") == "require-corp"
    assert answer.getheader("Referrer-Policy") == "no-referrer" and answer.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": ""}, "a text is empty"), ({"model": "x" * 401}, "a text is empty, too long"),
        ({"model": "a\x1b[2J"}, "not printable"), ({"cores": -1}, "a number is out of range"),
        ({"threads": "1"}, "'threads' is '1'; it must be int"), ({"isolated": None}, "'isolated'"),
    ],
)  # fmt: skip
def test_a_phone_that_says_nonsense_does_not_join(rig: Rig, changed: dict[str, Any], said: str) -> None:
    status, answer = rig.send("join", {**PHONE, **changed})
    assert status == 400 and said in answer["error"] and rig.sessions.all == []


def test_damaged_uploads_are_refused_and_leave_nothing(rig: Rig) -> None:
    phone, right = rig.join(), rig.output()
    (session,) = rig.sessions.all
    answer = {**phone, "artifact": NAME, "frame": 0}
    for body, crc, said in (
        (right[:-1], None, f"has {len(right) - 1} bytes; it must have {len(right)}"),
        (right + b"x", None, "it must have"),
        (b"", None, "has 0 bytes"),
        (b"\0" + right[1:], zlib.crc32(right) ^ 1, "damaged or cut off on its way"),
        (right, "", "damaged or cut off on its way"),
    ):
        status, told = rig.send("answer", body, **answer, **({} if crc is None else {"crc": crc}))
        assert status == 400 and said in told["error"], told
    times = {**phone, "artifact": NAME, "round": 0}
    for body, said in (
        (b"", "cannot be read"), (b"{", "cannot be read"), (b"[" * 100_000, "cannot be read"), (b"[]", "an object"),
        (b'{"load_ms": 1}', "'ms' is missing"), (b'{"load_ms": 1, "ms": [1, NaN]}', "not finite"),
        (b'{"load_ms": 1, "ms": [1, -1]}', "negative"), (b'{"load_ms": 1, "ms": [0, 0]}', "all times are 0"),
        (b'{"load_ms": 1, "ms": [1, "1"]}', "'ms[1]'"), (b'{"load_ms": 1, "ms": [1]}', "has 1 frames; it must have 2"),
        (b'{"load_ms": 1e999, "ms": [1, 1]}', "not finite"),
    ):  # fmt: skip
        status, told = rig.send("round", body, **times)
        assert status == 400 and said in told["error"], (body[:40], told)
    assert not any(session.answers.values()) and not any(session.rounds.values())
    status, told = rig.send("answer", right, **answer)
    assert status == 200 and told["identical"] and 100 < told["hc_mm"] < 400 and len(told["ellipse"]) == 5


@pytest.mark.parametrize(("artifact", "number"), [(NAME, 8), ("other", 0), (NAME, "x"), (NAME, -1), (NAME, "")])
def test_what_was_not_asked_for_is_not_taken(rig: Rig, artifact: str, number: object) -> None:
    phone, times = rig.join(), {"load_ms": 1, "ms": [1, 1]}
    assert rig.send("answer", rig.output(), **phone, artifact=artifact, frame=number)[0] == 404
    assert rig.send("round", times, **phone, artifact=artifact, round=number)[0] == 404
    assert rig.send("more", **phone)[0] == 404
    (session,) = rig.sessions.all
    assert not session.answers and not session.rounds


def test_an_upload_that_is_too_large_is_not_read(rig: Rig) -> None:
    rig.join()
    with socket.create_connection(("127.0.0.1", rig.port), timeout=20) as link:
        link.sendall(f"POST /{TOKEN}/join?crc=1 HTTP/1.0\r\nContent-Length: {MOST_BODY + 1}\r\n\r\n".encode())
        assert b"413" in link.recv(100)
    for length in ("-1", "x", "1e3", "9" * 30):
        with socket.create_connection(("127.0.0.1", rig.port), timeout=20) as link:
            link.sendall(f"POST /{TOKEN}/join?crc=1 HTTP/1.0\r\nContent-Length: {length}\r\n\r\n".encode())
            assert b" 400 " in link.recv(100), length


def test_a_phone_that_disconnects_in_the_middle_disturbs_nobody(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    phone, right = rig.join(), rig.output()
    words = "&".join(f"{key}={value}" for key, value in {**phone, "artifact": NAME, "frame": 0}.items())
    head = f"POST /{TOKEN}/answer?crc={zlib.crc32(right)}&{words} HTTP/1.0\r\nContent-Length: {len(right)}\r\n\r\n"
    for data in (head.encode() + right[:1000], head.encode()[:40], f"GET /{TOKEN}/frames/0 HTTP/1.0\r\n\r\n".encode()):
        for reset in (False, True):
            link = socket.create_connection(("127.0.0.1", rig.port), timeout=20)
            if reset:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            link.sendall(data)
            link.close()
    assert not rig.sessions.all[0].answers.get(NAME)
    assert rig.send("answer", right, **phone, artifact=NAME, frame=0)[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_only_the_page_that_was_opened_last_is_listened_to(rig: Rig) -> None:
    first = rig.join()
    status, job = rig.send("join", PHONE, session=first["session"])
    assert (status, job["session"], job["page"]) == (200, first["session"], 2)
    assert rig.send("alive", **first) == (409, {"error": "the measurement goes on in another tab"})
    assert rig.send("alive", **{**first, "page": 2}) == (200, {})
    assert rig.send("alive", session="other", page=1) == (410, {"error": "this measurement has ended"})
    assert rig.send("alive", session=first["session"])[0] == 404, "no page is named"


def test_a_half_result_is_not_saved_and_a_whole_one_once(rig: Rig) -> None:
    phone = rig.join()
    for index in range(8):
        status, told = rig.send("finish", **phone)
        assert status == 409 and f"{index} of 8 outputs and 0 of 1 rounds" in told["error"]
        assert rig.send("answer", rig.output(index), **phone, artifact=NAME, frame=index)[0] == 200
    assert rig.send("finish", **phone)[0] == 409 and rig.saved == []
    for _ in range(2):  # a reply may be lost, and the round sent again
        assert rig.send("round", {"load_ms": 1, "ms": [3, 2]}, **phone, artifact=NAME, round=0)[0] == 200
    for _ in range(2):
        assert rig.send("finish", **phone) == (200, {"file": "x.json"})
    assert [session.rounds[NAME][0].ms for session in rig.saved] == [(3, 2)]


def test_a_result_that_cannot_be_written_ends_the_command(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = rig.join()

    def full(_: Session) -> dict[str, Any]:
        raise UsageError("x.json cannot be written: the disk is full.")

    monkeypatch.setattr(rig.sessions, "_save", full)
    assert rig.send("failed", b"no memory", **phone, artifact=NAME)[0] == 200
    assert rig.send("finish", **phone)[0] == 500
    assert str(rig.sessions.failure) == "x.json cannot be written: the disk is full."


def test_there_is_an_end_to_phones(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "MOST", 2)
    first = rig.join()
    rig.join()
    assert rig.send("join", PHONE)[0] == 503
    assert rig.send("join", PHONE, session=first["session"])[0] == 200
