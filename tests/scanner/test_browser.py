"""The page in a browser, on good days and bad ones. Left out where there is no Chromium."""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from edge_runtime import DeviceError, Frame, InputError, Measurement, Segmenter
from examples.scanner.__main__ import play
from examples.scanner.screen import Screen
from examples.scanner.server import open_server
from tests.helpers.places import ROOT
from train.data.phantom import make_phantom

api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow
PIXELS, _, PIXEL_SIZE_MM = make_phantom(3)
NO_HEAD = np.random.default_rng(0).integers(0, 255, PIXELS.shape, np.uint8)
SIZES = {"7-inch": (800, 480), "phone": (390, 844), "desk": (1280, 800)}
A_NUMBER = re.compile(r"HC \d+ mm")


class Probe:
    """A probe in a test's hand: it repeats what it was given last, and stalls after None."""

    def __init__(self) -> None:
        self._given: queue.Queue[object] = queue.Queue()
        self.over = threading.Event()
        self.scanner: threading.Thread | None = None

    def give(self, item: object) -> None:
        self._given.put(item)

    def frames(self) -> Iterator[object]:
        """As a scanner opens it. After the test, this ends the scanner's thread, which would open it for ever."""
        return sys.exit() if self.over.is_set() else self._frames()

    def _frames(self) -> Iterator[object]:
        item: object = None
        while not self.over.is_set():
            try:
                item = self._given.get(timeout=0.05 if item is not None else 0.2)
            except queue.Empty:
                if item is None:
                    continue
            if isinstance(item, Exception) and not isinstance(item, InputError):
                error, item = item, None
                raise error
            if item is not None:
                yield item


@pytest.fixture
def probe() -> Iterator[Probe]:
    probe = Probe()
    yield probe
    probe.over.set()
    if probe.scanner:
        probe.scanner.join(30)
        assert not probe.scanner.is_alive()


