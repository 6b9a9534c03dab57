"""The page and its data, for those who know the secret in the address."""

from __future__ import annotations

import errno
import hmac
import io
import json
import re
import socket
import sys
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from benchmarks.devices.phone.session import Phone, Refused, Session, Sessions, Times
from edge_runtime.common.optional import require
from edge_runtime.common.record import from_json
from edge_runtime.errors import FetalHeadError, ModelError, UsageError

R = TypeVar("R")

PAGES = {"": "page.html", "page.js": "page.js", "page.css": "page.css", "work.js": "work.js", "link.js": "link.js"}
"""What of this folder is served, by its path below the secret."""

KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "wasm": "application/wasm",
    "json": "application/json",
    "png": "image/png",
    "": "application/octet-stream",
}

MOST_BODY = 1 << 24
"""Bytes of a request. An output of 512x512 in float32 has 1 MB; ten minutes of times have 4 MB."""

_HEADERS = [
    # only our files, and WebAssembly; isolated from other origins, which threads need
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self'; "
        "style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),  # it would hold the secret
    ("X-Content-Type-Options", "nosniff"),
]
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 410: "Gone",
            413: "Content Too Large", 500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A phone that goes away in the middle of a request is not worth a traceback; anything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*_)  # type: ignore[arg-type]


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = 20

    def log_message(self, *_: object) -> None:
        """Nothing is logged: addresses hold the secret."""


@dataclass(frozen=True)
class Request:
    """A request whose secret was right.

    Attributes:
        path: Below the secret.
        query: Its parameters.
        body: Its body.
    """

    path: str
    query: dict[str, str]
    body: bytes

    def number(self, name: str) -> int:
        """A parameter that is a whole number."""
        text = self.query.get(name, "")
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise Refused(404, f"{name} is not a number")
        return int(text)

    def read(self, kind: type[R]) -> R:
        """The body's JSON as a record."""
        try:
            return from_json(kind, json.loads(self.body), "the request")
        except (ValueError, RecursionError, ModelError) as error:
            raise Refused(400, f"the upload cannot be read: {error!s:.200}") from error


def open_server(host: str, port: int, token: str, sessions: Sessions, litert: dict[str, bytes]) -> WSGIServer:
    """A server that listens, and is yet to be started.

    Args:
        host: Where it listens.
        port: Likewise; 0 for a free one.
        token: The secret: the first part of every path.
        sessions: The phones.
        litert: The files of LiteRT.js, as :func:`benchmarks.devices.phone.litert.read_litert` gives them.

    Raises:
        UsageError: The port is in use, or the address is not this computer's.
    """
    served = {path: Path(__file__).with_name(name).read_bytes() for path, name in PAGES.items()}
    served[""] = served[""].replace(b'data-threads="1"', f'data-threads="{sessions.work.plan.threads}"'.encode())
    served |= {f"litert/{path}": data for path, data in litert.items()}

    def app(environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        try:
            status, (kind, body) = 200, _reply(environ, token, sessions, served)
        except Refused as refused:
            status, kind, body = refused.status, "json", json.dumps({"error": str(refused)}).encode()
        except FetalHeadError as error:
            status, kind, body = 500, "json", json.dumps({"error": str(error)}).encode()
        sized = [("Content-Type", KINDS[kind]), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        respond(f"{status} {_REASONS[status]}", [*sized, *_HEADERS])
        return [body]

    if not host:
        raise UsageError("--host is empty. Give an address of this computer, or leave it out for all of them.")
    try:
        return make_server(host, port, app, _Server6 if ":" in host else _Server, _Quiet)
    except (OSError, OverflowError) as error:
        running = " Is another one running?" if getattr(error, "errno", None) == errno.EADDRINUSE else ""
        raise UsageError(
            f"{host}:{port} cannot be served: {getattr(error, 'strerror', None) or error}.{running} "
            "Give another --port or --host."
        ) from None


def _reply(environ: dict[str, Any], token: str, sessions: Sessions, served: dict[str, bytes]) -> tuple[str, bytes]:
    """Kind and content of the reply."""
    first, slash, path = environ["PATH_INFO"].lstrip("/").partition("/")
    if not (slash and hmac.compare_digest(first.encode(errors="replace"), token.encode())):
        raise Refused(404, "not found")
    try:
        query = dict(parse_qsl(environ["QUERY_STRING"], max_num_fields=20))
    except ValueError:
        raise Refused(400, "too many fields in the address") from None
    if environ["REQUEST_METHOD"] == "GET":
        if path in served:
            return (PAGES.get(path, path).rpartition(".")[2]), served[path]
        return _data(path, sessions)
    if environ["REQUEST_METHOD"] != "POST":
        raise Refused(405, "only GET and POST are served")
    body = _body(environ, query.get("crc", ""))
    return "json", json.dumps(_take(Request(path, query, body), sessions)).encode()


def _body(environ: dict[str, Any], crc: str) -> bytes:
    """The body of a request, if it arrived whole."""
    text = environ.get("CONTENT_LENGTH") or "0"
    if not (text.isdecimal() and len(text) < 12):
        raise Refused(400, "the upload does not say how long it is")
    length = int(text)
    if length > MOST_BODY:
        raise Refused(413, f"the upload has {length} bytes; at most {MOST_BODY} are taken")
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except OSError as error:
        raise Refused(400, "the upload was cut off") from error
    if len(body) != length or str(zlib.crc32(body)) != crc:
        raise Refused(400, "the upload was damaged or cut off on its way")
    return body


def _data(path: str, sessions: Sessions) -> tuple[str, bytes]:
    """A model, an input or a frame."""
    work = sessions.work
    found = re.fullmatch(r"(models|inputs|frames)/([\w.+-]+?)(?:/(\d{1,6}))?", path, re.ASCII)
    kind, name, index = found.groups() if found else ("", "", None)
    images = work.images.images
    if kind == "models" and name in work.tasks and index is None:
        return "", work.tasks[name].model
    if kind == "inputs" and name in work.tasks and index is not None and int(index) < len(images):
        return "", work.tasks[name].input_bytes(images[int(index)])
    if kind == "frames" and index is None and name.isdecimal() and int(name) < len(images):
        file = io.BytesIO()
        require("PIL.Image").fromarray(images[int(name)].frame()).save(file, format="PNG")
        return "png", file.getvalue()
    raise Refused(404, "not found")


def _take(request: Request, sessions: Sessions) -> dict[str, Any]:
    """Take what a page sends; returns what it is told."""
    if request.path == "join":
        session = sessions.join(request.read(Phone), request.query.get("session"))
        return {**sessions.work.describe(), **session.describe()}
    session = sessions.find(request.query.get("session", ""), request.number("page"))
    if request.path == "alive":
        return {}
    if request.path == "finish":
        return sessions.finish(session)
    if request.path in ("answer", "round", "failed"):
        return _progress(request, sessions, session)
    raise Refused(404, "not found")


def _progress(request: Request, sessions: Sessions, session: Session) -> dict[str, Any]:
    name = request.query.get("artifact", "")
    if name not in sessions.work.tasks:
        raise Refused(404, "there is no such artifact")
    if request.path == "failed":
        sessions.fail(session, name, request.body[:2000].decode(errors="replace"))
        return {}
    if request.path == "round":
        sessions.time(session, name, request.number("round"), request.read(Times))
        return {}
    index = request.number("frame")
    if index >= len(sessions.work.images.images):
        raise Refused(404, "there is no such frame")
    return sessions.answer(session, name, index, request.body)
