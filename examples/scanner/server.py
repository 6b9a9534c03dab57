"""The page and its data, for browsers on this computer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from edge_runtime import UsageError
from examples.scanner.growth import chart
from examples.scanner.screen import Screen, jpeg

PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8").replace("<!-- chart -->", chart()).encode()
_ONLY_OURS = ("Content-Security-Policy", "default-src 'self' data: 'unsafe-inline'; frame-ancestors 'none'")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing is logged: a browser has left, or said nothing."""


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def open_server(host: str, port: int, screen: Screen) -> WSGIServer:
    """A server that listens, and is yet to be started.

    Raises:
        UsageError: The port is in use, or the address is not this computer's.
    """

    by_address = re.compile(rf"(localhost|[0-9.]+|\[[0-9a-f:]+\]|{re.escape(host)})(:[0-9]+)?", re.IGNORECASE)

    def app(environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        # a name could be that of a foreign site which points here to read the page
        ours = environ["REQUEST_METHOD"] == "GET" and by_address.fullmatch(environ.get("HTTP_HOST", ""))
        status, kind, body = _find(screen, environ["PATH_INFO"] if ours else "")
        respond(status, [("Content-Type", kind), ("Cache-Control", "no-store"), _ONLY_OURS])
        return body

    try:
        return make_server(host or "127.0.0.1", port, app, _Server, _Quiet)  # none would mean every address
    except OSError as error:
        raise UsageError(f"{host}:{port} cannot be served: {error.strerror}. Give another --port or --host.") from None


def _find(screen: Screen, path: str) -> tuple[str, str, Iterable[bytes]]:
    """Status, type and content of what is served at a path."""
    if path == "/":
        return "200 OK", "text/html; charset=utf-8", [PAGE]
    if path == "/events":
        return "200 OK", "text/event-stream", _events(screen)
    if path == "/best":
        return "200 OK", "application/json", [json.dumps(screen.best()).encode()]
    frames = [jpeg(frame) for number, frame in tuple(screen.frames) if path == f"/frames/{number}"]
    return ("200 OK", "image/jpeg", frames) if frames else ("404 Not Found", "text/plain", [b"not found"])


def _events(screen: Screen) -> Iterator[bytes]:
    """One small message for each result. The page asks for its frame, so a slow browser skips frames, too."""
    number, message = screen.number, screen.message
    while True:
        yield f"retry: 500\ndata: {json.dumps(message)}\n\n".encode()
        number, message = screen.after(number)