def serve(probe: Probe, segmenter: Segmenter, deadline_ms: float = 60_000.0) -> str:
    """Play a probe on a screen of its own; returns the page's address."""
    screen = Screen(24.0)
    server = open_server("127.0.0.1", 0, screen)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def measure() -> None:
        with contextlib.suppress(SystemExit):
            play(segmenter, (probe.frames, None), deadline_ms, screen)

    probe.scanner = threading.Thread(target=measure, daemon=True)
    probe.scanner.start()
    return f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 800, "height": 480})
    page.set_default_timeout(60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def shows(page: Any, title: str | re.Pattern[str]) -> None:
    api.expect(page.locator("#title")).to_have_text(title, timeout=60_000)


def has_no_number(page: Any) -> None:
    """No figure stays beside a refusal: not in words, not on the chart, not as an outline."""
    assert not re.search(r"\d", page.locator("#result").inner_text())
    api.expect(page.locator("#level")).not_to_be_visible()


HEAD = Frame(PIXELS, PIXEL_SIZE_MM)


@cache
def measured() -> Measurement:
    """What the shipped model makes of it."""
    return Segmenter.load().measure(PIXELS, PIXEL_SIZE_MM)


def shows_the_head(page: Any) -> None:
    shows(page, f"HC {measured().head_circumference_mm:.0f} mm")


@pytest.mark.parametrize("size", SIZES)
def test_everything_is_on_the_page_without_scrolling(browser: Any, probe: Probe, size: str) -> None:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(serve(probe, Segmenter.load()))
    probe.give(HEAD)
    shows_the_head(page)
    api.expect(page.locator("#text")).to_have_text("90% interval {:.0f} to {:.0f} mm".format(*measured().interval_mm))
    for name in ("caution", "age", "growth", "chart", "dot", "notice", "stats", "freeze"):
        box = page.locator(f"#{name}").bounding_box()
        assert box and box["x"] >= 0 and box["y"] >= 0, name
        assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= height, (name, box)
    button = page.locator("#freeze").bounding_box()
    assert button and min(button["width"], button["height"]) >= 48
    page.close()


@pytest.mark.parametrize("size", [(320, 568), (360, 640), (375, 667)])
def test_on_a_small_phone_nothing_covers_the_number(browser: Any, probe: Probe, size: tuple[int, int]) -> None:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(serve(probe, Segmenter.load()))
    probe.give(HEAD)
    shows_the_head(page)
    names = ("picture", "result", "chart", "freeze", "notice")  # from top to bottom; the last may need scrolling
    boxes = [page.locator(f"#{name}").bounding_box() for name in names]
    for above, below in pairwise(boxes):
        assert above["y"] + above["height"] <= below["y"]
    title = page.locator("#title").bounding_box()
    assert title["y"] + title["height"] <= size[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.close()


def test_a_refusal_a_stall_and_a_failed_probe_leave_no_number(page: Any, probe: Probe) -> None:
    page.goto(serve(probe, Segmenter.load()))
    shows(page, "NO SIGNAL")
    for item, title in (
        (Frame(NO_HEAD, PIXEL_SIZE_MM), "NOT MEASURED"),
        (Frame(PIXELS), "NOT MEASURED"),
        (InputError("SMITH_JANE.png cannot be read"), "NOT MEASURED"),
        (None, "NO SIGNAL"),
        (OSError("broken"), "NO PROBE"),
    ):
        probe.give(HEAD)
        shows(page, A_NUMBER)
        probe.give(item)
        shows(page, title)
        has_no_number(page)
        assert "SMITH" not in page.content()
    probe.give(HEAD)
    shows(page, A_NUMBER)


def test_a_computer_that_is_too_slow_shows_no_number(page: Any, probe: Probe) -> None:
    page.goto(serve(probe, Segmenter.load(), deadline_ms=1e-3))
    probe.give(HEAD)
    shows(page, "TOO SLOW")
    has_no_number(page)


def test_the_best_frame_is_frozen_and_goes_when_asked(page: Any, probe: Probe) -> None:
    page.goto(serve(probe, Segmenter.load()))
    shows(page, "NO SIGNAL")
    with page.expect_response("**/best") as best:  # answered before there is a head
        page.keyboard.press("f")
    assert best.value.json() is None
    probe.give(HEAD)
    shows(page, A_NUMBER)
    page.locator("#freeze").click()
    api.expect(page.locator("#badge")).to_have_text("FROZEN: best of the last seconds")
    probe.give(None)
    api.expect(page.locator("#stats")).not_to_contain_text("frames/s")  # the stall is told, and the frozen frame stays
    shows(page, A_NUMBER)
    page.keyboard.press("F")
    shows(page, "NO SIGNAL")
    has_no_number(page)


SLOW = """() => {
  const decode = HTMLImageElement.prototype.decode;
  HTMLImageElement.prototype.decode = async function () {
    if (!this.src.startsWith("data:")) await new Promise(done => setTimeout(done, 1500));
    return decode.call(this);
  };
}"""
"""As on a slow network: pictures take longer to load than they may be shown."""


def test_what_is_frozen_is_frozen_even_if_pictures_load_slowly(page: Any, probe: Probe) -> None:
    page.goto(serve(probe, Segmenter.load()))
    probe.give(HEAD)
    shows(page, A_NUMBER)
    page.evaluate(SLOW)
    page.wait_for_timeout(100)  # a picture is loading
    page.keyboard.press("f")
    api.expect(page.locator("#badge")).to_have_text("FROZEN: best of the last seconds")
    page.wait_for_timeout(2500)
    assert (
        page.locator("#badge").inner_text().startswith("FROZEN") and page.locator("#freeze").inner_text() == "Live (F)"
    )
    shows(page, A_NUMBER)
    page.keyboard.press("f")  # and live, nothing is in time
    shows(page, re.compile("WAITING|NO CONNECTION"))
    has_no_number(page)


def test_it_is_told_for_a_while_that_there_is_nothing_to_freeze(page: Any, probe: Probe) -> None:
    page.goto(serve(probe, Segmenter.load()))
    probe.give(Frame(NO_HEAD, PIXEL_SIZE_MM))
    shows(page, "NOT MEASURED")
    page.keyboard.press("f")
    api.expect(page.locator("#badge")).to_contain_text("Nothing to freeze")
    page.wait_for_timeout(500)  # in which frames arrive
    assert "Nothing to freeze" in page.locator("#badge").inner_text()
    api.expect(page.locator("#badge")).to_have_text("LIVE")


def test_a_faulty_device_ends_what_is_frozen(page: Any, probe: Probe) -> None:
    segmenter = Segmenter.load()
    page.goto(serve(probe, segmenter))
    probe.give(HEAD)
    shows(page, A_NUMBER)
    page.keyboard.press("f")
    api.expect(page.locator("#badge")).to_have_text("FROZEN: best of the last seconds")

    def faulty(*_: object) -> None:
        raise DeviceError("This device computes wrongly.")

    segmenter.measure = faulty  # type: ignore[method-assign, assignment]
    shows(page, "FAULT")
    has_no_number(page)


def test_the_page_tells_that_the_server_is_gone_and_comes_back_with_it(page: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    call = [sys.executable, "-m", "examples.scanner", "--port", str(port), "--deadline-ms", "60000"]

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout and process.stdout.readline().startswith("http://127.0.0.1")
        return process

    process = start()
    try:
        page.goto(f"http://127.0.0.1:{port}/")
        shows(page, A_NUMBER)
        process.kill()
        process.wait()
        shows(page, "NO CONNECTION")
        has_no_number(page)
        process = start()
        shows(page, A_NUMBER)
    finally:
        process.kill()
        process.wait()
