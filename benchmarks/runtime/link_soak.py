"""Whether an OpenIGTLink link stays the same size while images arrive faster than they can be measured."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.common.measured import Measured
from benchmarks.common.result_files import read_record
from benchmarks.runtime.soak import GOAL_RISE_BYTES, rss_bytes
from benchmarks.runtime.soak_frames import SIZES
from edge_runtime.common.cli import say
from edge_runtime.common.optional import require
from edge_runtime.links.openigtlink.connections import Address
from edge_runtime.links.openigtlink.image import PixelSizes
from edge_runtime.links.openigtlink.link import Ends, Link
from edge_runtime.segmenter import Segmenter
from edge_runtime.streaming.result import Counts
from train.data.phantom import make_phantom

SCHEMA_VERSION = 1

FPS = 60.0
"""Images per second, more than most probes give."""

WARMUP_S = 10.0
"""Before memory is compared, in seconds."""

COLUMNS = ("seconds", "rss_bytes", "received")

_REPORT_S = 10


@dataclass(frozen=True, kw_only=True)
class LinkSoakDocument(Measured):
    """A soak of a link.

    Attributes:
        model: The artifact's name.
        model_sha256: SHA-256 of the .tflite file.
        backend: The interpreter, by name.
        fps: Images sent per second.
        sizes: (height, width) of the phantoms, in pixels. After each there is an image that is refused.
        warmup_s: Seconds before the record.
        columns: Names of the columns of ``rows``.
        rows: One a second: seconds since the warm-up, resident memory in bytes, images received since then.
        counts: What happened to the images, the warm-up's included.
        rise_bytes: Rise of the resident memory over the record.
        most_rise_bytes: The largest rise in between.
    """

    model: str
    model_sha256: str
    backend: str
    fps: float
    sizes: tuple[tuple[int, int], ...]
    warmup_s: float
    columns: tuple[str, ...]
    rows: tuple[tuple[float, float, float], ...]
    counts: Counts
    rise_bytes: float
    most_rise_bytes: float


def read_link_soak(path: Path) -> LinkSoakDocument:
    """Read a result file.

    Raises:
        UsageError: There is no such file.
        ModelError: It is not such a document.
    """
    return read_record(path, LinkSoakDocument, SCHEMA_VERSION, "python -m benchmarks soak --link 60")


def send(link: Address, fps: float) -> None:
    """Send images without end, and read and forget the answers. The work of a process of its own."""
    pyigtl = require("pyigtl.messages")
    phantoms = [make_phantom(seed, size) for seed, size in enumerate(SIZES)]
    messages = []
    for frame, _, size_mm in phantoms:
        matrix = np.diag([size_mm, size_mm, size_mm, 1.0])
        for pixels in (frame[None], np.zeros((1, 480, 640, 3), np.uint8)):
            messages.append(pyigtl.ImageMessage(pixels, matrix, "ras", device_name="Image_Probe").pack())
    with socket.create_connection((link.host, link.port)) as connection:
        threading.Thread(target=lambda: all(iter(lambda: connection.recv(2**16), b"")), daemon=True).start()
        due = time.monotonic()
        for number in count():
            connection.sendall(messages[number % len(messages)])
            due = max(due + 1 / fps, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))


def soak_link(
    segmenter: Segmenter, seconds: float, warmup_s: float = WARMUP_S, fps: float = FPS
) -> tuple[tuple[tuple[float, float, float], ...], Counts]:
    """Run a link while another process sends.

    Args:
        segmenter: Measures.
        seconds: Length of the record.
        warmup_s: Seconds before it.
        fps: Images per second.

    Returns:
        The rows, and what happened to the images.
    """
    rows: list[tuple[float, float, float]] = []
    with Link(segmenter, Ends(listen=Address("127.0.0.1", 0)), PixelSizes(None, False)) as link:
        sender = multiprocessing.get_context("spawn").Process(target=send, args=(link.address, fps), daemon=True)
        sender.start()
        begun_s, before, told = float("inf"), 0, _REPORT_S
        for result, _ in link:
            now_s, received = time.monotonic(), result.counts.received
            if received and begun_s == float("inf"):
                begun_s = now_s + warmup_s
            if now_s >= begun_s + len(rows):
                before = before if rows else received
                rows.append((now_s - begun_s, float(rss_bytes()), float(received - before)))
                if rows[-1][0] >= told:
                    told += _REPORT_S
                    say(f"{rows[-1][0]:4.0f} s  {rows[-1][1] / 1e6:.2f} MB, {received - before} received")
                if rows[-1][0] >= seconds:
                    break
        counts = link.stream.counts
        sender.terminate()
        sender.join()
    return tuple(rows), counts


def verdict_text(document: LinkSoakDocument) -> str:
    """The goal met or missed, and the figures behind it, for a terminal."""
    seconds, _, received = document.rows[-1]
    verdict = "met" if document.rise_bytes < GOAL_RISE_BYTES else "MISSED"
    counts = document.counts
    return (
        f"goal: resident memory rises by less than {GOAL_RISE_BYTES / 1e6:g} MB over {seconds:.0f} s at "
        f"{received / seconds:.1f} images per second: {document.rise_bytes / 1e6:+.3f} MB "
        f"(largest rise {document.most_rise_bytes / 1e6:+.3f} MB), {verdict}\n"
        f"with the warm-up: {counts.received} received, {counts.dropped} dropped, {counts.accepted} accepted, "
        f"{counts.refused} refused, {counts.failed} failed"
    )
