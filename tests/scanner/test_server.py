"""The server: its page, its events, its frames, and nothing else, to nobody who asks by a foreign name."""

from __future__ import annotations

import http.client
import io
import json
import socket
import struct
import threading
from collections.abc import Iterator
from wsgiref.simple_server import WSGIServer

import numpy as np
import pytest
from PIL import Image

from edge_runtime import Frame, Segmenter, stream
from examples.scanner.screen import NO_SIGNAL, Screen
from examples.scanner.server import open_server
from train.data.phantom import make_phantom

PIXELS, _, PIXEL_SIZE_MM = make_phantom(3)


@pytest.fixture
def screen() -> Screen:
    return Screen(None)


@pytest.fixture
def server(screen: Screen) -> Iterator[WSGIServer]:
    with open_server("127.0.0.1", 0, screen) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


def get(server: WSGIServer, path: str, method: str = "GET", host: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    return connection.getresponse()


def test_the_page_needs_nothing_from_elsewhere(server: WSGIServer) -> None:
    answer = get(server, "/")
    page = answer.read().decode()
    assert answer.status == 200 and "Research use only; not a medical device." in page
    assert "http:" not in page and "https:" not in page and page.count("<polyline") == 5
    assert "default-src 'self'" in (answer.getheader("Content-Security-Policy") or "")


@pytest.mark.parametrize(
    "path", ["/x", "/page.html", "/frames/1", "/frames/", "/../screen.py", "/events/", "/etc/passwd"]
)
def test_nothing_else_is_served(server: WSGIServer, path: str) -> None:
    answer = get(server, path)
    assert answer.status == 404 and answer.read() == b"not found"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200), ("192.168.1.7", 200),
        ("evil.example", 404), ("127.0.0.1.evil.example", 404), ("fee.de", 404), ("", 404),
        ("localhost.evil.example:80", 404),
    ],
)  # fmt: skip
def test_a_page_of_a_foreign_name_cannot_read_it(server: WSGIServer, host: str, status: int) -> None:
    assert get(server, "/", host=host).status == status


def test_only_reading_is_served(server: WSGIServer) -> None:
    assert get(server, "/", method="POST").status == 404


def event(answer: http.client.HTTPResponse) -> dict[str, object]:
    """The next server-sent event."""
    lines = [answer.readline(), answer.readline(), answer.readline()]
    assert lines[0] == b"retry: 500\n" and lines[1].startswith(b"data: ") and lines[2] == b"\n"
    found: dict[str, object] = json.loads(lines[1][len(b"data: ") :])
    return found


def test_events_tell_of_each_result_and_its_frame_can_be_fetched(server: WSGIServer, screen: Screen) -> None:
    answer = get(server, "/events")
    assert answer.getheader("Content-Type") == "text/event-stream" and event(answer) == NO_SIGNAL
    with stream(Segmenter.load(), iter([Frame(PIXELS, PIXEL_SIZE_MM)]), deadline_ms=60_000) as screen.stream:
        screen.show(next(screen.stream))
        while (told := event(answer)) == NO_SIGNAL:
            pass
        best = json.loads(get(server, "/best").read())
    measured = Segmenter.load().measure(PIXELS, PIXEL_SIZE_MM)
    assert told["title"] == f"HC {measured.head_circumference_mm:.0f} mm" and told["size"] == [800, 540]
    picture = get(server, f"/{told['picture']}")
    assert picture.getheader("Content-Type") == "image/jpeg"
    shown = np.asarray(Image.open(io.BytesIO(picture.read())).convert("L")).astype(int)
    assert shown.shape == PIXELS.shape and np.abs(shown - PIXELS).mean() < 6
    assert best["title"] == told["title"] and best["picture"].startswith("data:image/jpeg;base64,")


def test_a_browser_that_leaves_or_says_nothing_is_not_logged(
    server: WSGIServer, screen: Screen, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.RequestHandlerClass.timeout == 10
    monkeypatch.setattr(server.RequestHandlerClass, "timeout", 0.2)
    address = ("127.0.0.1", server.server_port)
    with socket.create_connection(address) as silent, socket.create_connection(address) as leaving:
        leaving.sendall(b"GET / HT")
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed with a reset
        leaving.close()
        assert silent.recv(1) == b""
    with socket.create_connection(address) as reading:
        reading.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert reading.recv(10)
        reading.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    screen.put(NO_SIGNAL)
    assert get(server, "/").status == 200
    assert capfd.readouterr().err == ""


def test_only_the_last_frames_are_kept(server: WSGIServer, screen: Screen) -> None:
    for _ in range(20):
        screen.put(NO_SIGNAL, PIXELS)
    assert [get(server, f"/frames/{number}").status for number in (12, 13, 20)] == [404, 200, 200]


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 1), (40, 50, 3), (40, 50, 4), (1000, 2000)])
def test_frames_of_every_shape_become_pictures(server: WSGIServer, screen: Screen, shape: tuple[int, ...]) -> None:
    screen.put(NO_SIGNAL, np.full(shape, 100, np.uint8))
    picture = Image.open(io.BytesIO(get(server, "/frames/1").read()))
    assert picture.size == ((960, 480) if shape[0] == 1000 else (50, 40))
